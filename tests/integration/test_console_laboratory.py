"""The prompt laboratory in the console and the API: nothing leaves before somebody agrees, nothing unstripped is kept, paid once."""

import re
from uuid import uuid4

import httpx2
import pytest

from console.app import create_app
from store.trial_records import take_trial
from store.users import create_api_key
from tests.integration.console_visitor import add_visitor, signed_in, words
from tests.integration.test_examples import Desk, calls
from tests.integration.test_message_changes import everything
from tests.integration.trials_bench import deeds, work_off
from tests.webhooks import whatsapp_body, whatsapp_revocation
from worker import trial_work

SHOES = "Do you have the blue sneakers in half sizes?"
LATE = "My parcel is late again"
PAGE = "/admin/laboratory"


@pytest.fixture
def app(settings):
    app = create_app({}, settings=settings)
    yield app
    app.extensions["database"].close()


@pytest.fixture
def desk(deps, receive, tenant_ids):
    return Desk(deps, receive, tenant_ids["acme"], "acme")


@pytest.fixture
def boss(app, owner, tenant_ids):
    boss = signed_in(app, add_visitor(owner, tenant_ids["acme"], role="supervisor", email="boss@example.com"))
    boss.get(PAGE)
    return boss


def plan(visitor, **fields):
    """Send the form with what is live in it but for `fields`; returns (trial's path, the page that comes)."""
    form = {"topics": "", "tone": "", "industry": "generic", "escalate": "0.7", "unsure": "0.5", "cap_usd": "0.25"}
    shown = visitor.get(PAGE).text
    form["industry"] = re.search(r'name="industry".*?value="(\w+)" selected', shown, re.DOTALL)[1]
    answer = visitor.post(PAGE, follow=False, **{**form, **fields})
    if answer.status_code != 302:
        return None, answer
    return answer.location, visitor.get(answer.location)


def test_a_trial_is_planned_agreed_to_done_by_a_worker_and_shown_side_by_side(boss, desk, owner, standins, deps):
    message_id = desk.hear(SHOES)
    n_calls = len(calls(standins))
    path, shown = plan(boss, message=[message_id], topics="half_sizes = half sizes, sneakers, which size fits")
    told = words(shown)
    assert "Calls to the AI 1" in told and "at most about $0.0" in told and SHOES in told
    assert "half_sizes" in shown.text and "Live: its stored analysis, at no cost." in told
    assert len(calls(standins)) == n_calls and work_off(deps) == 0
    assert "is being asked" in words(boss.post(path))
    assert 'http-equiv="refresh"' in boss.get(path).text and "data-follow" in boss.get(path).text
    assert work_off(deps) == 1
    done = boss.get(path)
    told = words(done)
    assert "1 message would be different, of 1" in told and "half sizes" in told and "data-follow" not in done.text
    for label in (
        "Sentiment",
        "Intent",
        "Topics",
        "Summary",
        "Advice",
        "Place",
        "Automations",
        "Tokens",
        "Cost",
        "Prompt",
    ):
        assert label in told
    sent = calls(standins)[-1]["messages"][0]["content"]
    (egress_id, text) = owner.execute("SELECT id::text, minimized_text FROM egress WHERE purpose = 'trial'").fetchone()
    assert text == sent and f"/admin/privacy/ledger/{egress_id}" in done.text
    (cost,) = owner.execute("SELECT cost_microusd FROM trial").fetchone()
    assert cost > 0 and deeds(owner, desk.tenant_id) == ["trial_started"]
    assert "supervisor" not in told and "boss@example.com" in told and path in boss.get(PAGE).text


PHONE = ("532 123", "532123", "123 45 67", "1234567")


def test_pasted_words_are_stripped_before_they_are_kept_shown_or_leave(boss, owner, standins, deps):
    secret = "call me on +90 532 123 45 67"
    path, shown = plan(boss, words=f"{LATE}, {secret}\n\nsecond one", tone="brief")
    # As it was written, and without its blanks; less of it may stand in any id by chance.
    assert not any(one in shown.text for one in PHONE) and "Calls to the AI 4" in words(shown)
    boss.post(path)
    work_off(deps)
    assert not any(one in boss.get(path).text for one in PHONE)
    assert not any(one in str(call) for call in calls(standins) for one in PHONE)
    assert not any(one in everything(owner) for one in PHONE)
    assert "second one" in words(boss.get(path))


def test_a_form_that_is_sent_twice_asks_and_pays_once(boss, standins, deps):
    path, _ = plan(boss, words=LATE)
    for _ in range(2):
        boss.post(path)
        work_off(deps)
    assert len(calls(standins)) == 1


def test_what_may_cost_more_than_is_allowed_is_not_asked(boss, standins, deps):
    path, shown = plan(boss, words="\n".join([LATE] * 50), model="claude-opus-5-5", cap_usd="0.01")
    assert "may cost more than you allow" in words(shown) and "Send this" not in shown.text
    assert "may cost more than you allow" in words(boss.post(path))
    assert work_off(deps) == 0 and calls(standins) == []


@pytest.mark.parametrize(
    ("fields", "field", "told"),
    [
        ({"words": ""}, None, "give 1 to 50 messages"),
        ({"words": "x", "topics": "nonsense"}, "topics", "name = one-line definition"),
        ({"words": "x", "topics": "a = b\na = c"}, "topics", "stands there twice"),
        ({"words": "x", "topics": "ship_ping = x"}, "topics", "reads like"),
        ({"words": "x", "tone": "y" * 201}, "tone", "at most 200"),
        ({"words": "x", "unsure": "7"}, "unsure", "a number from 0 to 1"),
        ({"words": "x", "cap_usd": "much"}, "cap_usd", "a number from 0 to 25"),
        ({"words": "x", "examples": "99"}, "examples", "there is no version 99"),
        ({"words": "x", "examples": "proposed"}, "examples", "nothing is proposed"),
        ({"message": ["nothing"]}, None, "no id that could be read"),
        ({"message": [str(uuid4())]}, None, "this tenant has no message"),
        ({"words": "x" * 4097}, "words", "at most 4096"),
        ({"words": "a\0b"}, "words", "NUL"),
    ],
)
def test_what_cannot_be_tried_names_the_field_and_keeps_what_was_typed(boss, owner, fields, field, told):
    path, shown = plan(boss, **{"tone": "warm and brief", **fields})
    assert path is None and shown.status_code == 422 and told in words(shown)
    if field:
        assert re.search(rf'name="{field}"[^>]*aria-invalid="true"', shown.text), field
    if "tone" not in fields:
        assert 'value="warm and brief"' in shown.text
    assert owner.execute("SELECT count(*) FROM trial").fetchone() == (0,)


def test_thresholds_alone_ask_nobody(boss, desk, standins, deps):
    message_id = desk.hear(LATE)
    n_calls = len(calls(standins))
    path, shown = plan(boss, message=[message_id], unsure="1")
    assert "nothing: no question is asked" in words(shown)
    boss.post(path)
    work_off(deps)
    assert "review" in words(boss.get(path)) and len(calls(standins)) == n_calls


def test_recent_corrections_stand_there_to_be_chosen_by_language_and_surface(boss, desk):
    message_id = desk.hear(LATE)
    desk.correct(message_id, value="positive")
    shown = boss.get(PAGE)
    assert LATE in shown.text and f'value="{message_id}"' in shown.text and "negative → positive" in words(shown)
    assert LATE not in boss.get(PAGE, surface="reel_comment").text
    assert LATE not in boss.get(PAGE, language="xx").text
    assert "Correct a label in a conversation" in boss.get(PAGE, language="xx").text
    assert f'value="{message_id}" checked' in boss.get(PAGE, message=message_id).text


def test_an_earlier_trial_can_be_changed_and_tried_again(boss):
    path, _ = plan(boss, words="hello there", tone="brief", model="claude-sonnet-5-5", unsure="0.4", on="reel_comment")
    again = boss.get(PAGE, **{"from": path.rpartition("/")[2]}).text
    for kept in (">hello there</textarea>", 'value="brief"', 'value="claude-sonnet-5-5" selected', 'value="0.4"'):
        assert kept in again
    assert 'value="reel_comment" selected' in again
    assert "That trial is gone" in boss.get(PAGE, **{"from": str(uuid4())}).text


def test_agents_see_nothing_auditors_change_nothing_and_other_tenants_find_nothing(app, owner, boss, tenant_ids, desk):
    path, _ = plan(boss, words=LATE)
    agent = signed_in(app, add_visitor(owner, desk.tenant_id))
    auditor = signed_in(app, add_visitor(owner, desk.tenant_id, role="auditor"))
    stranger = signed_in(app, add_visitor(owner, tenant_ids["other"], role="admin"))
    assert [agent.get(one).status_code for one in (PAGE, path)] == [403, 403]
    assert auditor.get(path).status_code == 200 and 'method="post" action="/admin' not in auditor.get(path).text
    assert auditor.post(path).status_code == 403 and auditor.post(PAGE, words="x").status_code == 403
    assert stranger.get(path).status_code == 404 and stranger.post(path).status_code == 404
    assert path not in stranger.get(PAGE).text


def test_a_message_of_another_tenant_cannot_be_tried(boss, deps, receive, tenant_ids):
    theirs = Desk(deps, receive, tenant_ids["other"], "other").hear(LATE)
    path, shown = plan(boss, message=[theirs])
    assert path is None and shown.status_code == 422 and LATE not in shown.text


def test_a_trial_whose_worker_died_is_not_asked_again(boss, desk, owner, deps, standins):
    path, _ = plan(boss, words=LATE)
    boss.post(path)
    with deps.database.tenant_transaction(desk.tenant_id) as conn:
        assert take_trial(conn, path.rpartition("/")[2])
    assert work_off(deps) == 0
    assert "is being asked" in words(boss.get(path))
    owner.execute("UPDATE trial SET lease_until = now() - interval '1 s'")
    assert work_off(deps) == 0
    assert "the worker was stopped in the middle" in words(boss.get(path)) and calls(standins) == []


def test_a_provider_that_is_down_ends_the_trial_with_its_reason(boss, standins, deps):
    path, _ = plan(boss, words=LATE)
    boss.post(path)
    httpx2.post(
        f"{standins['anthropic']}/_script", json={"steps": [{"path": "/v1/messages", "status": 401, "body": {}}]}
    )
    work_off(deps)
    assert "came to nothing: the model cannot be asked now" in words(boss.get(path)).replace("  ", " ")


def test_a_bug_ends_the_trial_without_its_text(boss, deps, monkeypatch):
    path, _ = plan(boss, words=LATE)
    boss.post(path)

    def fail(*_, **__):
        raise RuntimeError(LATE)

    monkeypatch.setattr(trial_work, "run_lab", fail)
    work_off(deps)
    assert "bug_RuntimeError" in words(boss.get(path)) and f"bug_RuntimeError: {LATE}" not in words(boss.get(path))


def test_a_message_that_is_taken_back_goes_with_the_trials_it_was_in(boss, desk, owner, deps):
    desk.hear(LATE)
    message_id = desk.hear(SHOES)
    path, _ = plan(boss, message=[message_id], tone="brief")
    boss.post(path)
    work_off(deps)
    assert "late again" in str(owner.execute("SELECT minimized_text FROM egress").fetchall())
    (provider_id,) = owner.execute("SELECT provider_message_id FROM message WHERE text = %s", (LATE,)).fetchone()
    body = whatsapp_body(whatsapp_revocation(provider_id, sender=desk.sender), account=desk.account)
    desk.receive(body, slug=desk.slug)
    # Its words stood as context in what was asked about the other one.
    assert boss.get(path).status_code == 404
    assert owner.execute("SELECT count(*) FROM trial_text").fetchone() == (0,)


def test_old_trials_and_plans_that_nobody_started_go(boss, owner, deps):
    old, _ = plan(boss, words=LATE)
    boss.post(old)
    work_off(deps)
    plan(boss, words="only planned")
    owner.execute("UPDATE trial SET created_at = now() - interval '2 days'")
    plan(boss, words="new")
    assert boss.get(old).status_code == 200 and owner.execute("SELECT count(*) FROM trial").fetchone() == (2,)
    owner.execute("UPDATE trial SET created_at = now() - interval '31 days'")
    plan(boss, words="new")
    assert boss.get(old).status_code == 404 and owner.execute("SELECT count(*) FROM trial").fetchone() == (1,)


def test_whoever_reads_words_in_the_laboratory_is_noted(boss, desk, owner):
    message_id = desk.hear(LATE)
    path, _ = plan(boss, message=[message_id])
    before = owner.execute("SELECT count(*) FROM conversation_access").fetchone()[0]
    boss.get(path)
    assert owner.execute("SELECT count(*) FROM conversation_access").fetchone()[0] == before + 1


# As JSON


@pytest.fixture
def api(app, database, desk):
    with database.system_transaction() as conn:
        _, key = create_api_key(conn, tenant_id=desk.tenant_id, name="lab", role="supervisor")
    client = app.test_client()

    def call(method, path, body=None, **headers):
        head = {"Authorization": f"Bearer {key}", **{name.replace("_", "-"): value for name, value in headers.items()}}
        return client.open(f"/api/v1/laboratory{path}", method=method, json=body, headers=head)

    return call


def test_programs_plan_start_and_read_trials(api, desk, deps, standins, owner):
    message_id = desk.hear(SHOES)
    n_calls = len(calls(standins))
    body = {
        "texts": ["Where is it, call +90 532 123 45 67"],
        "message_ids": [message_id],
        "tried": {"topics": {"half_sizes": "half sizes, sneakers"}},
    }
    planned = api("POST", "/plan", body).json
    assert planned["calls"] == 3 and 0 < planned["cost_usd"] < 0.25 and "532 123" not in str(planned)
    assert planned["messages"][0]["live_turn"] is None and SHOES in planned["messages"][0]["tried_turn"]
    assert "half_sizes" in planned["tried"]["system"][1] and "half_sizes" not in planned["live"]["system"][1]
    started = [api("POST", "/trials", body, Idempotency_Key="one").json for _ in range(2)]
    assert started[0] == started[1] and started[0]["state"] == "waiting"
    assert work_off(deps) == 1
    read = api("GET", f"/trials/{started[0]['id']}").json
    assert read["state"] == "done" and read["cost_usd"] > 0 and len(read["rows"]) == 2
    assert "half_sizes" in read["rows"][0]["tried"]["topics"] and "topics" in read["rows"][0]["changed"]
    assert read["rows"][0]["live"]["is_stored"] and read["rows"][1]["live"]["egress_id"]
    assert len(calls(standins)) == n_calls + 3
    listed = api("GET", "/trials?limit=1").json
    assert [one["id"] for one in listed["trials"]] == [read["id"]] and listed["next_cursor"] is None
    assert owner.execute("SELECT by_key_id IS NOT NULL FROM trial").fetchone() == (True,)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"texts": ["x"], "tried": {"model": "claude-opus-5-5"}, "max_cost_usd": 0}, "over_cap"),
        ({"texts": ["x"], "tried": {"industry": "zoo"}}, "cannot_be_tried"),
        ({}, "cannot_be_tried"),
        ({"texts": ["x"] * 51}, "invalid_request"),
        ({"texts": ["x"], "tried": {"mood": "x"}}, "invalid_request"),
        ({"texts": ["a\0b"]}, "cannot_be_tried"),
        ({"message_ids": [str(uuid4())]}, "cannot_be_tried"),
        ({"texts": ["x"], "tried": {"thresholds": {"unsure": 7}}}, "cannot_be_tried"),
        ({"texts": ["x"], "max_cost_usd": 26}, "invalid_request"),
    ],
)
def test_what_a_program_may_not_try_is_refused_and_nothing_is_kept(api, owner, standins, body, code):
    refused = api("POST", "/trials", body)
    assert (refused.status_code, refused.json["code"]) == (422, code)
    assert owner.execute("SELECT count(*) FROM trial").fetchone() == (0,) and calls(standins) == []
