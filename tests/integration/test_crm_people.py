"""Which record is which customer: found, picked by a person, merged, gone."""

import json
from datetime import UTC, datetime

import httpx2
import pytest

from store.crm_links import link_customer
from store.merging import merge_customers

pytestmark = pytest.mark.in_turns

KINDS = ("hubspot", "salesforce", "zoho", "pipedrive")


@pytest.mark.parametrize("kind", KINDS)
def test_a_customer_is_found_labelled_and_linked(crm_desk, kind):
    desk = crm_desk(kind)
    record = desk.portal.add_contact(phone="+905551112233")
    customer = desk.customer("905551112233", negatives=4)
    desk.flush()
    assert desk.link(customer) == (record, "phone")
    assert desk.label(record) == "4 negative messages in last 30 days"
    (write,) = desk.owner.execute("SELECT because, record_id, fields FROM crm_write").fetchall()
    assert write[:2] == ("message", record)
    assert write[2]["earshot_negative_30d"] == "4" and "earshot_last_summary" not in write[2]


@pytest.mark.parametrize("kind", KINDS)
def test_two_records_wait_for_a_person_and_the_pick_counts_once_and_for_all(crm_desk, kind, database):
    desk = crm_desk(kind, create_contacts=True)
    records = {desk.portal.add_contact(phone="+905551112233") for _ in range(2)}
    customer = desk.customer("905551112233")
    desk.event(customer)
    desk.flush()
    assert desk.link(customer) is None
    outcome, candidates = desk.owner.execute("SELECT outcome, candidates FROM crm_search").fetchone()
    assert outcome == "ambiguous" and {one["record_id"] for one in candidates} == records
    assert desk.portal.contacts() == 2, "nothing is made where somebody may be"
    picked, other = sorted(records)
    with database.tenant_transaction(desk.tenant_id) as conn:
        assert link_customer(conn, desk.tenant_id, customer_id=customer, record_id=picked, matched_on="person")
    desk.due()
    desk.flush()
    assert (desk.label(picked), desk.label(other)) == ("1 negative message in last 30 days", None)
    assert len(desk.portal.events(picked)) == 1
    assert desk.owner.execute("SELECT count(*) FROM crm_search").fetchone() == (0,)
    # A wrong pick is put right: what we wrote goes from the wrong card.
    with database.tenant_transaction(desk.tenant_id) as conn:
        assert link_customer(conn, desk.tenant_id, customer_id=customer, record_id=other, matched_on="person")
    for _ in range(2):
        desk.due()
        desk.flush()
    assert (desk.label(picked), desk.label(other)) == (None, "1 negative message in last 30 days")


def test_nobody_is_made_unless_the_tenant_says_so(crm_desk):
    desk = crm_desk()
    customer = desk.customer("905551112233")
    desk.flush()
    assert desk.portal.contacts() == 0 and desk.link(customer) is None
    assert desk.owner.execute("SELECT outcome, next_at > now() + interval '5 hours' FROM crm_search").fetchone() == (
        "nobody",
        True,
    )
    desk.connect(create_contacts=True)
    desk.due()
    desk.flush()
    assert desk.link(customer)[1] == "created" and desk.portal.contacts() == 1


@pytest.mark.parametrize("kind", KINDS)
def test_labels_follow_a_record_that_was_merged(crm_desk, kind):
    desk = crm_desk(kind)
    loser, winner = desk.portal.add_contact(phone="+905551112233"), desk.portal.add_contact(phone="+905550000000")
    customer = desk.customer("905551112233")
    desk.flush()
    assert desk.link(customer)[0] == loser
    given = desk.portal.credentials
    account = given.get("token") or given.get("refresh_token") or given["client_id"]
    merge = {"account": account, "loser": loser, "winner": winner}
    httpx2.post(f"{desk.url}/_merge", json=merge).raise_for_status()
    desk.message(customer)
    for _ in range(3):
        desk.mark(customer)
        desk.flush()
    assert desk.link(customer)[0] == winner
    assert desk.label(winner) == "2 negative messages in last 30 days"


def test_one_card_for_two_customers_who_become_one(crm_desk, database):
    desk = crm_desk()
    cards = [desk.portal.add_contact(phone=f"+9055511122{number}") for number in (33, 44)]
    one, two = (desk.customer(f"9055511122{number}") for number in (33, 44))
    desk.flush()
    assert [desk.label(card) for card in cards] == ["1 negative message in last 30 days"] * 2
    with database.tenant_transaction(desk.tenant_id) as conn:
        keep = merge_customers(conn, desk.tenant_id, one, two)
    for _ in range(2):
        desk.due()
        desk.flush()
    kept, left = desk.link(keep)[0], next(card for card in cards if card != desk.link(keep)[0])
    assert (desk.label(kept), desk.label(left)) == ("2 negative messages in last 30 days", None)


def test_urgent_customers_are_looked_for_first_and_limits_of_search_hold_up_no_card(crm_desk):
    desk = crm_desk()
    linked = desk.portal.add_contact(phone="+905559990000")
    known = desk.customer("905559990000")
    desk.flush()
    desk.message(known)
    desk.customer("905551112233")
    desk.mark(known)
    limit = {
        "status": 429,
        "body": {"policyName": "DAILY", "errorType": "RATE_LIMIT"},
        "headers": {"Retry-After": "600"},
    }
    desk.portal.script(method="POST", path="/crm/objects/2026-09/contacts/search", times=9, **limit)
    desk.flush()
    assert desk.label(linked) == "2 negative messages in last 30 days"
    outcome, later = desk.owner.execute(
        "SELECT outcome, next_at > now() + interval '9 minutes' FROM crm_search"
    ).fetchone()
    assert (outcome, later) == ("waiting", True)


def test_what_was_written_names_no_customer(crm_desk):
    desk = crm_desk()
    desk.portal.add_contact(phone="+905551112233")
    desk.customer("905551112233")
    desk.flush()
    kept = json.dumps(desk.owner.execute("SELECT fields FROM crm_write").fetchall())
    assert "Late parcel" not in kept and "Ada" not in kept and str(datetime.now(UTC).year) in kept
