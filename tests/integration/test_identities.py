"""One customer, many identities: what Meta says makes two of them one, and nothing else does."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import psycopg
import pytest
from psycopg.errors import LockNotAvailable

from store.db import Database
from store.sender_places import Arrival, place_sender
from tests.integration.passes import now, run_all
from tests.webhooks import instagram_comment, instagram_event, whatsapp_value
from worker import reconcile, steps
from worker.crm_flush import flush_crm

PHONE, BSUID = "905551112233", "TR.1349120865530274"
ARRIVAL = Arrival(channel="whatsapp", account_id="1", sent_at=datetime(2026, 9, 21, tzinfo=UTC), opens=True)


def wa(
    text="hello", *, phone=None, bsuid=None, parent=None, timestamp="1790000000", username=None, account="111000111"
):
    """A WhatsApp message by whoever is named."""
    item = {"id": f"wamid.{text}-{phone}-{bsuid}-{timestamp}", "timestamp": timestamp, "type": "text"}
    named = {"from": phone, "from_user_id": bsuid, "from_parent_user_id": parent}
    item |= {key: value for key, value in named.items() if value}
    contact = {"profile": {"name": "Ada", **({"username": username} if username else {})}}
    contact |= {key: value for key, value in {"wa_id": phone, "user_id": bsuid}.items() if value}
    return whatsapp_value(account=account, contacts=[contact], messages=[{**item, "text": {"body": text}}])


def system(kind, *, sender=None, timestamp="1790000500", **more):
    item = {"id": f"wamid.sys-{timestamp}", "timestamp": timestamp, "type": "system", "system": {"type": kind, **more}}
    return whatsapp_value(messages=[{**item, **({"from": sender} if sender else {})}])


@pytest.fixture
def customers(deps, receive, owner):
    """Take bodies in, one after another; returns the customer of each stored message, in order."""

    def take(*bodies, kind="whatsapp"):
        for body in bodies:
            for ref in receive(body, kind=kind):
                steps.minimize(deps, ref)
        rows = owner.execute("SELECT customer_id::text FROM message WHERE direction = 'inbound' ORDER BY id").fetchall()
        return [customer for (customer,) in rows]

    return take


def test_a_scoped_id_that_comes_with_a_known_phone_is_the_same_customer_without_the_phone_too(customers):
    assert len(set(customers(wa(phone=PHONE), wa(phone=PHONE, bsuid=BSUID), wa(bsuid=BSUID)))) == 1


def test_a_phone_that_comes_with_a_known_scoped_id_is_the_same_customer(customers):
    assert len(set(customers(wa(bsuid=BSUID), wa(phone=PHONE, bsuid=BSUID), wa(phone=PHONE)))) == 1


def test_two_that_were_known_apart_are_one_when_one_message_names_both(customers, owner):
    first = customers(wa("a", phone=PHONE), wa("b", bsuid=BSUID))
    assert len(set(first)) == 2
    merged = customers(wa("c", phone=PHONE, bsuid=BSUID))
    assert set(merged) == {first[0]}
    assert owner.execute("SELECT count(*) FROM customer").fetchone() == (1,)
    assert owner.execute("SELECT count(*) FROM conversation").fetchone() == (1,)
    assert owner.execute("SELECT count(DISTINCT conversation_id) FROM message").fetchone() == (1,)


def test_a_parent_scoped_id_names_the_same_customer_at_another_number_of_the_tenant(customers):
    parent = "TR.ENT.77"
    assert len(set(customers(wa(bsuid=BSUID, parent=parent), wa("x", bsuid="TR.999", parent=parent)))) == 1


def test_a_number_with_another_scoped_id_has_a_new_owner(customers, owner):
    old, new, again = customers(
        wa(phone=PHONE, bsuid=BSUID), wa("n", phone=PHONE, bsuid="TR.777"), wa("m", phone=PHONE)
    )
    assert old != new == again
    assert owner.execute("SELECT count(*) FROM customer").fetchone() == (2,)


def test_the_same_person_has_another_scoped_id_at_a_number_of_another_portfolio(customers, owner):
    first, second = customers(wa(phone=PHONE, bsuid=BSUID), wa("y", phone=PHONE, bsuid="TR.555", account="111000999"))
    assert first == second


def test_the_same_name_or_handle_alone_makes_nobody_one(customers):
    assert len(set(customers(wa(phone=PHONE, username="ada"), wa("z", phone="905559998877", username="ada")))) == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("5215512345678", "525512345678"),
        ("5491122334455", "541122334455"),
        ("5511987654321", "551187654321"),
    ],
    ids=["Mexico", "Argentina", "Brazil"],
)
def test_a_number_is_one_however_its_country_spells_it(customers, one, other):
    assert len(set(customers(wa(phone=one), wa("w", phone=other)))) == 1


def test_landlines_and_numbers_of_other_countries_stay_apart(customers):
    assert len(set(customers(wa(phone="551133334444"), wa("w", phone="5511933334444")))) == 2


@pytest.mark.parametrize("kind", ["user_changed_number", "customer_changed_number"])
@pytest.mark.parametrize("field", ["wa_id", "new_wa_id"])
def test_a_changed_number_is_the_same_customer(customers, owner, kind, field):
    change = system(kind, sender=PHONE, body="User A changed from 90… to 90…", **{field: "905550000001"})
    assert len(set(customers(wa(phone=PHONE), change, wa("new", phone="905550000001", timestamp="1790000900")))) == 1
    assert owner.execute("SELECT count(*) FROM message WHERE text LIKE '%%changed%%'").fetchone() == (0,)


def test_who_writes_from_an_abandoned_number_later_is_somebody_else(customers):
    change = system("user_changed_number", sender=PHONE, wa_id="905550000001")
    before, late, stranger = customers(
        wa("a", phone=PHONE),
        change,
        wa("sent before the change, delivered after", phone=PHONE, timestamp="1790000400"),
        wa("c", phone=PHONE, timestamp="1790099999"),
    )
    assert before == late != stranger


def test_a_message_from_the_new_number_that_was_faster_than_the_notice_is_merged(customers):
    change = system("user_changed_number", sender=PHONE, wa_id="905550000001", timestamp="1790000500")
    first = wa("a", phone=PHONE)
    assert len(set(customers(first, wa("b", phone="905550000001", timestamp="1790000510"), change))) == 1


def test_the_new_numbers_former_owner_is_not_merged(customers):
    stranger = wa("long ago", phone="905550000001", timestamp="1780000000")
    change = system("user_changed_number", sender=PHONE, wa_id="905550000001", timestamp="1790000500")
    old, mine, new = customers(
        stranger, wa("a", phone=PHONE), change, wa("n", phone="905550000001", timestamp="1790000900")
    )
    assert old != mine == new


def test_a_new_scoped_id_that_meta_announces_is_the_same_customer(customers):
    change = system("user_changed_user_id", previous_user_id=BSUID, user_id="TR.888")
    assert len(set(customers(wa(bsuid=BSUID), change, wa("n", bsuid="TR.888", timestamp="1790000900")))) == 1


def test_a_status_that_names_phone_and_scoped_id_links_them(customers):
    status = {"id": "wamid.o", "status": "delivered", "timestamp": "1790000100"}
    link = whatsapp_value(statuses=[{**status, "recipient_id": PHONE, "recipient_user_id": BSUID}])
    assert len(set(customers(wa(phone=PHONE), link, wa(bsuid=BSUID)))) == 1


def test_changes_about_strangers_add_nobody(customers, owner):
    status = {"id": "w", "status": "sent", "recipient_id": "905557777777", "recipient_user_id": "TR.4"}
    customers(
        system("user_changed_number", sender="905557777777", wa_id="905558888888"), whatsapp_value(statuses=[status])
    )
    assert owner.execute("SELECT count(*) FROM customer").fetchone() == (0,)


def test_a_merge_takes_actions_labels_and_the_crm_record_along(deps, receive, owner):
    (one,) = receive(wa("I want my money back!", bsuid=BSUID))
    run_all(deps, one)
    (other,) = receive(wa("thank you", phone=PHONE, timestamp="1790000100"))
    run_all(deps, other)
    owner.execute(
        """
        INSERT INTO crm_link (customer_id, tenant_id, record_id, linked_because)
        SELECT customer_id, tenant_id, 'r1', 'phone' FROM message WHERE id = %s
        """,
        (other.message_id,),
    )
    (both,) = receive(wa("still there?", phone=PHONE, bsuid=BSUID, timestamp="1790000200"))
    run_all(deps, both)
    (customer,) = owner.execute("SELECT id FROM customer").fetchone()
    for table in ("message", "action", "crm_link", "crm_state", "customer_identity", "conversation"):
        rows = owner.execute(f"SELECT DISTINCT customer_id FROM {table}").fetchall()
        assert rows == [(customer,)], table


def test_a_merged_conversation_keeps_the_urgent_place(deps, receive, owner):
    (one,) = receive(wa("I want my money back!", bsuid=BSUID))
    run_all(deps, one)
    (other,) = receive(wa("thanks a lot, wonderful", phone=PHONE, timestamp="1790000100"))
    run_all(deps, other)
    owner.execute("UPDATE conversation SET state = 'open'")
    receive(whatsapp_value(statuses=[{"id": "w", "status": "sent", "recipient_id": PHONE, "recipient_user_id": BSUID}]))
    assert owner.execute("SELECT priority, queue FROM conversation").fetchall() == [("P1", "senior")]


def test_a_routing_pass_that_meets_a_merge_is_tried_again_not_lost(deps, receive, owner):
    (one,) = receive(wa("hello", bsuid=BSUID))
    steps.minimize(deps, one)
    (other,) = receive(wa("thank you", phone=PHONE))
    run_all(deps, other)
    receive(whatsapp_value(statuses=[{"id": "w", "status": "sent", "recipient_id": PHONE, "recipient_user_id": BSUID}]))
    from worker import analyze_step

    analyze_step.analyze(deps, one)
    steps.persist(deps, one)
    steps.route(deps, one, now=now())
    assert owner.execute("SELECT count(*) FROM routing_decision").fetchone() == (2,)


def test_a_marketing_choice_stays_with_the_customer_and_the_newest_counts(customers, owner):
    def choice(value, timestamp):
        entry = {"wa_id": PHONE, "category": "marketing_messages", "value": value, "timestamp": timestamp}
        return whatsapp_value(field="user_preferences", user_preferences=[entry])

    customers(wa(phone=PHONE), choice("stop", 1790000300), choice("resume", 1790000200))
    assert owner.execute("SELECT marketing_accepted FROM customer").fetchall() == [(False,)]


def test_an_instagram_commenter_is_the_customer_of_the_direct_messages(customers):
    dm = instagram_event({"message": {"mid": "m1", "text": "hi"}}, sender="42")
    assert len(set(customers(dm, instagram_comment("nice", sender="42"), kind="instagram"))) == 1


def test_comments_without_a_sender_id_belong_to_the_handle_that_wrote_them(customers):
    def comment(text, handle):
        body = json.loads(instagram_comment(text))
        value = body["entry"][0]["changes"][0]["value"]
        value["from"] = {"username": handle}
        return json.dumps(body).encode()

    ada, again, bob = customers(comment("a", "ada.l"), comment("b", "Ada.L"), comment("c", "bob"), kind="instagram")
    assert ada == again != bob


def test_words_of_nobody_are_judged_and_stand_in_a_queue_each_as_somebody_of_its_own(deps, receive, owner):
    values = [
        {"id": f"c{number}", "text": "Still no parcel, I want my money back", "media": {"id": "1"}}
        for number in range(2)
    ]
    changes = [{"field": "comments", "value": value} for value in values]
    entry = {"id": "17841400000000111", "time": 1790000000, "changes": changes}
    for ref in receive(json.dumps({"object": "instagram", "entry": [entry]}).encode(), kind="instagram"):
        run_all(deps, ref)
    assert owner.execute("SELECT count(DISTINCT customer_id), count(*) FROM message").fetchone() == (2, 2)
    assert owner.execute("SELECT DISTINCT queue, state FROM conversation").fetchall() == [("senior", "open")]
    owner.execute("UPDATE crm_state SET next_at = now()")
    flush_crm(deps, tenant_id=owner.execute("SELECT tenant_id FROM message").fetchone()[0])
    assert owner.execute("SELECT DISTINCT outcome FROM crm_search").fetchall() == [("nobody",)]


def test_a_notice_that_comes_again_later_takes_nothing_from_the_numbers_new_owner(customers):
    change = system("user_changed_number", sender=PHONE, wa_id="905550000001")
    mine, _, stranger, again, mine_still = customers(
        wa("a", phone=PHONE),
        change,
        wa("b", phone="905550000001", timestamp="1790000900"),
        wa("c", phone=PHONE, timestamp="1790099999"),
        change,
        wa("d", phone=PHONE, timestamp="1790199999"),
        wa("e", phone="905550000001", timestamp="1790299999"),
    )
    assert stranger == again
    assert mine == mine_still != stranger


def test_who_has_a_number_of_their_own_is_not_merged_with_another_numbers_owner(customers, owner):
    one, other, both = customers(
        wa("a", phone=PHONE), wa("b", phone="905550000001", bsuid=BSUID), wa("c", phone=PHONE, bsuid=BSUID)
    )
    assert one != other == both
    assert owner.execute("SELECT count(*) FROM customer").fetchone() == (2,)


def test_a_status_that_contradicts_what_is_known_takes_nothing_from_anybody(customers, owner):
    status = {"id": "wamid.o", "status": "delivered", "timestamp": "1790000100"}
    link = whatsapp_value(statuses=[{**status, "recipient_id": PHONE, "recipient_user_id": BSUID}])
    one, other, scoped = customers(
        wa("a", phone=PHONE), wa("b", phone="905550000001", bsuid=BSUID), link, wa("c", bsuid=BSUID)
    )
    assert one != other == scoped


def test_a_flood_of_notices_is_kept_and_applied_by_a_worker(deps, receive, customers, owner):
    phones = [f"9055500000{number:02d}" for number in range(30)]
    customers(*(wa(phone=phone) for phone in phones))
    items = [{"wa_id": phone, "value": "stop", "timestamp": "1790000600"} for phone in phones]
    receive(whatsapp_value(field="user_preferences", user_preferences=items))
    assert owner.execute("SELECT count(*) FROM channel_notice").fetchone()[0] > 20
    changes = [
        {"from": phone, "id": f"wamid.n{phone}", "timestamp": "1790000500", "type": "system",
         "system": {"type": "user_changed_number", "wa_id": f"4{phone}"}}
        for phone in phones
    ]  # fmt: skip
    receive(whatsapp_value(messages=changes))
    reconcile.apply_waiting_notices(deps)
    assert owner.execute("SELECT count(*) FROM channel_notice").fetchone() == (0,)
    assert owner.execute("SELECT count(*) FROM customer WHERE marketing_accepted = false").fetchone() == (30,)
    rows = owner.execute("SELECT count(*), count(retired_at) FROM customer_identity").fetchone()
    assert rows == (60, 30)


def test_a_comment_opens_no_window_for_private_answers(customers, owner):
    customers(instagram_comment("nice"), kind="instagram")
    assert owner.execute("SELECT last_inbound_at, state FROM conversation").fetchall() == [(None, "open")]


def test_whoever_is_found_is_held_and_who_is_new_is_seen_by_nobody(customers, database, owner, tenant_ids):
    customers(wa("Hello", phone=PHONE))
    sender = {"identities": [["phone", PHONE]], "display_name": None}
    stranger = {"identities": [["phone", "905550000000"]], "display_name": "Nil"}
    with database.tenant_transaction(tenant_ids["acme"]) as conn:
        known = place_sender(conn, tenant_ids["acme"], sender, ARRIVAL).customer_id
        with pytest.raises(LockNotAvailable):
            owner.execute("SELECT FROM customer WHERE id = %s FOR UPDATE NOWAIT", (known,))
        new = place_sender(conn, tenant_ids["acme"], stranger, ARRIVAL).customer_id
        assert owner.execute("SELECT FROM customer WHERE id = %s", (new,)).fetchone() is None
    assert owner.execute("SELECT display_name FROM customer WHERE id = %s", (new,)).fetchone() == ("Nil",)


def waits_for_a_lock(owner):
    row = owner.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    ).fetchone()
    return row[0] > 0


@pytest.mark.parametrize("becomes", ["renamed", "deleted"])
def test_a_customer_who_is_being_changed_is_waited_for_and_found_as_they_are_then(
    customers, database, owner, owner_database_url, tenant_ids, becomes
):
    """Merging and erasing lock the customer's row before they change it."""
    (customer_id,) = customers(wa("Hello", phone=PHONE))
    acme = tenant_ids["acme"]
    sender = {"identities": [["phone", PHONE]], "display_name": "Ada"}

    def place():
        with database.stage_transaction(acme) as conn:
            return place_sender(conn, acme, sender, ARRIVAL)

    with ThreadPoolExecutor(1) as pool, psycopg.connect(owner_database_url) as other:
        other.execute("SELECT FROM customer WHERE id = %s FOR UPDATE", (customer_id,))
        placed = pool.submit(place)
        give_up_at = time.monotonic() + 10
        while not waits_for_a_lock(owner):
            assert time.monotonic() < give_up_at and not placed.done()
            time.sleep(0.01)
        if becomes == "renamed":
            other.execute("UPDATE customer SET display_name = 'Grace' WHERE id = %s", (customer_id,))
        else:
            other.execute("DELETE FROM message WHERE customer_id = %s", (customer_id,))
            other.execute("DELETE FROM customer WHERE id = %s", (customer_id,))
        other.commit()
        found = placed.result(10)

    assert (found.customer_id == customer_id) == (becomes == "renamed")
    assert owner.execute("SELECT id::text FROM customer").fetchall() == [(found.customer_id,)]
    assert owner.execute("SELECT customer_id::text FROM customer_identity").fetchall() == [(found.customer_id,)]
    rows = owner.execute(
        "SELECT customer_id::text FROM conversation WHERE id = %s", (found.conversation_id,)
    ).fetchall()
    assert rows == [(found.customer_id,)]


def test_a_strangers_first_messages_that_come_at_once_are_one_customers(app_url, owner, tenant_ids):
    acme, many = tenant_ids["acme"], 8
    database = Database(app_url, pool_size=many)
    sender = {"identities": [["bsuid", BSUID], ["phone", PHONE], ["username", "ada"]], "display_name": "Ada"}
    together = threading.Barrier(many)

    def place(_):
        together.wait(10)
        with database.stage_transaction(acme) as conn:
            return place_sender(conn, acme, sender, ARRIVAL)

    with ThreadPoolExecutor(many) as pool:
        places = set(pool.map(place, range(many)))
    database.close()

    (place,) = places
    assert owner.execute("SELECT id::text, display_name FROM customer").fetchall() == [(place.customer_id, "Ada")]
    kinds = owner.execute(
        "SELECT kind FROM customer_identity WHERE customer_id = %s ORDER BY kind", (place.customer_id,)
    )
    assert kinds.fetchall() == [("bsuid",), ("phone",), ("username",)]
    assert owner.execute("SELECT version FROM conversation").fetchall() == [(many - 1,)]
