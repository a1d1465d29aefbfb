"""A person's answer whose echo comes after later messages: queue, waiting and clocks are as if it had come in time."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from store.conversation_events import Actor
from store.work_items import lock_work_item, put_back
from tests.integration.passes import run_all
from tests.integration.test_sending import configure
from tests.webhooks import whatsapp_body, whatsapp_echo, whatsapp_message
from worker import reconcile

URGENT = "This is the third time the parcel is late. I want my money back!"
QUESTION = "How much is the blue one?"
STORY = ((URGENT, 20), ("answer", 15), (QUESTION, 10))
_senders = itertools.count(905557000000)


def ago(minutes):
    return str(int((datetime.now(UTC) - timedelta(minutes=minutes)).timestamp()))


@pytest.fixture
def tell(deps, receive):
    """What happened, in the order in which it arrives; each by its own time."""

    def happens(*story, sender):
        for text, minutes_ago in story:
            if text == "answer":
                receive(whatsapp_echo("We look into it", to=sender, timestamp=ago(minutes_ago)))
                reconcile.place_waiting(deps)
            else:
                (ref,) = receive(whatsapp_body(whatsapp_message(text, sender=sender, timestamp=ago(minutes_ago))))
                run_all(deps, ref)

    return happens


def outcome(owner):
    """Of the newest conversation: its place, what it stands by, since when it waits, whether somebody is wanted."""
    return owner.execute(
        """
        SELECT c.queue, c.priority, c.skill_wanted, m.text, w.text, awaits_answer(c.waiting_since, c.last_human_answer_at),
               c.wants_agent,
               (SELECT array_agg(k.kind || ' ' || k.state ORDER BY k.kind, k.started_at) FROM sla_clock AS k
                WHERE k.conversation_id = c.id)
        FROM conversation AS c
        JOIN message AS m ON m.id = c.routed_message_id
        LEFT JOIN message AS w ON w.conversation_id = c.id AND w.direction = 'inbound' AND w.sent_at = c.waiting_since
        ORDER BY c.id DESC LIMIT 1
        """
    ).fetchone()


def test_in_whatever_order_they_arrive_it_ends_in_the_same_place(tell, owner):
    configure(owner, "{assignment}", '{"auto_assign": ["sales"]}')
    seen = []
    for order in itertools.permutations(STORY):
        if order.index(("answer", 15)) == 0:
            continue  # nobody has anything to answer yet
        tell(*order, sender=str(next(_senders)))
        seen.append(outcome(owner))
    assert seen[0][:7] == ("sales", "P3", None, QUESTION, QUESTION, True, True)
    assert all(one == seen[0] for one in seen), seen


def test_an_urgent_message_after_the_answer_keeps_its_place(tell, owner):
    tell((QUESTION, 20), (URGENT, 10), ("answer", 15), sender="905557111111")
    assert outcome(owner)[:6] == ("senior", "P1", "senior", URGENT, URGENT, True)


def test_where_a_person_has_put_it_since_it_stays(tell, owner, database, tenant_ids):
    tell((URGENT, 20), (QUESTION, 10), sender="905557222222")
    (conversation_id,) = owner.execute("SELECT id::text FROM conversation").fetchone()
    with database.tenant_transaction(tenant_ids["acme"]) as conn:
        item = lock_work_item(conn, tenant_ids["acme"], conversation_id)
        put_back(conn, tenant_ids["acme"], item, queue="engineering", wants_agent=False, actor=Actor(user_id=1))
    tell(("answer", 15), sender="905557222222")
    assert outcome(owner)[0] == "engineering"


def test_a_conversation_that_is_over_stays_over(tell, owner):
    tell((URGENT, 20), (QUESTION, 10), sender="905557333333")
    owner.execute("UPDATE conversation SET state = 'resolved', resolved_at = now()")
    tell(("answer", 15), sender="905557333333")
    assert owner.execute("SELECT state, queue FROM conversation").fetchone() == ("resolved", "senior")
