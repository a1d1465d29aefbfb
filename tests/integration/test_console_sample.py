"""The weekly sample and labels, in the console and the API: judged one after another, a colleague's word is not overwritten unseen."""

import re
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from console.app import create_app
from store.audits import list_audited, list_open_audits
from store.runs import RunRef
from store.users import create_api_key
from tests.integration.console_visitor import add_visitor, signed_in, words
from tests.integration.passes import run_all
from tests.integration.test_examples import Desk
from tests.integration.trials_bench import deeds
from tests.webhooks import whatsapp_body, whatsapp_revocation
from worker.audits import pick_week

TODAY = datetime.now(UTC).date()
MONDAY = TODAY - timedelta(days=TODAY.weekday())
LATE, PRAISE = "My parcel is late again", "Thank you so much, wonderful"


@pytest.fixture
def app(settings):
    app = create_app({}, settings=settings)
    yield app
    app.extensions["database"].close()


@pytest.fixture
def desk(deps, receive, tenant_ids):
    return Desk(deps, receive, tenant_ids["acme"], "acme")


@pytest.fixture
def agent(app, owner, desk):
    return signed_in(app, add_visitor(owner, desk.tenant_id, email="ann@example.com"))


def pick(desk, *texts):
    """A sample of messages that were just heard; returns their ids."""
    ids = [desk.hear(text) for text in texts]
    with desk.deps.database.tenant_transaction(desk.tenant_id) as conn:
        pick_week(conn, desk.tenant_id, monday=MONDAY)
    return ids


def left(desk):
    with desk.deps.database.tenant_transaction(desk.tenant_id) as conn:
        return [one.message_id for one in list_open_audits(conn, desk.tenant_id)]


def audited(desk):
    with desk.deps.database.tenant_transaction(desk.tenant_id) as conn:
        return list_audited(conn, desk.tenant_id, days=30)


def path_of(answer):
    return re.search(r'action="(/sample/[0-9a-f-]{36})"', answer.text)[1]


def test_an_agent_judges_one_after_another_and_the_figures_follow(agent, desk):
    pick(desk, LATE, PRAISE)
    first = agent.get("/sample")
    assert "0 / 2" in words(first) and 'data-key="y"' in first.text and 'data-key="1"' in first.text
    second = agent.post(path_of(first), deed="right", seen="")
    assert (
        "Noted: the AI was right." in words(second) and "1 / 2" in words(second) and path_of(second) != path_of(first)
    )
    wrong = re.search(r'name="sentiment" value="(\w+)"[^>]*checked', second.text)[1]
    said = {"negative": "positive", "positive": "negative", "neutral": "negative"}[wrong]
    done = agent.post(path_of(second), deed="save", seen="", sentiment=said, intent="complaint", topics=["shipping"])
    assert "the AI was wrong" in words(done) and "Everything is judged" in words(done)
    assert "ann@example.com" in words(done) and left(desk) == []
    figures = audited(desk)
    assert len(figures) == 2 and sum(one.sentiment != one.model_sentiment for one in figures) == 1


def test_a_message_may_be_passed_over_and_comes_back(agent, desk):
    pick(desk, LATE, PRAISE)
    first = path_of(agent.get("/sample"))
    second = path_of(agent.get("/sample", after=first.rpartition("/")[2]))
    third = path_of(agent.get("/sample", after=second.rpartition("/")[2]))
    assert first != second and third == first
    assert path_of(agent.get("/sample", after="nonsense")) == first


def test_saying_what_stands_makes_no_correction(agent, desk, owner):
    (message_id,) = pick(desk, LATE)
    page = agent.get("/sample")
    sentiment = re.search(r'name="sentiment" value="(\w+)"[^>]*checked', page.text)[1]
    intent = re.search(r'<option value="(\w+)" selected', page.text.partition('name="intent"')[2])[1]
    topics = re.findall(r'name="topics" value="(\w+)" checked', page.text)
    agent.post(f"/sample/{message_id}", deed="save", seen="", sentiment=sentiment, intent=intent, topics=topics)
    assert owner.execute("SELECT count(*) FROM correction").fetchone() == (0,) and left(desk) == []


def test_a_colleagues_word_is_changed_only_by_somebody_who_has_seen_it(app, agent, desk, owner):
    (message_id,) = pick(desk, LATE)
    bea = signed_in(app, add_visitor(owner, desk.tenant_id, email="bea@example.com"))
    bea.get("/sample")
    agent.post(f"/sample/{message_id}", deed="right", seen="")
    stale = bea.post(f"/sample/{message_id}", deed="save", seen="", sentiment="positive", intent="other")
    assert "A colleague has judged it meanwhile" in words(stale) and "ann@example.com" in words(stale)
    assert owner.execute("SELECT count(*) FROM correction").fetchone() == (0,)
    seen = re.search(r'name="seen" value="([^"]+)"', stale.text)[1]
    bea.post(f"/sample/{message_id}", deed="save", seen=seen, sentiment="positive", intent="other")
    assert "bea@example.com" in words(bea.get(f"/sample/{message_id}"))
    assert audited(desk)[0].sentiment == "positive"


@pytest.mark.in_turns
@pytest.mark.parametrize(
    "fields",
    [
        {"sentiment": "angry", "intent": "other"},
        {"sentiment": "positive"},
        {"sentiment": "positive", "intent": "other", "topics": ["nonsense"]},
        {"sentiment": "positive", "intent": "other", "topics": ["a\0b"]},
    ],
)
def test_what_is_no_label_changes_nothing(agent, desk, owner, fields):
    (message_id,) = pick(desk, LATE)
    refused = agent.post(f"/sample/{message_id}", deed="save", seen="x", **fields)
    assert "nothing was changed" in words(refused) and left(desk) == [message_id]
    assert owner.execute("SELECT count(*) FROM correction").fetchone() == (0,)


def test_auditors_look_strangers_find_nothing_and_empty_pages_say_what_comes(app, agent, owner, desk, tenant_ids):
    assert "No sample yet" in words(agent.get("/sample"))
    (message_id,) = pick(desk, LATE)
    auditor = signed_in(app, add_visitor(owner, desk.tenant_id, role="auditor"))
    stranger = signed_in(app, add_visitor(owner, tenant_ids["other"], role="admin"))
    assert LATE in auditor.get("/sample").text and 'data-key="y"' not in auditor.get("/sample").text
    assert auditor.post(f"/sample/{message_id}", deed="right").status_code == 403
    assert "No sample yet" in words(stranger.get("/sample"))
    assert stranger.get(f"/sample/{message_id}").status_code == 404
    assert stranger.post(f"/sample/{message_id}", deed="right").status_code == 404
    assert agent.get(f"/sample/{uuid4()}").status_code == 404


def test_what_was_taken_back_is_not_judged(agent, desk, owner):
    (message_id,) = pick(desk, LATE)
    (provider_id,) = owner.execute("SELECT provider_message_id FROM message").fetchone()
    desk.receive(whatsapp_body(whatsapp_revocation(provider_id, sender=desk.sender), account=desk.account), slug="acme")
    assert "Everything is judged" in words(agent.get("/sample")) or "No sample yet" in words(agent.get("/sample"))
    gone = agent.get(f"/sample/{message_id}")
    assert "taken back" in words(gone) and 'data-key="y"' not in gone.text
    assert "taken back meanwhile" in words(agent.post(f"/sample/{message_id}", deed="right", seen=""))


def test_leaders_pick_last_weeks_sample_and_agents_do_not(app, agent, owner, desk):
    desk.hear(LATE)
    owner.execute("UPDATE tenant SET created_at = created_at - interval '30 days'")
    boss = signed_in(app, add_visitor(owner, desk.tenant_id, role="supervisor"))
    boss.get("/sample")
    assert agent.post("/sample/pick").status_code == 403
    assert "nothing to pick from" in words(boss.post("/sample/pick"))


def test_whoever_reads_the_sample_is_noted(agent, desk, owner):
    pick(desk, LATE)
    agent.get("/sample")
    assert owner.execute("SELECT count(*), max(messages) FROM conversation_access").fetchone() == (1, 1)


# As JSON


@pytest.fixture
def api(app, database, desk, owner):
    ann = add_visitor(owner, desk.tenant_id, email="key@example.com", role="supervisor")

    def make(role="supervisor"):
        with database.system_transaction() as conn:
            _, key = create_api_key(conn, tenant_id=desk.tenant_id, name=uuid4().hex, role=role, user_id=ann)
        client = app.test_client()

        def call(method, path, body=None, **query):
            head = {"Authorization": f"Bearer {key}"}
            return client.open(f"/api/v1{path}", method=method, json=body, headers=head, query_string=query or None)

        return call

    return make


def test_programs_judge_the_sample(api, desk):
    ids = pick(desk, LATE, PRAISE, "Where is my order?")
    call = api("agent")
    first = call("GET", "/samples", limit=2).json
    assert first["weeks"][0]["total"] == 3 and len(first["messages"]) == 2 and first["messages"][0]["judged_at"] is None
    rest = call("GET", "/samples", limit=2, cursor=first["next_cursor"]).json
    assert {one["message_id"] for one in (*first["messages"], *rest["messages"])} == set(ids) and not rest[
        "next_cursor"
    ]
    right = call("POST", f"/samples/{ids[0]}/judge", {}).json
    assert right["wrong"] == [] and right["judged_by"] == "key@example.com"
    wrong = call("POST", f"/samples/{ids[1]}/judge", {"sentiment": "negative", "topics": []}).json
    assert "sentiment" in wrong["wrong"] and wrong["said_sentiment"] == "negative"
    again = call("POST", f"/samples/{ids[1]}/judge", {"sentiment": "neutral"})
    assert (again.status_code, again.json["code"]) == (409, "judged_meanwhile")
    seen = {"sentiment": "neutral", "seen_judged_at": wrong["judged_at"]}
    assert call("POST", f"/samples/{ids[1]}/judge", seen).json["said_sentiment"] == "neutral"
    assert call("POST", f"/samples/{ids[2]}/judge", {"topics": ["nonsense"]}).json["code"] == "invalid_value"
    assert call("POST", f"/samples/{ids[2]}/judge", {"sentiment": "angry"}).json["code"] == "invalid_request"
    judged = call("GET", "/samples", state="judged", limit=1).json
    assert [one["message_id"] for one in judged["messages"]] == [ids[1]] and judged["next_cursor"]
    older = call("GET", "/samples", state="judged", limit=1, cursor=judged["next_cursor"]).json
    assert [one["message_id"] for one in older["messages"]] == [ids[0]]


def test_programs_correct_labels_and_take_it_back(api, desk):
    message_id = desk.hear(LATE)
    call, path = api("agent"), f"/messages/{message_id}/corrections"
    said = call("POST", path, {"field": "sentiment", "value": "positive", "reason": "irony"}).json
    assert (said["sentiment"], said["corrected"], said["changed"]) == ("positive", ["sentiment"], True)
    assert not call("POST", path, {"field": "sentiment", "value": "positive"}).json["changed"]
    assert call("POST", path, {"field": "topics", "value": ["shipping", "refund"]}).json["topics"] == [
        "shipping",
        "refund",
    ]
    listed = call("GET", path, limit=1).json
    assert listed["corrections"][0]["field"] == "topics" and listed["corrections"][0]["by"] == "key@example.com"
    assert call("GET", path, cursor=listed["next_cursor"]).json["corrections"][0]["reason"] == "irony"
    assert len(call("GET", "/corrections").json["corrections"]) == 2
    back = call("DELETE", f"{path}/sentiment").json
    assert (back["sentiment"], back["corrected"]) == ("negative", ["topics"])
    assert call("DELETE", f"{path}/sentiment").json["code"] == "nothing_to_undo"
    for body, field in (
        ({"field": "sentiment", "value": "angry"}, "value"),
        ({"field": "topics", "value": ["nonsense"]}, "value"),
        ({"field": "mood", "value": "x"}, "field"),
        ({"field": "sentiment", "value": "positive", "reason": "x" * 501}, "reason"),
        ({"field": "sentiment", "value": "pos\0itive"}, "value"),
    ):
        refused = call("POST", path, body)
        assert refused.status_code == 422 and refused.json["field"].startswith(field), body
    assert (
        call("POST", f"/messages/{uuid4()}/corrections", {"field": "sentiment", "value": "positive"}).status_code == 404
    )


def test_leaders_programs_have_messages_read_again_and_see_how_far_it_is(api, desk, owner, deps):
    message_id = desk.hear(LATE)
    (conversation_id,) = owner.execute("SELECT conversation_id::text FROM message").fetchone()
    boss, agent = api(), api("agent")
    # As on the page: agents ask a supervisor.
    assert agent("POST", f"/conversations/{conversation_id}/reanalyze").status_code == 403
    assert agent("POST", "/reanalyses", {"message_ids": [message_id]}).status_code == 403
    assert boss("POST", f"/conversations/{conversation_id}/reanalyze").json == {"begun": [message_id], "under_way": 0}
    assert boss("POST", "/reanalyses", {"message_ids": [message_id, str(uuid4())]}).json == {
        "begun": [],
        "under_way": 1,
    }
    progress = agent("GET", "/reanalyses", message_ids=f"{message_id},{uuid4()}").json
    assert (progress["total"], progress["left"]) == (1, 1) and progress["messages"][0]["analyses"] == 1
    (run_id,) = owner.execute("SELECT id::text FROM run").fetchone()
    run_all(deps, RunRef(desk.tenant_id, message_id, run_id))
    progress = agent("GET", "/reanalyses", message_ids=message_id).json
    assert (progress["left"], progress["messages"][0]["analyses"]) == (0, 2)
    assert boss("POST", "/reanalyses", {"message_ids": [str(uuid4())]}).json["code"] == "nothing_to_read"
    assert boss("POST", "/reanalyses", {"message_ids": []}).status_code == 422
    assert boss("GET", "/reanalyses", message_ids="nonsense").status_code == 422
    assert boss("GET", "/reanalyses", message_ids="-" * 36).status_code == 422
    assert deeds(owner, desk.tenant_id) == ["reanalysis_started"]
