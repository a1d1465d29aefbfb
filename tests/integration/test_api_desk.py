"""What agents and administrators see on their pages, as JSON."""

from datetime import timedelta
from uuid import uuid4

import pytest

from store import customer_card
from store.alerts import NewAlert, raise_alert
from tests.integration.test_api import acme, ann, app, boss, call, new_key  # noqa: F401 -- fixtures
from tests.integration.test_console_admin import SECRETS, add_egress, park
from tests.integration.two_tenants import fill
from tests.integration.workplace import NOW, add_action, add_agent, add_conversation


@pytest.fixture
def get(call, boss):  # noqa: F811
    def read(path):
        answer = call(boss, "GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json

    return read


def pages(get, path, name):
    """All rows, two at a time."""
    rows, cursor = [], ""
    while cursor is not None:
        page = get(f"{path}{'&' if '?' in path else '?'}limit=2{cursor and f'&cursor={cursor}'}")
        rows += page[name]
        cursor = page["next_cursor"]
    return rows


def test_the_inbox_holds_what_its_rows_show(call, ann, owner, acme):  # noqa: F811
    ids = fill(owner, acme, "acme")
    add_conversation(owner, acme, assignee_id=ann[0], priority="P1", minutes_ago=5)
    add_conversation(owner, acme, snoozed_until=NOW + timedelta(hours=1))
    found = call(ann[1], "GET", "/inbox").json["rows"]
    assert [row["conversation"]["priority"] for row in found] == ["P1", "P3"]
    row = found[1]
    assert row["conversation"]["id"] == ids["conversation"] and row["clock"]["state"] == "soon"
    assert (row["customer_name"], row["text"], row["sentiment"], row["score"]) == (
        "Name-of-acme", "Words-of-acme", "negative", 0.9,
    )  # fmt: skip
    assert found[0]["text"] is None and found[0]["clock"] is None
    counts = call(ann[1], "GET", "/inbox/counts").json
    assert counts == {
        "open": 2, "mine": 1, "unassigned": 1, "waiting": 2, "urgent": 1, "snoozed": 1, "clocks_soon": 1, "clocks_late": 0,
    }  # fmt: skip
    read = call(ann[1], "GET", f"/conversations/{ids['conversation']}").json
    assert read["clock"] == row["clock"]


def test_one_deed_for_many_does_what_it_may_and_names_the_rest(call, ann, owner, acme, tenant_ids):  # noqa: F811
    bob = add_agent(owner, acme)
    mine, his = add_conversation(owner, acme), add_conversation(owner, acme, assignee_id=bob, assigned_at=NOW)
    theirs = add_conversation(owner, tenant_ids["other"])
    body = {"deed": "claim", "conversation_ids": [theirs, his, mine, mine]}
    found = call(ann[1], "POST", "/conversations/bulk", body).json
    assert found["done"] == [mine]
    assert {one["conversation_id"]: one["code"] for one in found["refused"]} == {
        his: "already_assigned", theirs: "not_found",
    }  # fmt: skip
    body = {"deed": "resolve", "conversation_ids": [mine, his]}
    assert call(ann[1], "POST", "/conversations/bulk", body).json["done"] == [mine]
    for wrong in ([], [str(uuid4()) for _ in range(101)], ["x"]):
        assert call(ann[1], "POST", "/conversations/bulk", {**body, "conversation_ids": wrong}).status_code == 422
    assert owner.execute("SELECT state FROM conversation WHERE id = %s", (his,)).fetchone() == ("open",)


def test_a_program_that_acts_as_itself_claims_nothing(call, boss, owner, acme):  # noqa: F811
    body = {"deed": "claim", "conversation_ids": [add_conversation(owner, acme)]}
    assert call(boss, "POST", "/conversations/bulk", body).json["code"] == "no_person"


def test_a_customers_card_and_all_their_conversations(get, owner, acme, monkeypatch):  # noqa: F811
    ids = fill(owner, acme, "acme")
    owner.execute(
        "UPDATE customer SET tier = 'gold', crm_value = 12.5, high_value = true WHERE id = %s", (ids["customer"],)
    )
    owner.execute(
        "INSERT INTO alert (tenant_id, kind, key, customer_id) VALUES (%s, 'churn', 'c', %s)", (acme, ids["customer"])
    )
    more = [add_conversation(owner, acme, account_id=f"1{number}", customer_id=ids["customer"]) for number in range(4)]
    card = get(f"/customers/{ids['customer']}")
    assert (card["name"], card["tier"], card["value"], card["high_value"]) == ("Name-of-acme", "gold", "12.5", True)
    assert (card["negative_30d"], card["messages"], card["conversations"]) == (1, 1, 5) and card["churn_since"]
    # Of whoever writes more than are read for it, the newest count.
    monkeypatch.setattr(customer_card, "MOST_READ", 0)
    assert get(f"/customers/{ids['customer']}")["negative_30d"] == 0
    found = [one["id"] for one in pages(get, f"/customers/{ids['customer']}/conversations", "conversations")]
    assert found == [*reversed(more), ids["conversation"]]


def test_a_messages_readings_and_exactly_what_left(get, owner, acme):  # noqa: F811
    ids = fill(owner, acme, "acme")
    (reading,) = get(f"/messages/{ids['message']}/analyses")["analyses"]
    assert (reading["sentiment"], reading["summary"], reading["run_kind"]) == ("negative", "Summary-of-acme", "initial")
    (call_made,) = get(f"/messages/{ids['message']}/sent")["calls"]
    assert (call_made["text"], call_made["cost_microusd"]) == ("Left-of-acme", 250)
    assert get(f"/egress/{call_made['id']}")["text"] == "Left-of-acme"
    assert owner.execute("SELECT count(*) FROM conversation_access").fetchone() == (3,)


def test_the_ledger_is_searched_page_by_page_without_text(call, boss, get, owner, acme):  # noqa: F811
    message, _ = park(owner, acme)
    ids = [add_egress(owner, acme, message_id=message if number % 2 else None) for number in range(5)]
    found = pages(get, "/egress", "calls")
    assert [one["id"] for one in found] == ids[::-1] and all("text" not in one for one in found)
    assert [one["id"] for one in pages(get, f"/egress?message_id={message}", "calls")] == [ids[3], ids[1]]
    assert pages(get, "/egress?since=2099-01-01T00:00:00Z", "calls") == []
    assert call(boss, "GET", "/egress?since=2026-01-01").status_code == 422
    facts = get("/privacy")
    assert len(facts["leaves"]) == 6 and facts["context_turns"] == 5
    assert any("may not train" in one["text"] for one in facts["provider_terms"])


def test_dead_letters_go_back_to_work_and_who_sent_them_is_kept(call, boss, get, owner, acme, tenant_ids):  # noqa: F811
    parked = [park(owner, acme) for _ in range(5)]
    foreign, _ = park(owner, tenant_ids["other"])
    found = pages(get, "/dead-letters", "dead_letters")
    assert [(one["message_id"], one["run_id"]) for one in found] == parked
    assert call(boss, "POST", f"/dead-letters/{foreign}/replay").status_code == 404
    assert call(boss, "POST", f"/dead-letters/{parked[0][0]}/replay").json == {"replayed": 1}
    assert call(boss, "POST", f"/dead-letters/{parked[0][0]}/replay").json == {"replayed": 0}
    assert call(boss, "POST", "/dead-letters/replay").json == {"replayed": 4}
    assert owner.execute("SELECT count(*) FROM run WHERE state = 'dead'").fetchone() == (1,)
    kept = owner.execute("SELECT deed, subject, details->>'runs', by_key_id IS NOT NULL FROM audit_log ORDER BY id")
    assert kept.fetchall() == [
        ("dead_letters_replayed", parked[0][0], "1", True), ("dead_letters_replayed", None, "4", True),
    ]  # fmt: skip


def test_accounts_and_targets_are_told_without_anything_secret(call, boss, owner, acme, get):  # noqa: F811
    owner.execute(
        "UPDATE channel_account SET sends_blocked_because = 'token', reply_url = 'https://x.example/T0KEN?k=1' WHERE tenant_id = %s",
        (acme,),
    )
    owner.execute(
        "INSERT INTO alert_target (tenant_id, name, service, url, config) VALUES (%s, 'desk', 'slack', 'xoxb', %s)",
        (acme, '{"kinds": ["churn"], "min_severity": "critical", "quiet_hours": "22:00-07:00"}'),
    )
    (alert,) = owner.execute(
        "INSERT INTO alert (tenant_id, kind, key) VALUES (%s, 'needs_person', 'x') RETURNING id::text", (acme,)
    ).fetchone()
    owner.execute(
        "INSERT INTO alert_delivery (tenant_id, alert_id, target_id, announcement, state, error_code) "
        "SELECT %s, %s, id, 1, 'failed', 'gone' FROM alert_target",
        (acme, alert),
    )
    channels, targets = call(boss, "GET", "/channels"), call(boss, "GET", "/alert-targets")
    assert {one["blocked_because"] for one in channels.json["channels"]} == {"token"}
    assert {one["reply_host"] for one in channels.json["channels"]} == {"x.example"}
    (target,) = targets.json["targets"]
    assert (target["kinds"], target["quiet_hours"], target["failed"], target["last_error"]) == (
        ["churn"], "22:00-07:00", 1, "gone",
    )  # fmt: skip
    for secret in (*SECRETS, "T0KEN", "xoxb"):
        assert secret not in channels.text and secret not in targets.text
    details = get(f"/alerts/{alert}")
    assert details["alert"]["id"] == alert and details["deliveries"][0]["state"] == "failed"


def test_the_overview_counts_what_waits(get, owner, database, acme, tenant_ids):  # noqa: F811
    conversation = add_conversation(owner, acme)
    add_action(owner, acme, conversation)
    add_action(owner, acme, conversation, state="uncertain", needs_approval=False)
    for tenant_id in (acme, tenant_ids["other"]):
        park(owner, tenant_id)
        add_egress(owner, tenant_id)
        with database.tenant_transaction(tenant_id) as conn:
            raise_alert(conn, tenant_id, NewAlert("needs_person", key=uuid4().hex))
    found = get("/overview")
    told = {
        name: found[name] for name in ("alerts", "unapproved", "uncertain", "parked", "calls", "cost_usd", "api_keys")
    }
    assert told == {
        "alerts": 1, "unapproved": 1, "uncertain": 1, "parked": 1, "calls": 1, "cost_usd": 0.00025, "api_keys": 1,
    }  # fmt: skip
    assert found["crm"]["kind"] == "hubspot" and found["sweep"] is None and found["industry"]


def test_a_key_is_told_who_it_acts_as(call, ann, boss):  # noqa: F811
    me = call(ann[1], "GET", "/me").json
    assert (me["tenant"], me["role"], me["user_id"], me["email"]) == ("acme", "agent", ann[0], "ann@example.com")
    assert call(boss, "GET", "/me").json["email"] is None
    assert call(boss, "GET", "/me", X_Earshot_User="ann@example.com").json["role"] == "agent"
