"""What a customer took back, or who was erased here, loses what we wrote in the CRM too."""

import httpx2
import pytest

from store.crm_events import forget_events

pytestmark = pytest.mark.in_turns

KINDS = ("hubspot", "salesforce", "zoho", "pipedrive")


@pytest.mark.parametrize("kind", KINDS)
def test_an_erased_customers_card_loses_our_fields_notes_and_tasks_and_nothing_else(crm_desk, kind):
    desk = crm_desk(kind)
    record = desk.portal.add_contact(phone="+905551112233", **{desk.portal.own_field: "vip"})
    customer = desk.customer("905551112233")
    desk.event(customer, kind="note", key="a:note")
    desk.event(customer, kind="task", key="a:task")
    desk.flush()
    assert desk.label(record) and len(desk.portal.events(record)) == 2
    before = {name for name in desk.portal.card(record) if not name.startswith("earshot_")}
    desk.owner.execute("DELETE FROM customer WHERE id = %s", (customer,))
    desk.flush()
    card = desk.portal.card(record)
    assert not {name for name, value in card.items() if name.startswith("earshot_") and value}
    assert {name for name in card if not name.startswith("earshot_")} == before
    assert desk.portal.events(record) == []
    assert desk.owner.execute("SELECT state, events FROM crm_erasure").fetchall() == [("done", [])]
    assert desk.owner.execute("SELECT count(*) FROM crm_write").fetchone() == (0,)


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_that_was_taken_back_takes_its_note_along(crm_desk, kind, database):
    desk = crm_desk(kind)
    record = desk.portal.add_contact(phone="+905551112233")
    customer = desk.customer("905551112233", negatives=0)
    gone, stays = desk.message(customer), desk.message(customer)
    for message_id in (gone, stays):
        desk.event(customer, key=f"{message_id}:note", message_id=message_id)
    desk.flush()
    assert len(desk.portal.events(record)) == 2
    with database.tenant_transaction(desk.tenant_id) as conn:
        forget_events(conn, [gone])
    desk.flush()
    assert len(desk.portal.events(record)) == 1
    assert desk.label(record) or desk.owner.execute("SELECT count(*) FROM crm_state").fetchone() == (1,)


def test_an_event_of_a_message_taken_back_before_it_was_sent_is_never_sent(crm_desk, database):
    desk = crm_desk()
    record = desk.portal.add_contact(phone="+905551112233")
    customer = desk.customer("905551112233", negatives=0)
    message_id = desk.message(customer)
    desk.event(customer, message_id=message_id)
    with database.tenant_transaction(desk.tenant_id) as conn:
        forget_events(conn, [message_id])
    desk.flush()
    assert desk.portal.events(record) == []
    assert desk.owner.execute("SELECT count(*) FROM crm_erasure").fetchone() == (0,)


def test_a_card_of_two_customers_says_what_is_to_be_said_of_the_other(crm_desk, database):
    desk = crm_desk()
    record = desk.portal.add_contact(phone="+905551112233")
    one, two = desk.customer("905551112233", negatives=3), desk.customer(negatives=2)
    desk.flush()
    desk.owner.execute(
        "INSERT INTO crm_link (customer_id, tenant_id, record_id, linked_because) VALUES (%s, %s, %s, 'person')",
        (two, desk.tenant_id, record),
    )
    desk.mark(two)
    desk.flush()
    desk.owner.execute("DELETE FROM customer WHERE id = %s", (one,))
    for _ in range(2):
        desk.due()
        desk.flush()
    assert desk.label(record) == "2 negative messages in last 30 days"


def test_an_erasure_waits_for_a_crm_that_is_away_and_is_shown_until_then(crm_desk):
    desk = crm_desk()
    record = desk.portal.add_contact(phone="+905551112233")
    customer = desk.customer("905551112233")
    desk.flush()
    desk.owner.execute("DELETE FROM customer WHERE id = %s", (customer,))
    desk.portal.script(method="POST", path=desk.portal.writes, status=500, times=9, body={})
    desk.flush()
    assert desk.owner.execute("SELECT state FROM crm_erasure").fetchall() == [("pending",)]
    assert desk.connection("held_because") == ("http_500",)

    httpx2.delete(f"{desk.url}/_script")
    desk.due()
    desk.flush()
    assert desk.label(record) is None
