"""Lists and counts that stay short however much a tenant has."""

import json
from datetime import timedelta

import pytest

from console.app import create_app
from console.queue_counts import QueueCounts
from console.script_gate import ScriptGate
from store.conversation_events import MOST_EVENTS, list_conversation_events
from store.conversation_lists import Filters, count_queues, list_conversations
from store.conversation_page import MOST_ACTIONS, list_conversation_actions
from store.customer_card import MOST_COUNTED, read_card
from store.live_changes import forget_changes
from tests.integration.console_visitor import add_visitor, signed_in, words
from tests.integration.workplace import NOW, add_conversation


@pytest.fixture
def app(settings):
    app = create_app({}, settings=settings)
    yield app
    app.extensions["database"].close()


@pytest.fixture
def acme(tenant_ids):
    return tenant_ids["acme"]


def test_of_a_long_conversation_the_newest_events_and_automations_are_read(database, owner, acme):
    one = add_conversation(owner, acme)
    owner.execute(
        "INSERT INTO conversation_event (id, tenant_id, conversation_id, kind, queue)"
        " SELECT uuidv7(interval '1 second' * n), %s, %s, 'claimed', 'q' || n FROM generate_series(1, %s) AS n",
        (acme, one, MOST_EVENTS + 5),
    )
    owner.execute(
        "INSERT INTO action (id, tenant_id, conversation_id, customer_id, message_id, kind, idempotency_key, state, error_code)"
        " SELECT uuidv7(interval '1 second' * n), %s, id, customer_id, uuidv7(), 'notify', n::text, 'sent', n::text"
        " FROM conversation, generate_series(1, %s) AS n WHERE id = %s",
        (acme, MOST_ACTIONS + 5, one),
    )
    with database.tenant_transaction(acme) as conn:
        events = list_conversation_events(conn, one)
        actions = list_conversation_actions(conn, acme, one)
    assert [event.queue for event in events] == [f"q{n}" for n in range(6, MOST_EVENTS + 6)]
    assert [action.error_code for action in actions] == [str(n) for n in range(6, MOST_ACTIONS + 6)]


def test_a_customers_messages_are_counted_up_to_a_bound_that_the_page_names(app, database, owner, acme):
    one = add_conversation(owner, acme)

    def write(number):
        owner.execute(
            "INSERT INTO message (tenant_id, conversation_id, customer_id, channel, surface, account_id, provider_message_id,"
            " direction, message_type, text, sent_at, state, sender)"
            " SELECT tenant_id, id, customer_id, 'whatsapp', 'dm', '1', 'x', 'inbound', 'text', 'hi', now(), 'done', '{}'"
            " FROM conversation, generate_series(1, %s) WHERE id = %s",
            (number, one),
        )

    def counted():
        with database.tenant_transaction(acme) as conn:
            return read_card(conn, acme, one).messages

    ann = signed_in(app, add_visitor(owner, acme))
    write(MOST_COUNTED)
    assert counted() == MOST_COUNTED and f"Messages {MOST_COUNTED} " in words(ann.get(f"/conversations/{one}"))
    write(500)
    assert counted() == MOST_COUNTED + 1 and f"Messages {MOST_COUNTED}+" in words(ann.get(f"/conversations/{one}"))


def test_conversations_of_every_state_come_in_one_order_page_by_page(database, owner, acme, tenant_ids):
    wanted = []
    for number in range(12):
        priority = ("P1", "P3", None)[number % 3]
        one = add_conversation(owner, acme, priority=priority, minutes_ago=100 - number)
        if number % 4 == 0:
            owner.execute("UPDATE conversation SET state = 'resolved' WHERE id = %s", (one,))
        if number % 4 == 1:
            owner.execute("UPDATE conversation SET snoozed_until = %s WHERE id = %s", (NOW + timedelta(days=1), one))
        wanted.append((priority or "P9", number, one))
    add_conversation(owner, tenant_ids["other"])
    found, after = [], None
    with database.tenant_transaction(acme) as conn:
        while page := list_conversations(conn, acme, Filters(), after=after, limit=5):
            found += [one.id for one in page]
            after = page[-1].place
    assert found == [one for _, _, one in sorted(wanted)]


@pytest.mark.parametrize(
    ("filters", "places"),
    [
        ({"priority": "P1"}, [0]),
        ({"queue": "sales"}, [1]),
        ({"assignee_id": 0}, [0, 2]),
        ({"tag": "vip"}, [2]),
        ({"tag": "none"}, []),
        ({"state": "open", "priority": "P3", "tag": "vip"}, [2]),
        ({"state": "resolved"}, []),
    ],
)
def test_each_filter_narrows_by_itself_and_with_others(database, owner, acme, filters, places):
    ids = [
        add_conversation(owner, acme, priority="P1", minutes_ago=30),
        add_conversation(owner, acme, priority="P3", minutes_ago=20, queue="sales"),
        add_conversation(owner, acme, priority="P3", minutes_ago=10),
    ]
    owner.execute("UPDATE conversation SET assignee_id = 7 WHERE id = %s", (ids[1],))
    owner.execute(
        "INSERT INTO conversation_tag (conversation_id, tag, tenant_id, message_id) VALUES (%s, 'vip', %s, uuidv7())",
        (ids[2], acme),
    )
    with database.tenant_transaction(acme) as conn:
        found = list_conversations(conn, acme, Filters(**filters), after=None, limit=10)
    assert [one.id for one in found] == [ids[place] for place in places]


def test_queues_are_counted_again_as_soon_as_something_has_changed_in_the_tenant(
    database, owner, acme, tenant_ids, monkeypatch
):
    made = []

    def count(conn, tenant_id):
        made.append(tenant_id)
        return count_queues(conn, tenant_id)

    monkeypatch.setattr("console.queue_counts.count_queues", count)
    monkeypatch.setattr("console.queue_counts.GOOD_FOR_S", 600)
    counts = QueueCounts()

    def read(tenant_id=acme):
        with database.tenant_transaction(tenant_id) as conn:
            return sum(one.open for one in counts.read(conn, tenant_id))

    one = add_conversation(owner, acme)
    assert [read(), read(), read()] == [1, 1, 1] and made == [acme]
    add_conversation(owner, acme)
    assert [read(), read()] == [2, 2] and made == [acme, acme]
    owner.execute("UPDATE conversation SET state = 'resolved' WHERE id = %s", (one,))
    assert read() == 1
    made.clear()
    # What happens elsewhere is nothing of theirs, and neither are its numbers.
    add_conversation(owner, tenant_ids["other"])
    assert read() == 1 and made == []
    assert read(tenant_ids["other"]) == 1
    monkeypatch.setattr("console.queue_counts.GOOD_FOR_S", 0)
    made.clear()
    assert read() == 1 and made == [acme]


def test_a_tenant_sees_that_something_changed_at_its_own_and_nothing_of_others(database, owner, acme, tenant_ids):
    add_conversation(owner, acme)
    with database.tenant_transaction(tenant_ids["other"]) as conn:
        assert conn.execute("SELECT count(*) FROM live_change").fetchone() == (0,)
        assert conn.execute("DELETE FROM live_change").rowcount == 0
    with database.tenant_transaction(acme) as conn:
        assert conn.execute("SELECT count(*) > 0 FROM live_change").fetchone() == (True,)
        assert forget_changes(conn) == 0


def test_what_pages_ask_by_themselves_waits_its_turn_and_people_do_not(app, owner, acme):
    ann = signed_in(app, add_visitor(owner, acme))
    gate = app.extensions["script_gate"] = ScriptGate(at_once=1, most_wait_s=0.05)
    rows = f"/inbox/rows?tenant={acme}"
    assert gate.enter()
    assert ann.client.get(rows).status_code == 503
    assert ann.get("/inbox").status_code == 200
    gate.leave()
    # Everyone who came through has left again, also those who were refused, and those whose stream goes on.
    stream = ann.client.get(f"/events?tenant={acme}", buffered=False)
    assert b"hello" in next(iter(stream.response))
    answers = [ann.client.get(rows), ann.client.get("/inbox/rows?tenant=0"), ann.client.get(f"{rows}&ids=nonsense")]
    assert [one.status_code for one in answers] == [200, 409, 422]
    assert json.dumps([gate.enter(), gate.enter()]) == "[true, false]"
    gate.leave()
    stream.close()
