"""However a conversation's messages arrive, it ends in the same place, by the same message, with the same decisions."""

import itertools
from datetime import UTC, datetime

import pytest

from tests.integration.passes import now, run_all
from tests.webhooks import whatsapp_body, whatsapp_message
from worker import analyze_step, steps

REFUND = "This is the third time the parcel is late. I want my money back!"
PRAISE = "Thank you so much, this is wonderful"
PRICE = "How much is the blue one?"
BROKEN = "The app crashes, I get an error and cannot log in. This is terrible"
LAWYER = "My lawyer will write to you"


def outcome(owner, refs):
    """The conversation's place, what it stands by, and what was decided about each message, by the words."""
    ids = [ref.message_id for ref in refs]
    (place,) = owner.execute(
        """
        SELECT DISTINCT c.queue, c.priority, c.skill_wanted, m.text
        FROM message AS one
        JOIN conversation AS c ON c.id = one.conversation_id
        JOIN message AS m ON m.id = c.routed_message_id
        WHERE one.id = ANY(%s::uuid[])
        """,
        (ids,),
    ).fetchall()
    decisions = owner.execute(
        """
        SELECT m.text, d.rule, d.queue, d.priority
        FROM routing_decision AS d JOIN message AS m ON m.id = d.message_id
        WHERE m.id = ANY(%s::uuid[])
        ORDER BY m.sent_at, d.rule
        """,
        (ids,),
    ).fetchall()
    return place, decisions


@pytest.mark.in_turns
@pytest.mark.parametrize(
    ("texts", "stands_by"),
    [
        ((REFUND, PRICE, PRAISE), REFUND),
        ((PRICE, BROKEN, PRAISE), BROKEN),
        ((BROKEN, REFUND, LAWYER), LAWYER),
        ((PRAISE, PRICE, PRICE), PRICE),
    ],
    ids=["an early refund request", "a problem in the middle", "the newest of two P1", "nothing urgent"],
)
def test_any_order_of_arrival_and_any_repetition_end_in_the_same_state(deps, receive, owner, texts, stands_by):
    start = int(datetime.now(UTC).timestamp()) - 60
    seen = set()
    for number, order in enumerate(itertools.permutations(range(len(texts)))):
        sender = f"9055500{start % 1000:03d}{number:02d}"
        messages = [
            whatsapp_message(text, sender=sender, timestamp=str(start + place)) for place, text in enumerate(texts)
        ]
        refs = []
        for done, place in enumerate(order):
            (ref,) = receive(whatsapp_body(messages[place]))
            run_all(deps, ref)
            refs.append(ref)
            # Meta repeats a webhook whenever it likes.
            assert receive(whatsapp_body(*(messages[other] for other in order[: done + 1]))) == []
        place, decisions = outcome(owner, refs)
        assert place[3] == stands_by, order
        assert len(decisions) == len(texts)
        seen.add((place, tuple(decisions)))

    assert len(seen) == 1


def test_two_messages_of_one_webhook_in_either_order(deps, receive, owner):
    start = int(datetime.now(UTC).timestamp()) - 60
    outcomes = []
    for number, order in enumerate(((0, 1), (1, 0))):
        sender = f"90555111000{number}"
        both = [
            whatsapp_message(text, sender=sender, timestamp=str(start + place))
            for place, text in enumerate((REFUND, PRAISE))
        ]
        refs = receive(whatsapp_body(*both))
        for place in order:
            run_all(deps, refs[place])
        outcomes.append(outcome(owner, refs))

    assert outcomes[0] == outcomes[1]
    assert outcomes[0][0][:2] == ("senior", "P1")


def state_and_place(owner):
    return owner.execute(
        """
        SELECT c.state, c.queue, c.priority, m.text
        FROM conversation AS c JOIN message AS m ON m.id = c.routed_message_id ORDER BY c.id DESC LIMIT 1
        """
    ).fetchone()


def first_answer_runs(owner):
    """Whether somebody's promise to the newest conversation runs."""
    return owner.execute(
        """
        SELECT EXISTS (
            SELECT FROM sla_clock
            WHERE conversation_id = (SELECT max(id::text)::uuid FROM conversation) AND kind = 'first_answer' AND ended_at IS NULL
        )
        """
    ).fetchone()[0]


@pytest.mark.in_turns
@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ((REFUND, PRAISE), ("open", "senior", "P1", REFUND)),
        ((PRICE, PRAISE), ("resolved", "auto", "P4", PRAISE)),
        ((PRAISE, REFUND), ("open", "senior", "P1", REFUND)),
        ((PRAISE, PRICE), ("open", "sales", "P3", PRICE)),
    ],
)
def test_whichever_of_two_messages_is_read_first_the_conversation_is_open_or_over_alike(
    deps, receive, owner, texts, expected
):
    start = int(datetime.now(UTC).timestamp()) - 60
    for number, (together, order) in enumerate(itertools.product((False, True), ((0, 1), (1, 0)))):
        sender = f"90555222000{number}"
        both = [whatsapp_message(text, sender=sender, timestamp=str(start + place)) for place, text in enumerate(texts)]
        refs = receive(whatsapp_body(*both))
        if together:  # both stand in their conversation before either is decided
            for ref in refs:
                steps.minimize(deps, ref)
        for place in order:
            if not together:
                steps.minimize(deps, refs[place])
            analyze_step.analyze(deps, refs[place])
            steps.persist(deps, refs[place])
            steps.route(deps, refs[place], now=now())
        assert state_and_place(owner) == expected, (together, order)
        assert first_answer_runs(owner) is (expected[0] == "open"), (together, order)
