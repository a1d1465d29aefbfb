"""The real SDK against a real server: every way to fail becomes one error that holds no key and no text."""

import pickle
from dataclasses import replace

import httpx2
import pytest

from analysis.base import AnalysisError, AnalysisRequest, MinimizedText
from analysis.claude import Claude

KEY, TEXT = "sk-test-secret-key", "my parcel never arrived, canary words"
TOPICS = {"shipping": "parcels", "refund": "money back"}


@pytest.fixture
def claude(standins):
    httpx2.delete(f"{standins['anthropic']}/_script")
    httpx2.delete(f"{standins['anthropic']}/_received")
    return Claude(
        api_key=KEY, base_url=standins["anthropic"], model="claude-haiku-5-5", timeout_s=1.0, label="stand-in"
    )


def ask(claude, text=TEXT, **more):
    request = AnalysisRequest(text=MinimizedText(text), topics=TOPICS, industry="shop", tone="kind")
    call = claude.prepare(request, **more)
    return claude.analyze(call, topics=tuple(TOPICS))


def script(standins, *steps):
    httpx2.post(f"{standins['anthropic']}/_script", json={"steps": list(steps)})


def error_body(kind, message="x"):
    return {"type": "error", "error": {"type": kind, "message": message}}


def answer_body(text='{"sentiment":"neutral"}', stop_reason="end_turn", **more):
    return {
        "id": "m", "type": "message", "role": "assistant", "model": "claude-haiku-5-5", "stop_sequence": None,
        "content": [{"type": "text", "text": text}], "stop_reason": stop_reason,
        "usage": {"input_tokens": 10, "output_tokens": 5}, **more,
    }  # fmt: skip


def test_a_good_answer_carries_where_it_came_from_and_what_it_cost(claude):
    analysis = ask(claude)
    assert analysis.answer.sentiment == "negative"
    assert analysis.answer.topics == ("shipping",)
    assert (analysis.analyzer, analysis.model) == ("stand-in", "claude-haiku-5-5")
    assert analysis.request_id and analysis.usage.input_tokens and analysis.usage.cost_microusd


def test_somebody_hears_what_came_of_each_call_and_what_it_used(standins):
    heard = []

    def hear(*, model, outcome, usage):
        heard.append((model, outcome, usage and usage.output_tokens > 0))

    claude = Claude(
        api_key=KEY, base_url=standins["anthropic"], model="claude-haiku-5-5", timeout_s=1.0, count_call=hear
    )
    script(
        standins,
        {"status": 529, "body": error_body("overloaded_error")},
        {"status": 200, "body": answer_body(stop_reason="refusal")},
    )
    for code in ("overloaded_529", "refused"):
        with pytest.raises(AnalysisError, match=code):
            ask(claude)
    ask(claude)
    request = AnalysisRequest(text=MinimizedText(TEXT), topics=TOPICS)
    claude.warm(replace(claude.prepare(request), max_tokens=0))
    assert [one[1] for one in heard] == ["overloaded_529", "refused", "answered", "answered"]
    assert [one[2] for one in heard[:3]] == [None, True, True]
    assert {one[0] for one in heard} == {"claude-haiku-5-5"}


def test_the_second_call_reads_the_prompt_from_the_cache(claude):
    ask(claude)
    assert ask(claude, "again").usage.cached_tokens > 0


@pytest.mark.parametrize(
    ("status", "body", "code", "permanent", "provider_down"),
    [
        (400, error_body("invalid_request_error"), "bad_request", True, False),
        (
            400,
            error_body("invalid_request_error", "You have reached your specified API usage limits."),
            "usage_limit",
            False,
            True,
        ),
        (401, error_body("authentication_error"), "key_refused_401", False, True),
        (402, error_body("billing_error"), "payment_required_402", False, True),
        (403, error_body("permission_error"), "not_permitted_403", False, True),
        (404, error_body("not_found_error"), "model_not_found_404", False, True),
        (413, error_body("request_too_large"), "too_large_413", True, False),
        (422, error_body("unprocessable"), "unprocessable_422", True, False),
        (429, error_body("rate_limit_error"), "rate_limited_429", False, True),
        (500, error_body("api_error"), "provider_error_500", False, True),
        (503, "<html>", "provider_error_503", False, True),
        (529, error_body("overloaded_error"), "overloaded_529", False, True),
        (200, "<html>maintenance</html>", "odd_answer", False, True),
        (200, {"foreign": "json"}, "odd_answer", False, True),
        (200, answer_body(stop_reason="refusal"), "refused", True, False),
        (200, answer_body(stop_reason="tool_use"), "stopped_tool_use", True, False),
        (200, answer_body(), "answer_invalid:intent,score,suggested_action,summary,topics", False, False),
        (200, answer_body("not json"), "answer_not_json", False, False),
        (200, answer_body(""), "answer_empty", False, False),
    ],
)
def test_every_bad_answer_has_its_code(claude, standins, status, body, code, permanent, provider_down):
    script(standins, {"status": status, "body": body})
    with pytest.raises(AnalysisError) as caught:
        ask(claude)
    error = caught.value
    assert (error.code, error.permanent, error.provider_down) == (code, permanent, provider_down)


@pytest.mark.parametrize("step", [{"drop": "before"}, {"drop": "after"}, {"delay_s": 3}])
def test_no_answer_is_the_providers_fault(claude, standins, step):
    script(standins, step)
    with pytest.raises(AnalysisError) as caught:
        ask(claude)
    assert caught.value.provider_down and not caught.value.permanent


def test_an_answer_that_was_cut_off_is_worth_one_more_call_with_room(claude, standins):
    for with_room, permanent in ((False, False), (True, True)):
        script(standins, {"status": 200, "body": answer_body(stop_reason="max_tokens")})
        with pytest.raises(AnalysisError) as caught:
            ask(claude, with_room=with_room)
        assert (caught.value.code, caught.value.permanent) == ("stopped_max_tokens", permanent)
    assert ask(claude, with_room=True).answer.sentiment == "negative"


def test_retry_after_is_obeyed_up_to_five_minutes(claude, standins):
    for header, seconds in (("7", 7.0), ("100000", 300.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 10.0)):
        script(standins, {"status": 429, "headers": {"retry-after": header}, "body": error_body("rate_limit_error")})
        with pytest.raises(AnalysisError) as caught:
            ask(claude)
        assert caught.value.retry_after_s == seconds


def test_the_sdk_retries_nothing_by_itself(claude, standins):
    script(standins, {"status": 529, "body": error_body("overloaded_error")})
    with pytest.raises(AnalysisError):
        ask(claude)
    received = httpx2.get(f"{standins['anthropic']}/_received").text.splitlines()
    assert len(received) == 1


@pytest.mark.parametrize(
    "step", [{"status": 401, "body": error_body("authentication_error", TEXT)}, {"drop": "before"}]
)
def test_an_error_carries_neither_key_nor_text(claude, standins, step):
    script(standins, step)
    with pytest.raises(AnalysisError) as caught:
        ask(claude)
    error = caught.value
    held = repr(error) + str(error) + repr(error.__cause__) + repr(error.__context__) + repr(vars(error))
    held += repr(pickle.dumps(error.args))
    assert KEY not in held and "canary" not in held
    assert error.__cause__ is None and error.__context__ is None


def test_the_request_holds_only_what_it_must(claude, standins):
    ask(claude)
    (line,) = httpx2.get(f"{standins['anthropic']}/_received").text.splitlines()
    assert KEY not in line
    for word in ("temperature", "top_p", "metadata", "user_id"):
        assert word not in line
