"""Batches through the real SDK: the stand-in's protocol, and what Claude makes of it and of its failures."""

import itertools
import json
import time
from datetime import UTC, datetime, timedelta

import anthropic
import httpx2
import pytest

from analysis.base import NO_SUCH_BATCH, AnalysisError, AnalysisRequest, BatchAnalyzer, MinimizedText
from analysis.claude import Claude

TOPICS = {"shipping": "parcels", "refund": "money back"}
keys = itertools.count()


@pytest.fixture
def url(standins):
    url = standins["anthropic"]
    httpx2.delete(f"{url}/_script")
    httpx2.delete(f"{url}/_received")
    httpx2.post(f"{url}/_batch_time", json={"seconds": 0.05})
    yield url
    httpx2.post(f"{url}/_batch_time", json={"seconds": 0.5})


@pytest.fixture
def key():
    return f"sk-batch-{next(keys)}"  # batches of its own


@pytest.fixture
def claude(url, key):
    return Claude(api_key=key, base_url=url, model="claude-haiku-5-5", timeout_s=1.0, label="stand-in")


@pytest.fixture
def sdk(url, key):
    http_client = httpx2.Client(trust_env=False)
    return anthropic.Anthropic(base_url=url, api_key=key, max_retries=0, http_client=http_client).messages.batches


def script(url, *steps):
    httpx2.post(f"{url}/_script", json={"steps": list(steps)})


def call_for(claude, text, **more):
    request = AnalysisRequest(text=MinimizedText(text), topics=TOPICS, industry="shop", tone="kind")
    return claude.prepare(request, **more)


def submit(claude, *texts):
    return claude.submit_batch({f"id-{number}": call_for(claude, text) for number, text in enumerate(texts)})


def wait(claude, provider_id):
    deadline = time.monotonic() + 10
    while not claude.get_batch(provider_id).has_ended:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def read(claude, provider_id):
    return {answer.custom_id: answer for answer in claude.read_batch(provider_id, topics=tuple(TOPICS))}


def params(**more):
    return {"model": "claude-haiku-5-5", "max_tokens": 50, "messages": [{"role": "user", "content": "hello"}], **more}


def test_answers_are_those_of_single_calls_at_half_the_price(claude):
    assert isinstance(claude, BatchAnalyzer)
    claude.analyze(call_for(claude, "warm"), topics=tuple(TOPICS))
    single = claude.analyze(call_for(claude, "My parcel never arrived"), topics=tuple(TOPICS))
    provider_id = submit(claude, "My parcel never arrived", "Thank you!")
    wait(claude, provider_id)
    answers = read(claude, provider_id)
    assert set(answers) == {"id-0", "id-1"}
    batched = answers["id-0"].analysis
    assert batched.answer == single.answer and batched.model == single.model
    assert batched.usage.input_tokens == single.usage.input_tokens
    assert batched.usage.cached_tokens == single.usage.cached_tokens > 0
    assert batched.usage.cost_microusd == pytest.approx(single.usage.cost_microusd / 2, abs=1)


def test_the_request_of_a_batch_is_the_one_of_a_single_call(claude, url):
    calls = {"a": call_for(claude, "hello"), "b": call_for(claude, 'Schön, "so" sagt\x00 man 😍\\')}
    for call in calls.values():
        claude.analyze(call, topics=tuple(TOPICS))
    claude.submit_batch(calls)
    received = [json.loads(json.loads(line)["body"]) for line in httpx2.get(f"{url}/_received").text.splitlines()]
    *singles, batch = received
    assert batch == {"requests": [{"custom_id": name, "params": one} for name, one in zip("ab", singles, strict=True)]}


def test_a_batch_is_in_progress_until_its_time_has_come_and_results_come_in_any_order(sdk, url):
    httpx2.post(f"{url}/_batch_time", json={"seconds": 0.3})
    requests = [{"custom_id": f"n{number}", "params": params()} for number in range(30)]
    batch = sdk.create(requests=requests)
    assert (batch.processing_status, batch.request_counts.processing, batch.results_url) == ("in_progress", 30, None)
    with pytest.raises(anthropic.AnthropicError):
        sdk.results(batch.id)
    deadline = time.monotonic() + 10
    while (batch := sdk.retrieve(batch.id)).processing_status != "ended":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert (batch.request_counts.succeeded, batch.request_counts.processing) == (30, 0)
    ids = [line.custom_id for line in sdk.results(batch.id)]
    asked = [one["custom_id"] for one in requests]
    assert ids != asked and sorted(ids) == sorted(asked)
    assert sdk.delete(batch.id).type == "message_batch_deleted"
    with pytest.raises(anthropic.NotFoundError):
        sdk.retrieve(batch.id)


def test_params_are_checked_later_and_what_is_wrong_with_them_costs_nothing(sdk, claude, url):
    paid = httpx2.get(f"{url}/_paid").json()["batched"]
    batch = sdk.create(
        requests=[{"custom_id": "good", "params": params()}, {"custom_id": "bad", "params": params(temperature=1)}]
    )
    wait(claude, batch.id)
    results = {line.custom_id: line.result for line in sdk.results(batch.id)}
    assert (results["good"].type, results["bad"].type) == ("succeeded", "errored")
    assert results["bad"].error.error.type == "invalid_request_error"
    assert httpx2.get(f"{url}/_paid").json()["batched"] - paid == 1
    error = read(claude, batch.id)["bad"].error
    assert (error.code, error.permanent) == ("batch_invalid_request_error", True)


@pytest.mark.parametrize(
    "requests",
    [
        [],
        [{"custom_id": "a b", "params": {}}],
        [{"custom_id": "x" * 65, "params": {}}],
        [{"custom_id": "a", "params": {}}, {"custom_id": "a", "params": {}}],
        [{"custom_id": "a"}],
    ],
)
def test_a_batch_that_is_wrong_as_a_whole_is_refused_at_once(sdk, requests):
    with pytest.raises(anthropic.BadRequestError):
        sdk.create(requests=requests)


def test_batches_are_listed_newest_first_page_by_page_and_only_to_their_owner(sdk, url, claude):
    made = [sdk.create(requests=[{"custom_id": "a", "params": params()}]).id for _ in range(5)]
    page = sdk.list(limit=2)
    assert [one.id for one in page.data] == made[:-3:-1] and page.has_more
    assert [one.id for one in sdk.list(limit=2)] == made[::-1]
    assert [
        one.provider_id for one in claude.list_batches(created_after=datetime.now(UTC) - timedelta(minutes=1))
    ] == made[::-1]
    assert claude.list_batches(created_after=datetime.now(UTC) + timedelta(minutes=1)) == []
    other = Claude(api_key="sk-somebody-else", base_url=url, model="claude-haiku-5-5", timeout_s=1.0)
    with pytest.raises(AnalysisError, match=NO_SUCH_BATCH):
        other.get_batch(made[0])


def test_what_is_cancelled_in_time_is_not_done(claude, sdk, url):
    httpx2.post(f"{url}/_batch_time", json={"seconds": 0.3})
    provider_id = submit(claude, "one", "two")
    claude.cancel_batch(provider_id)
    assert sdk.retrieve(provider_id).processing_status == "canceling"
    wait(claude, provider_id)
    answers = read(claude, provider_id).values()
    assert {(one.error.code, one.error.permanent, one.counts_as_try) for one in answers} == {
        ("batch_canceled", False, False)
    }


def test_deleting_what_is_not_there_is_done(claude):
    provider_id = submit(claude, "one")
    wait(claude, provider_id)
    claude.delete_batch(provider_id)
    claude.delete_batch(provider_id)
    with pytest.raises(AnalysisError) as caught:
        claude.get_batch(provider_id)
    assert (caught.value.code, caught.value.permanent) == (NO_SUCH_BATCH, True)


ERROR = {"type": "error", "error": {"type": "x", "message": "canary"}}


@pytest.mark.parametrize(
    ("step", "code", "permanent"),
    [
        ({"status": 400, "body": ERROR}, "bad_request", True),
        ({"status": 401, "body": ERROR}, "key_refused_401", False),
        ({"status": 429, "body": ERROR}, "rate_limited_429", False),
        ({"status": 500, "body": ERROR}, "provider_error_500", False),
        ({"status": 200, "body": "<html>canary</html>"}, "odd_answer", False),
        ({"status": 200, "body": {"foreign": "canary"}}, "odd_answer", False),
        ({"drop": "before"}, "no_connection", False),
        ({"drop": "after"}, "no_connection", False),
    ],
)
@pytest.mark.parametrize("method", ["submit", "get", "list"])
def test_every_failure_is_one_error_without_key_and_text(claude, url, key, method, step, code, permanent):
    script(url, {"path": "/v1/messages/batches", **step})
    ask = {
        "submit": lambda: submit(claude, "canary"),
        "get": lambda: claude.get_batch("msgbatch_1"),
        "list": lambda: claude.list_batches(created_after=datetime.now(UTC) - timedelta(hours=1)),
    }[method]
    with pytest.raises(AnalysisError) as caught:
        ask()
    error = caught.value
    assert (error.code, error.permanent, error.provider_down) == (code, permanent, not permanent)
    held = repr(error) + str(error) + repr(error.__cause__) + repr(error.__context__) + repr(vars(error))
    assert key not in held and "canary" not in held


def test_a_file_that_breaks_off_is_an_error_and_not_an_end(claude, url):
    provider_id = submit(claude, "one", "two")
    wait(claude, provider_id)
    script(
        url,
        {"path": f"/v1/messages/batches/{provider_id}/results", "status": 200, "body": '{"custom_id": "id-0", "res'},
    )
    with pytest.raises(AnalysisError, match="odd_answer"):
        read(claude, provider_id)
    assert len(read(claude, provider_id)) == 2


@pytest.mark.parametrize(
    "line", ['{"custom_id": "a"}', '{"custom_id": "a", "result": {"type": "succeeded"}}', "{}", "null", "7"]
)
def test_a_line_that_is_no_result_is_a_bad_answer(claude, url, line):
    provider_id = submit(claude, "one")
    wait(claude, provider_id)
    script(url, {"path": f"/v1/messages/batches/{provider_id}/results", "status": 200, "body": line + "\n"})
    try:
        (answer,) = claude.read_batch(provider_id, topics=tuple(TOPICS))
    except AnalysisError as error:
        assert error.code == "odd_answer"  # noqa: PT017
    else:
        assert answer.error.code == "batch_odd_answer"
