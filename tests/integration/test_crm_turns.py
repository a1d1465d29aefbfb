"""Turns: one worker speaks to a tenant's CRM at a time, and one that died is followed by another."""

import threading

import pytest

from store.crm_connections import take_turn
from store.crm_states import mark_all_dirty
from worker.crm_flush import flush_crm
from worker.reconcile import refresh_negative_counts

# Minutes together, most of it waiting: the full run has them.
pytestmark = pytest.mark.slow

UPDATES = "/crm/objects/2026-09/contacts/batch/update"


def updates(desk):
    return [one for one in desk.portal.requests() if one["path"] == UPDATES]


def test_workers_that_are_rung_at_once_write_each_card_once(crm_desk, deps):
    desk = crm_desk()
    for number in range(30):
        desk.portal.add_contact(phone=f"+9055511122{number:02}")
        desk.customer(f"9055511122{number:02}")
        desk.event(desk.owner.execute("SELECT max(id::text) FROM customer").fetchone()[0], key=f"k{number}")
    # HubSpot answers slowly, so that all of them are there at once.
    desk.portal.script(method="POST", path="/crm/objects/2026-09/contacts/search", times=1, delay_s=0.5)
    workers = [threading.Thread(target=flush_crm, args=(deps,), kwargs={"tenant_id": desk.tenant_id}) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    desk.flush()
    assert desk.owner.execute("SELECT count(*) FROM crm_write").fetchone() == (30,)
    assert desk.portal.all_events() == 30
    assert desk.connection("flush_token", "flush_lease_until") == (None, None)


def test_another_worker_goes_on_where_one_died(crm_desk, database):
    desk = crm_desk()
    record = desk.portal.add_contact(phone="+905551112233")
    desk.customer("905551112233")
    with database.tenant_transaction(desk.tenant_id) as conn:
        assert take_turn(conn, desk.tenant_id)
    desk.flush()
    assert desk.label(record) is None, "it is somebody's turn"
    desk.owner.execute("UPDATE crm_connection SET flush_lease_until = clock_timestamp() - interval '1 second'")
    desk.flush()
    assert desk.label(record)


def test_a_crm_that_is_away_rests_longer_each_time_and_everything_comes_when_it_is_back(crm_desk, owner):
    desk = crm_desk()
    record = desk.portal.add_contact(phone="+905551112233")
    customer = desk.customer("905551112233")
    desk.flush()
    desk.message(customer)
    desk.mark(customer)
    pauses = []
    for _ in range(4):
        desk.portal.script(path=UPDATES, status=500, body={})
        desk.flush()
        (pause,) = owner.execute(
            "SELECT extract(epoch FROM held_until - now()) FROM crm_connection WHERE kind = 'hubspot' AND tenant_id = %s",
            (desk.tenant_id,),
        ).fetchone()
        pauses.append(round(float(pause)))
        before = len(desk.portal.requests())
        desk.flush()
        assert len(desk.portal.requests()) == before, "it rests"
        owner.execute("UPDATE crm_connection SET held_until = now()")
    assert pauses == [2, 4, 8, 16]
    desk.flush()
    assert desk.label(record) == "2 negative messages in last 30 days"
    assert desk.connection("tries", "held_because") == (0, None)


def test_an_unchanged_card_is_not_written_and_a_count_falls_by_itself(crm_desk, deps, owner):
    desk = crm_desk()
    record = desk.portal.add_contact(phone="+905551112233")
    customer = desk.customer("905551112233", negatives=1, days_ago=29)
    desk.message(customer)
    desk.flush()
    assert desk.label(record) == "2 negative messages in last 30 days" and len(updates(desk)) == 1
    owner.execute("UPDATE message SET sent_at = sent_at - interval '2 days'")
    refresh_negative_counts(deps)
    desk.due()
    desk.flush()
    assert desk.label(record) == "1 negative message in last 30 days"
    written = len(updates(desk))
    for _ in range(3):
        refresh_negative_counts(deps)
        desk.due()
        desk.flush()
    assert len(updates(desk)) == written
    assert owner.execute("SELECT because FROM crm_write ORDER BY written_at").fetchall() == [("message",), ("nightly",)]


def test_live_cards_go_before_bulk_ones(crm_desk, database, owner, monkeypatch):
    monkeypatch.setattr("worker.crm_cards.MIN_BATCH", 10)
    desk = crm_desk("pipedrive")
    for number in range(14):
        customer = desk.customer()
        record = desk.portal.add_contact(phone=f"+90555111{number:04}")
        owner.execute(
            "INSERT INTO crm_link (customer_id, tenant_id, record_id, linked_because) VALUES (%s, %s, %s, 'person')",
            (customer, desk.tenant_id, record),
        )
    owner.execute("DELETE FROM crm_search")
    with database.tenant_transaction(desk.tenant_id) as conn:
        owner.execute("UPDATE crm_state SET written_version = version")
        assert mark_all_dirty(conn, desk.tenant_id) == 14
    desk.mark(customer)
    desk.flush()
    first = owner.execute(
        "SELECT customer_id::text, because FROM crm_write ORDER BY written_at, id LIMIT 10"
    ).fetchall()
    assert (customer, "message") in first
    assert {because for _, because in first} == {"message", "backfill"}


def test_a_used_up_day_holds_cards_and_not_the_notes_that_people_wait_for(crm_desk, owner):
    # Pipedrive counts 5 a card; a tenth of the day's budget is left to notes and tasks.
    desk = crm_desk("pipedrive", day_share=0.1)
    desk.conditions(day_limit=1400)
    people = []
    for number in range(20):
        record = desk.portal.add_contact(phone=f"+90555111{number:04}")
        people.append((desk.customer(), record))
        owner.execute(
            "INSERT INTO crm_link (customer_id, tenant_id, record_id, linked_because) VALUES (%s, %s, %s, 'person')",
            (people[-1][0], desk.tenant_id, record),
        )
    owner.execute("DELETE FROM crm_search")
    desk.flush()
    (written,) = owner.execute("SELECT count(*) FROM crm_write").fetchone()
    assert 1 <= written < 20, "cards leave a tenth of the day to notes and tasks"
    assert owner.execute("SELECT count(*) FROM crm_state WHERE version > written_version").fetchone() == (20 - written,)
    assert desk.connection("held_because", "cards_held_until > now() + interval '20 hours'") == (None, True)
    desk.event(people[0][0])
    desk.flush()
    assert len(desk.portal.events(people[0][1])) == 1
    owner.execute("UPDATE crm_connection SET cards_held_until = NULL, bulk_held_until = NULL")
    desk.connect(day_share=1.0)
    for _ in range(3):
        desk.flush()
    assert owner.execute("SELECT count(*) FROM crm_state WHERE version > written_version").fetchone() == (0,)
