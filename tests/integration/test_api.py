"""The API: what people and programs rely on, with two tenants."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from console.app import create_app
from store.users import create_api_key, revoke_api_key
from tests.integration.passes import run_all
from tests.integration.workplace import NOW, add_agent, add_conversation, add_person, events, field
from tests.webhooks import whatsapp_body, whatsapp_message

API = "/api/v1"
REFUND = "This is the third time the parcel is late. I want my money back!"


@pytest.fixture
def app(settings):
    app = create_app({}, settings=settings)
    yield app
    app.extensions["database"].close()


@pytest.fixture
def acme(tenant_ids):
    return tenant_ids["acme"]


@pytest.fixture
def new_key(database, acme):
    def make(role="agent", *, tenant_id=None, user_id=None):
        with database.system_transaction() as conn:
            return create_api_key(conn, tenant_id=tenant_id or acme, name="test", role=role, user_id=user_id)[1]

    return make


@pytest.fixture
def call(app):
    """Call the API with a key: call(key, "POST", "/queues/support/claim-next", body, header=value …)."""
    client = app.test_client()

    def send(key, method, path, body=None, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if key:
            named["Authorization"] = f"Bearer {key}"
        return client.open(API + path, method=method, json=body, headers=named)

    return send


@pytest.fixture
def ann(owner, acme, new_key):
    """An agent with a key of her own: (user id, key)."""
    user_id = add_agent(owner, acme, email="ann@example.com")
    return user_id, new_key("agent", user_id=user_id)


@pytest.fixture
def boss(new_key):
    return new_key("supervisor")


def test_an_agent_takes_works_on_and_resolves_a_conversation(call, ann, owner, acme):
    user_id, key = ann
    one = add_conversation(owner, acme, priority="P2")
    taken = call(key, "POST", "/queues/support/claim-next").json["conversation"]
    assert (taken["id"], taken["assignee"]) == (one, {"user_id": user_id, "email": "ann@example.com"})
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert call(key, "POST", f"/conversations/{one}/snooze", {"until": until}).json["snoozed_until"]
    assert call(key, "POST", f"/conversations/{one}/resolve").json["state"] == "resolved"
    assert call(key, "POST", f"/conversations/{one}/reopen").json["state"] == "open"
    assert call(key, "POST", f"/conversations/{one}/unassign").json["assignee"] is None
    assert call(key, "POST", f"/conversations/{one}/transfer", {"queue": "sales"}).json["queue"] == "sales"
    assert events(owner, one) == ["claimed", "snoozed", "resolved", "reopened", "unassigned", "transferred"]
    assert call(key, "POST", "/queues/support/claim-next").json == {"conversation": None}


def test_who_comes_second_is_told_who_has_it_and_since_when(call, ann, owner, acme, new_key):
    bob = new_key("agent", user_id=add_agent(owner, acme))
    one = add_conversation(owner, acme)
    assert call(ann[1], "POST", f"/conversations/{one}/claim").status_code == 200
    assert call(ann[1], "POST", f"/conversations/{one}/claim").status_code == 200
    refused = call(bob, "POST", f"/conversations/{one}/claim")
    assert (refused.status_code, refused.json["code"]) == (409, "already_assigned")
    assert refused.json["assignee"] == {"user_id": ann[0], "email": "ann@example.com"} and refused.json["since"]
    assert refused.content_type == "application/problem+json"
    assert events(owner, one) == ["claimed"]


def test_agents_leave_alone_what_is_a_colleagues_and_supervisors_do_not(call, ann, boss, owner, acme, new_key):
    bob = add_agent(owner, acme, email="bob@example.com")
    one = add_conversation(owner, acme, assignee_id=bob, assigned_at=NOW)
    for deed, body in (("transfer", {"queue": "sales"}), ("unassign", {}), ("resolve", {})):
        refused = call(ann[1], "POST", f"/conversations/{one}/{deed}", body)
        assert (refused.status_code, refused.json["code"]) == (403, "not_yours")
    assert call(ann[1], "POST", f"/conversations/{one}/assign", {"user_id": ann[0]}).json["code"] == "role_may_not"
    assert (
        call(boss, "POST", f"/conversations/{one}/assign", {"email": "ann@example.com"}).json["assignee"]["user_id"]
        == ann[0]
    )
    assert call(boss, "POST", f"/conversations/{one}/resolve").status_code == 200


def test_a_key_without_a_person_claims_for_one_that_it_names(call, boss, ann, owner, acme, new_key):
    one = add_conversation(owner, acme)
    assert call(boss, "POST", f"/conversations/{one}/claim").json["code"] == "no_person"
    for stranger in ("nobody@example.com", "o@example.com"):
        add_person(owner, acme + 1 if stranger[0] == "o" else acme, email=stranger) if stranger[0] == "o" else None
        assert (
            call(boss, "POST", f"/conversations/{one}/claim", X_Earshot_User=stranger).json["code"] == "unknown_person"
        )
    claimed = call(boss, "POST", f"/conversations/{one}/claim", X_Earshot_User="Ann@example.com")
    assert claimed.json["assignee"]["user_id"] == ann[0]
    # For an agent it may do what an agent may.
    other = add_conversation(owner, acme, assignee_id=add_agent(owner, acme), assigned_at=NOW)
    assert call(boss, "POST", f"/conversations/{other}/resolve", X_Earshot_User="ann@example.com").status_code == 403
    assert (
        call(new_key("agent"), "GET", "/queues", X_Earshot_User="ann@example.com").json["code"]
        == "may_not_act_for_others"
    )


def test_a_key_ends_when_it_is_revoked_or_its_person_goes(call, ann, owner, acme, database, new_key):
    assert call(ann[1], "GET", "/queues").status_code == 200
    owner.execute("UPDATE app_user SET disabled_at = now() WHERE id = %s", (ann[0],))
    assert call(ann[1], "GET", "/queues").status_code == 401
    key = new_key("admin")
    assert call(key, "GET", "/queues").status_code == 200
    (key_id,) = owner.execute("SELECT max(id) FROM api_key").fetchone()
    with database.system_transaction() as conn:
        revoke_api_key(conn, key_id)
    refused = call(key, "GET", "/queues")
    assert refused.status_code == 401 and refused.headers["Content-Type"] == "application/problem+json"


def test_a_write_of_a_name_is_done_once(call, ann, owner, acme, new_key):
    ones = [add_conversation(owner, acme) for _ in range(3)]
    first = call(ann[1], "POST", "/queues/support/claim-next", Idempotency_Key="a")
    again = call(ann[1], "POST", "/queues/support/claim-next", Idempotency_Key="a")
    assert first.json == again.json and again.headers["Idempotency-Replayed"] == "true"
    assert owner.execute("SELECT count(*) FROM conversation WHERE assignee_id IS NOT NULL").fetchone() == (1,)
    # Another request under the same name is refused; another key's names are its own.
    reused = call(ann[1], "POST", f"/conversations/{ones[2]}/resolve", Idempotency_Key="a")
    assert (reused.status_code, reused.json["code"], reused.json["field"]) == (422, "key_reused", "Idempotency-Key")
    bob = new_key("agent", user_id=add_agent(owner, acme))
    assert call(bob, "POST", "/queues/support/claim-next", Idempotency_Key="a").json != first.json
    owner.execute("UPDATE api_write SET created_at = now() - interval '25 hours'")
    assert call(ann[1], "POST", "/queues/support/claim-next", Idempotency_Key="a").json != first.json


def test_a_write_that_was_refused_may_be_tried_again_under_its_name(call, ann, owner, acme):
    one = add_conversation(owner, acme, state="resolved")
    assert call(ann[1], "POST", f"/conversations/{one}/claim", Idempotency_Key="b").status_code == 409
    owner.execute("UPDATE conversation SET state = 'open'")
    assert call(ann[1], "POST", f"/conversations/{one}/claim", Idempotency_Key="b").status_code == 200


def test_nobody_acts_on_what_has_changed_meanwhile(call, ann, owner, acme):
    one = add_conversation(owner, acme)
    seen = call(ann[1], "POST", f"/conversations/{one}/claim").json["version"]
    owner.execute("UPDATE conversation SET version = version + 1")
    stale = call(ann[1], "POST", f"/conversations/{one}/resolve", {"version": seen})
    assert (stale.status_code, stale.json["code"], stale.json["version"]) == (409, "changed_meanwhile", seen + 1)
    assert call(ann[1], "POST", f"/conversations/{one}/resolve", {"version": seen + 1}).status_code == 200


def test_pages_stay_in_order_while_conversations_are_added(call, boss, owner, acme, tenant_ids):
    ids = {add_conversation(owner, acme, priority=f"P{1 + number % 4}", minutes_ago=number) for number in range(11)}
    add_conversation(owner, tenant_ids["other"])
    seen, cursor = [], None
    while True:
        page = call(boss, "GET", f"/conversations?limit=3{f'&cursor={cursor}' if cursor else ''}").json
        seen += [one["id"] for one in page["conversations"]]
        for priority in ("P1", "P3"):
            add_conversation(owner, acme, priority=priority, minutes_ago=0)
        cursor = page["next_cursor"]
        if cursor is None or len(seen) > 60:
            break
    assert len(seen) == len(set(seen)) and ids <= set(seen)
    assert call(boss, "GET", "/conversations?cursor=nonsense").json["field"] == "cursor"


def test_a_list_is_narrowed(call, boss, ann, owner, acme):
    mine = add_conversation(owner, acme, assignee_id=ann[0], assigned_at=NOW)
    asleep = add_conversation(owner, acme, queue="sales", snoozed_until=NOW + timedelta(days=1))
    done = add_conversation(owner, acme, state="resolved", priority="P1")

    def ids(query, key=boss):
        return [one["id"] for one in call(key, "GET", f"/conversations?{query}").json["conversations"]]

    assert ids("assignee=me", ann[1]) == ids(f"assignee={ann[0]}") == ids("state=open") == [mine]
    assert ids("state=snoozed") == ids("queue=sales") == [asleep]
    assert ids("state=resolved") == ids("priority=P1") == [done]
    assert set(ids("assignee=none")) == {asleep, done}
    owner.execute(
        "INSERT INTO conversation_tag (conversation_id, tag, tenant_id, message_id) VALUES (%s, 'vip', %s, %s)",
        (asleep, acme, uuid4()),
    )
    assert ids("tag=vip") == [asleep] and ids("tag=other") == []
    assert call(boss, "GET", f"/conversations/{asleep}").json["tags"] == ["vip"]
    assert call(boss, "GET", "/conversations?queue=nowhere").json["field"] == "queue"
    assert call(boss, "GET", "/conversations?tenant=other").json["field"] == "tenant"


def test_queues_are_counted_empty_ones_too(call, boss, owner, acme, tenant_ids):
    add_conversation(owner, acme, priority="P1", minutes_ago=30)
    add_conversation(owner, acme, priority="P2", minutes_ago=60, last_human_answer_at=NOW)
    add_conversation(owner, acme, priority="P2", snoozed_until=NOW + timedelta(days=1))
    add_conversation(owner, tenant_ids["other"])
    queues = {one["queue"]: one for one in call(boss, "GET", "/queues").json["queues"]}
    support = queues["support"]
    assert (support["open"], support["waiting"], support["snoozed"]) == (2, 1, 1)
    assert datetime.fromisoformat(support["oldest_waiting_since"]) == NOW - timedelta(minutes=30)
    assert [line["priority"] for line in support["priorities"]] == ["P1", "P2"]
    assert queues["senior"]["open"] == 0 and len(queues) == 8


def test_a_conversation_is_read_with_labels_reasons_and_record(call, ann, owner, acme, deps, receive, times):
    (ref,) = receive(whatsapp_body(whatsapp_message(REFUND, timestamp=next(times))))
    run_all(deps, ref)
    (one,) = owner.execute("SELECT id::text FROM conversation").fetchone()
    read = call(ann[1], "GET", f"/conversations/{one}")
    (message,) = read.json["messages"]
    assert message["text"] == REFUND and message["label"]["intent"] == "refund_request"
    assert read.json["decision"]["sentence"].startswith("P1, senior queue. Negative")
    assert {action["kind"] for action in read.json["actions"]} >= {"send_refund_form"}
    assert read.json["conversation"]["skill"] == "senior" and read.headers["Cache-Control"] == "no-store"
    assert owner.execute("SELECT conversation_id::text, by_user_id, messages FROM conversation_access").fetchone() == (
        one,
        ann[0],
        1,
    )
    decision = call(ann[1], "GET", f"/decisions/{read.json['decision']['id']}").json
    assert decision["conversation_id"] == one and "inputs" in decision and REFUND not in str(decision)
    assert decision["skill"] == "senior" and "For an agent with the skill senior." in decision["sentence"]
    listed = call(ann[1], "GET", "/conversations")
    assert REFUND not in listed.text


def test_messages_come_in_pages_of_the_channels_order(call, boss, owner, acme, deps, receive, times):
    for number in range(5):
        (ref,) = receive(whatsapp_body(whatsapp_message(f"question {number}", timestamp=next(times))))
        run_all(deps, ref)
    (one,) = owner.execute("SELECT id::text FROM conversation").fetchone()
    newest = call(boss, "GET", f"/conversations/{one}?limit=3").json
    earlier = call(boss, "GET", f"/conversations/{one}?limit=3&cursor={newest['earlier_cursor']}").json
    texts = [message["text"] for message in (*earlier["messages"], *newest["messages"])]
    assert texts == [f"question {number}" for number in range(5)] and earlier["earlier_cursor"] is None


def test_agents_say_that_they_are_there_and_supervisors_what_they_can_do(call, ann, boss, owner, acme):
    me = f"/agents/{ann[0]}"
    owner.execute("UPDATE agent SET last_seen_at = now() - interval '1 hour', presence = 'offline'")
    changed = call(ann[1], "PATCH", me, {"presence": "available", "heartbeat": True}).json
    assert (changed["presence"], changed["is_me"]) == ("available", True)
    assert owner.execute("SELECT last_seen_at > now() - interval '1 minute' FROM agent").fetchone() == (True,)
    assert call(ann[1], "PATCH", me, {"capacity": 9}).status_code == 403
    changed = call(boss, "PATCH", me, {"capacity": 9, "skills": ["senior"], "queues": ["support"]}).json
    assert (changed["capacity"], changed["skills"], changed["presence"]) == (9, ["senior"], "available")
    assert call(boss, "PATCH", me, {"queues": ["nowhere"]}).json["field"] == "queues.0"
    assert [one["email"] for one in call(boss, "GET", "/agents").json["agents"]] == ["ann@example.com"]
    bob = add_agent(owner, acme)
    assert call(ann[1], "PATCH", f"/agents/{bob}", {"presence": "away"}).json["code"] == "not_yours"


def test_the_first_call_of_a_person_makes_them_an_agent_who_is_given_nothing_yet(call, owner, acme, new_key):
    user_id = add_person(owner, acme)
    call(new_key("agent", user_id=user_id), "GET", "/queues")
    assert owner.execute("SELECT user_id, presence, capacity FROM agent").fetchall() == [(user_id, "away", 5)]


def test_alerts_are_listed_acknowledged_and_snoozed(call, ann, owner, acme):
    for number in range(3):
        owner.execute(
            "INSERT INTO alert (tenant_id, kind, key) VALUES (%s, 'needs_person', %s)", (acme, f"test:{number}")
        )
    page = call(ann[1], "GET", "/alerts?limit=2").json
    rest = call(ann[1], "GET", f"/alerts?limit=2&cursor={page['next_cursor']}").json
    ids = [one["id"] for one in (*page["alerts"], *rest["alerts"])]
    assert len(set(ids)) == 3 and rest["next_cursor"] is None and page["alerts"][0]["sentence"]
    assert call(ann[1], "POST", f"/alerts/{ids[0]}/acknowledge").json["acknowledged_by"] == ann[0]
    assert call(ann[1], "POST", f"/alerts/{ids[0]}/acknowledge").json["state"] == "acknowledged"
    assert call(ann[1], "POST", f"/alerts/{ids[1]}/snooze", {"hours": 2}).json["state"] == "snoozed"
    assert [one["id"] for one in call(ann[1], "GET", "/alerts").json["alerts"]] == [ids[2]]
    assert len(call(ann[1], "GET", "/alerts?state=all").json["alerts"]) == 3


@pytest.mark.parametrize(
    ("method", "path", "body", "field_name"),
    [
        ("POST", "/conversations/{id}/assign", {}, "body"),
        ("POST", "/conversations/{id}/assign", {"user_id": 1, "email": "a@b"}, "body"),
        ("POST", "/conversations/{id}/assign", {"user_id": 987654}, "user_id"),
        ("POST", "/conversations/{id}/transfer", {"queue": "nowhere"}, "queue"),
        ("POST", "/conversations/{id}/snooze", {"until": "2020-01-01T00:00:00Z"}, "until"),
        ("POST", "/conversations/{id}/snooze", {"until": "2031-01-01T00:00:00"}, "until"),
        ("POST", "/conversations/{id}/snooze", {}, "until"),
        ("POST", "/conversations/{id}/resolve", {"versoin": 1}, "versoin"),
        ("POST", "/conversations/{id}/resolve", [], "body"),
        ("GET", "/conversations/12", None, "conversation_id"),
        ("GET", "/conversations?limit=1000", None, "limit"),
        ("POST", "/queues/nowhere/claim-next", None, "queue"),
        ("PATCH", "/agents/0", {}, "user_id"),
    ],
)
def test_a_wrong_call_is_told_the_field_and_the_fix(call, boss, owner, acme, method, path, body, field_name):
    one = add_conversation(owner, acme)
    refused = call(boss, method, path.format(id=one), body)
    assert (refused.status_code, refused.json["field"]) == (422, field_name)
    assert refused.json["fix"] and refused.content_type == "application/problem+json"
    assert "987654" not in refused.text and "nowhere" not in refused.text


def test_a_body_that_is_no_json_or_too_large_is_refused(app, boss, owner, acme):
    one = add_conversation(owner, acme)
    client, path = app.test_client(), f"{API}/conversations/{one}/resolve"
    head = {"Authorization": f"Bearer {boss}"}
    refused = client.post(path, data="state=resolved", headers=head)
    assert (refused.status_code, refused.json["code"]) == (415, "unsupported_media_type")
    refused = client.post(path, data="{", headers=head, content_type="application/json")
    assert (refused.status_code, refused.json["code"]) == (422, "not_json")
    deep = {"version": 1}
    for _ in range(17):
        deep = {"x": deep}
    assert client.post(path, json=deep, headers=head).json["code"] == "not_json"
    large = client.post(path, data=b"x" * 70_000, headers=head, content_type="application/json")
    assert (large.status_code, large.json["code"]) == (413, "body_too_large")
    assert field(owner, one, "state") == "open"
    assert client.get(f"{API}/nothing/{uuid4()}").json["code"] == "not_found"
    assert client.post("/api/v2/nothing").json["code"] == "not_found"
    refused = client.delete(path, headers=head)
    assert refused.json["code"] == "method_not_allowed" and "POST" in refused.headers["Allow"]
    assert refused.content_type == "application/problem+json"


def test_the_document_describes_the_api_and_pages_keep_their_headers(app):
    client = app.test_client()
    document = client.get(f"{API}/openapi.json").json
    assert (
        document["openapi"].startswith("3.1")
        and document["components"]["securitySchemes"]["api_key"]["scheme"] == "bearer"
    )
    assert {"/healthz", "/metrics", "/"}.isdisjoint(document["paths"])
    page = client.get("/sign-in")
    assert page.status_code == 200 and "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert b"earshot_api_refused_total" in client.get("/metrics").data


def test_a_queue_of_the_tenants_own_is_worked_like_any_other(call, ann, boss, new_key, owner, acme, tenant_ids):
    user_id, key = ann
    own = '{"wholesale": {"about": "Shops that buy from us."}}'
    owner.execute(
        "UPDATE tenant SET config = config || jsonb_build_object('queues', %s::jsonb) WHERE id = %s", (own, acme)
    )
    queues = {one["queue"]: one["purpose"] for one in call(key, "GET", "/queues").json["queues"]}
    assert queues["wholesale"] == "Shops that buy from us." and "senior" in queues
    one = add_conversation(owner, acme)
    moved = call(boss, "POST", f"/conversations/{one}/transfer", {"queue": "wholesale"})
    assert (moved.status_code, moved.json["queue"]) == (200, "wholesale")
    assert [found["id"] for found in call(key, "GET", "/conversations?queue=wholesale").json["conversations"]] == [one]
    assert call(key, "POST", "/queues/wholesale/claim-next").json["conversation"]["id"] == one
    assert call(boss, "PATCH", f"/agents/{user_id}", {"queues": ["wholesale"]}).json["queues"] == ["wholesale"]
    other = new_key("supervisor", tenant_id=tenant_ids["other"])
    refused = call(other, "GET", "/conversations?queue=wholesale")
    assert (refused.status_code, refused.json["code"], refused.json["field"]) == (422, "unknown_queue", "queue")
    assert call(other, "POST", "/queues/wholesale/claim-next").status_code in {403, 422}
    assert 'the nearest is "wholesale"' in call(key, "GET", "/conversations?queue=wholesail").json["fix"]
