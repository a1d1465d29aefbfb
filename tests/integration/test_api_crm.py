"""The CRM through the API: how it stands, what was written, and records that people pick."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from config.crm import CrmConfig
from store.crm_connections import apply_connection, note_check, pause_and_tell
from store.crm_erasures import list_due_erasures, settle_erasure
from store.crm_events import NewEvent, add_event, settle_event, take_due_events
from store.crm_links import link_customer
from store.crm_states import mark_all_dirty, mark_dirty
from store.merging import merge_customers
from store.runs import RunRef
from tests.crm_portals import PORTALS
from tests.integration.test_api import acme, ann, app, boss, call, new_key  # noqa: F401 -- fixtures
from tests.integration.workplace import add_agent, add_conversation
from worker.crm_flush import flush_crm

PHONE = "905551112233"


@pytest.fixture
def customer(owner, acme):  # noqa: F811
    conversation = add_conversation(owner, acme)
    (customer_id,) = owner.execute(
        "SELECT customer_id::text FROM conversation WHERE id = %s", (conversation,)
    ).fetchone()
    return customer_id


@pytest.fixture
def unclear(owner, acme, customer):  # noqa: F811
    owner.execute(
        """
        INSERT INTO crm_search (customer_id, tenant_id, outcome, candidates, next_at)
        VALUES (%s, %s, 'ambiguous', '[{"record_id": "11", "matched_on": "phone"}, {"record_id": "12", "matched_on": "email"}]',
                now() + interval '1 day')
        """,
        (customer, acme),
    )
    return customer


@pytest.fixture
def portal(standins, database, acme, keyring):  # noqa: F811
    """A HubSpot account of the test's own, which acme is connected to."""
    portal = PORTALS["hubspot"](standins["hubspot"])
    with database.tenant_transaction(acme) as conn:
        apply_connection(conn, acme, CrmConfig(kind="hubspot", **portal.credentials), keyring=keyring)
    yield portal
    portal.reset()


def pick(call, key, customer_id, record_id, **headers):  # noqa: F811
    return call(key, "PUT", f"/customers/{customer_id}/crm/link", {"record_id": record_id}, **headers)


def test_the_connection_is_told_with_what_to_do(call, ann, database, acme, owner):  # noqa: F811
    told = call(ann[1], "GET", "/crm").json
    assert (told["kind"], told["state"], told["sentence"]) == ("hubspot", "works", "works")
    with database.tenant_transaction(acme) as conn:
        pause_and_tell(conn, acme, "hubspot", code="missing_scopes:crm.objects.contacts.read")
    told = call(ann[1], "GET", "/crm").json
    assert told["state"] == "paused" and "grant these scopes" in told["sentence"]
    assert owner.execute("SELECT kind FROM alert WHERE resolved_at IS NULL").fetchall() == [("crm_paused",)]
    with database.tenant_transaction(acme) as conn:
        note_check(conn, acme, works=True)
    assert call(ann[1], "GET", "/crm").json["state"] == "works"
    assert owner.execute("SELECT count(*) FROM alert WHERE resolved_at IS NULL").fetchone() == (0,)
    owner.execute("DELETE FROM crm_connection")
    refused = call(ann[1], "GET", "/crm")
    assert (refused.status_code, refused.json["code"]) == (404, "no_crm") and "[crm]" in refused.json["fix"]


def test_writes_come_in_pages_that_lose_none_of_one_moment(call, ann, owner, acme, customer):  # noqa: F811
    other = add_conversation(owner, acme)
    owner.execute(
        """
        INSERT INTO crm_write (tenant_id, customer_id, record_id, because, version, fields, written_at)
        SELECT %s, CASE WHEN number < 5 THEN %s::uuid ELSE c.customer_id END, number::text, 'message', 1,
               '{"earshot_label": "3 negative messages in last 30 days"}', '2026-11-01T10:00:00Z'
        FROM generate_series(1, 7) AS number, conversation AS c
        WHERE c.id = %s
        """,
        (acme, customer, other),
    )
    seen, cursor = [], ""
    while cursor is not None:
        page = call(ann[1], "GET", f"/crm/writes?limit=2{cursor and f'&cursor={cursor}'}").json
        seen += [one["record_id"] for one in page["writes"]]
        cursor = page["next_cursor"]
    assert sorted(seen) == ["1", "2", "3", "4", "5", "6", "7"]
    mine = call(ann[1], "GET", f"/crm/writes?customer_id={customer}").json["writes"]
    assert {one["record_id"] for one in mine} == {"1", "2", "3", "4"}
    assert (mine[0]["because"], mine[0]["fields"]["earshot_label"][:10]) == ("message", "3 negative")


def test_who_is_unclear_is_listed_with_pages_in_the_crm(call, ann, owner, acme, unclear):  # noqa: F811
    owner.execute("UPDATE crm_connection SET account_id = '777'")
    (one,) = call(ann[1], "GET", "/crm/unclear").json["customers"]
    assert (one["customer_id"], [other["record_id"] for other in one["candidates"]]) == (unclear, ["11", "12"])
    assert one["candidates"][0]["url"] == "https://app.hubspot.com/contacts/777/record/0-1/11"
    assert call(ann[1], "GET", f"/conversations/{one['conversation_id']}").json["customer_id"] == unclear
    for _ in range(4):
        owner.execute(
            "INSERT INTO crm_search (customer_id, tenant_id, outcome) "
            "SELECT customer_id, tenant_id, 'ambiguous' FROM conversation WHERE id = %s",
            (add_conversation(owner, acme),),
        )
    seen, cursor = [], ""
    while cursor is not None:
        page = call(ann[1], "GET", f"/crm/unclear?limit=2{cursor and f'&cursor={cursor}'}").json
        seen += [other["customer_id"] for other in page["customers"]]
        cursor = page["next_cursor"]
    assert len(seen) == len(set(seen)) == 5
    assert call(ann[1], "GET", "/crm/unclear?cursor=WyJ4Il0").json["code"] == "invalid_cursor"


def test_an_agent_picks_once_and_by_name(call, ann, new_key, owner, acme, unclear):  # noqa: F811
    picked = pick(call, ann[1], unclear, "11").json
    assert (picked["link"]["record_id"], picked["link"]["matched_on"], picked["search"]) == ("11", "person", None)
    assert [one["by"].startswith(f"user:{ann[0]}") for one in picked["picks"]] == [True]
    again = pick(call, ann[1], unclear, "11")
    assert again.status_code == 200 and len(again.json["picks"]) == 1
    bob = new_key("agent", user_id=add_agent(owner, acme))
    refused = pick(call, bob, unclear, "12")
    assert (refused.status_code, refused.json["code"], refused.json["record_id"]) == (409, "already_linked", "11")
    assert call(ann[1], "GET", "/crm/unclear").json["customers"] == []


def test_of_agents_who_pick_different_records_at_once_one_is_first(call, new_key, owner, acme, unclear):  # noqa: F811
    keys = [new_key("agent", user_id=add_agent(owner, acme)) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda number: pick(call, keys[number], unclear, str(11 + number)), range(6)))
    assert sorted(one.status_code for one in answers) == [200, 409, 409, 409, 409, 409]
    assert owner.execute("SELECT count(*) FROM crm_pick").fetchone() == (1,)


@pytest.mark.parametrize(("record_id", "code"), [("12x", "invalid_record_id"), ("../1", "invalid_request")])
def test_an_id_that_no_contact_has_is_refused(call, boss, unclear, record_id, code):  # noqa: F811
    refused = pick(call, boss, unclear, record_id)
    assert (refused.status_code, refused.json["code"], refused.json["field"]) == (422, code, "record_id")


def test_a_supervisor_corrects_a_pick_and_all_of_ours_moves(
    call, ann, boss, deps, database, portal, owner, acme, customer  # noqa: F811
):  # fmt: skip
    wrong, right = portal.add_contact(firstname="Wrong"), portal.add_contact(firstname="Right")
    owner.execute("UPDATE customer SET tier = 'gold', high_value = true, crm_value = 5 WHERE id = %s", (customer,))
    pick(call, ann[1], customer, wrong)
    new = NewEvent(kind="note", key="message-1:note", subject="Escalated", body="See", due_at=datetime.now(UTC))
    with database.tenant_transaction(acme) as conn:
        add_event(conn, RunRef(acme, str(uuid4()), str(uuid4())), new, customer_id=customer)
    flush_crm(deps, tenant_id=acme)
    assert len(portal.events(wrong)) == 1
    corrected = pick(call, boss, customer, right).json
    assert corrected["link"]["record_id"] == right and len(corrected["picks"]) == 2
    assert (corrected["tier"], corrected["high_value"], corrected["value"]) == (None, False, None)
    assert corrected["events"][0]["state"] == "pending"
    flush_crm(deps, tenant_id=acme)
    flush_crm(deps, tenant_id=acme)
    assert (portal.events(wrong), len(portal.events(right))) == ([], 1)
    assert call(ann[1], "GET", f"/customers/{customer}/crm").json["events"][0]["state"] == "sent"


def test_a_record_that_was_taken_away_is_not_found_again_until_somebody_asks(
    call, ann, boss, deps, database, portal, owner, acme, customer  # noqa: F811
):  # fmt: skip
    owner.execute(
        "INSERT INTO customer_identity (tenant_id, customer_id, kind, value) VALUES (%s, %s, 'phone', %s)",
        (acme, customer, PHONE),
    )
    record = portal.add_contact(phone=f"+{PHONE}")
    with database.tenant_transaction(acme) as conn:
        mark_dirty(conn, acme, customer, because="message")
    flush_crm(deps, tenant_id=acme)
    assert call(ann[1], "GET", f"/customers/{customer}/crm").json["link"]["record_id"] == record
    path = f"/customers/{customer}/crm/link"
    assert call(ann[1], "DELETE", path).json["code"] == "role_may_not"
    gone = call(boss, "DELETE", path).json
    assert (gone["link"], gone["search"]["outcome"], gone["search"]["next_at"]) == (None, "stopped", None)
    assert gone["picks"][0]["record_id"] is None
    with database.tenant_transaction(acme) as conn:
        mark_dirty(conn, acme, customer, because="message")
        mark_all_dirty(conn, acme)
        urgent = NewEvent(
            kind="task", key="m:task", subject="Call", body="now", due_at=datetime.now(UTC), high_priority=True
        )
        add_event(conn, RunRef(acme, str(uuid4()), str(uuid4())), urgent, customer_id=customer)
    flush_crm(deps, tenant_id=acme)
    assert call(ann[1], "GET", f"/customers/{customer}/crm").json["link"] is None
    # A second time nothing changes; asked for, the search starts.
    assert len(call(boss, "DELETE", path).json["picks"]) == 1
    assert call(boss, "DELETE", f"{path}?search_again=true").json["search"]["outcome"] == "waiting"
    flush_crm(deps, tenant_id=acme)
    found = call(ann[1], "GET", f"/customers/{customer}/crm").json
    assert (found["link"]["record_id"], found["events"][0]["state"]) == (record, "sent")


def test_two_customers_who_are_one_keep_what_people_said(call, boss, database, owner, acme, customer):  # noqa: F811
    pick(call, boss, customer, "11")
    assert call(boss, "DELETE", f"/customers/{customer}/crm/link").status_code == 200
    (other,) = owner.execute("INSERT INTO customer (tenant_id) VALUES (%s) RETURNING id::text", (acme,)).fetchone()
    with database.tenant_transaction(acme) as conn:
        kept = merge_customers(conn, acme, customer, other)
    told = call(boss, "GET", f"/customers/{kept}/crm").json
    assert (told["search"]["outcome"], [one["record_id"] for one in told["picks"]]) == ("stopped", [None, "11"])


def test_a_note_whose_card_turned_out_wrong_on_its_way_is_written_on_the_right_one(database, owner, acme, customer):  # noqa: F811
    owner.execute(
        "INSERT INTO crm_link (customer_id, tenant_id, record_id, linked_because) VALUES (%s, %s, '1', 'phone')",
        (customer, acme),
    )
    new = NewEvent(kind="note", key="k", subject="s", body="b", due_at=datetime.now(UTC))
    with database.tenant_transaction(acme) as conn:
        add_event(conn, RunRef(acme, str(uuid4()), str(uuid4())), new, customer_id=customer)
        (event,) = take_due_events(conn, acme, limit=1)
    with database.tenant_transaction(acme) as conn:
        link_customer(conn, acme, customer_id=customer, record_id="2", matched_on="person")
    with database.tenant_transaction(acme) as conn:
        settle_event(conn, event.id, state="sent", remote_id="77")
        assert take_due_events(conn, acme, limit=1) == []  # not before it is gone from the wrong card
        (erasure,) = list_due_erasures(conn, acme, limit=1)
        assert (erasure.record_id, erasure.events[0]["key"]) == ("1", "k")
        settle_erasure(conn, erasure.id, state="done")
        (again,) = take_due_events(conn, acme, limit=1)
    assert (again.record_id, again.tries) == ("2", 1)


def test_a_query_is_part_of_what_an_idempotency_key_names(call, boss, unclear):  # noqa: F811
    path = f"/customers/{unclear}/crm/link"
    assert call(boss, "DELETE", path, Idempotency_Key="a").status_code == 200
    assert call(boss, "DELETE", path, Idempotency_Key="a").headers["Idempotency-Replayed"] == "true"
    assert call(boss, "DELETE", f"{path}?search_again=true", Idempotency_Key="a").json["code"] == "key_reused"
