"""Two customers who turn out to be one: everything that hung on either conversation hangs on the one that stays, once."""

from datetime import UTC, datetime, timedelta

import pytest

from store.agent_tasks import NewTask, add_task
from tests.integration.passes import run_all
from tests.integration.test_identities import BSUID, PHONE, wa
from tests.webhooks import whatsapp_value
from worker import reconcile
from worker.sla_watch import watch_clocks

URGENT = "This is the third time the parcel is late. I want my money back!"
QUESTION = "What does the blue one cost?"
PRAISE = "Thank you so much, this is wonderful"
LINK = {"id": "w", "status": "sent", "recipient_id": PHONE, "recipient_user_id": BSUID}


def at(minutes_ago):
    return str(int((datetime.now(UTC) - timedelta(minutes=minutes_ago)).timestamp()))


@pytest.fixture
def write(deps, receive):
    """One message, through all stages: of the phone's conversation, or of the scoped id's."""

    def one(text, minutes_ago, **who):
        (ref,) = receive(wa(text, timestamp=at(minutes_ago), **who))
        run_all(deps, ref)
        return ref

    return one


@pytest.fixture
def merge(receive, owner):
    """Meta says that both are one; returns the conversation that stays."""

    def both():
        assert owner.execute("SELECT count(*) FROM conversation").fetchone() == (2,)
        receive(whatsapp_value(statuses=[LINK]))
        ((conversation_id,),) = owner.execute("SELECT id::text FROM conversation").fetchall()
        return conversation_id

    return both


def answer(deps, receive, minutes_ago, **to):
    item = {"from": "15550000000", "id": f"wamid.e{minutes_ago}", "timestamp": at(minutes_ago), "type": "text", **to}
    receive(whatsapp_value(field="smb_message_echoes", message_echoes=[{**item, "text": {"body": "We look into it"}}]))
    reconcile.place_waiting(deps)


def place(owner):
    """Queue, priority, and the words of the message they stand by."""
    return owner.execute(
        """
        SELECT c.queue, c.priority, m.text, m.sent_at = c.routed_sent_at, c.skill_wanted
        FROM conversation AS c JOIN message AS m ON m.id = c.routed_message_id
        """
    ).fetchall()


@pytest.mark.parametrize("who_first", ["phone", "bsuid"])
def test_queue_priority_skill_and_message_are_those_of_one_of_the_two(write, merge, owner, who_first):
    first, second = (
        ({"phone": PHONE}, {"bsuid": BSUID}) if who_first == "phone" else ({"bsuid": BSUID}, {"phone": PHONE})
    )
    write(URGENT, 20, **first)
    write(QUESTION, 10, **second)
    merge()
    assert place(owner) == [("senior", "P1", URGENT, True, "senior")]


def test_an_urgent_place_that_a_person_has_answered_gives_way_to_the_newer_message(write, merge, deps, receive, owner):
    write(URGENT, 20, phone=PHONE)
    answer(deps, receive, 15, to=PHONE)
    write(QUESTION, 10, bsuid=BSUID)
    merge()
    assert [row[:4] for row in place(owner)] == [("sales", "P3", QUESTION, True)]


def test_an_answer_in_one_counts_for_what_the_other_was_placed_by(write, merge, deps, receive, owner):
    write(URGENT, 20, phone=PHONE)
    write(QUESTION, 10, phone=PHONE)
    write("Where is my order?", 18, bsuid=BSUID)
    answer(deps, receive, 15, to_user_id=BSUID)
    assert ("senior", "P1") in owner.execute("SELECT queue, priority FROM conversation").fetchall()
    merge()
    assert [row[:3] for row in place(owner)] == [("sales", "P3", QUESTION)]


def test_who_wrote_after_the_others_answer_still_waits(write, merge, deps, receive, owner):
    write(QUESTION, 20, phone=PHONE)
    write("Where is my order?", 10, phone=PHONE)
    write("Hello?", 18, bsuid=BSUID)
    answer(deps, receive, 15, to_user_id=BSUID)
    merge()
    waits = owner.execute(
        """
        SELECT awaits_answer(c.waiting_since, c.last_human_answer_at), m.text
        FROM conversation AS c JOIN message AS m ON m.sent_at = c.waiting_since
        """
    ).fetchall()
    assert waits == [(True, "Where is my order?")]


def test_the_open_one_keeps_its_place_and_nobody_who_left_the_other_is_in_it(write, merge, deps, receive, owner):
    write(URGENT, 60, phone=PHONE)
    answer(deps, receive, 50, to=PHONE)
    owner.execute(
        "UPDATE conversation SET state = 'resolved', resolved_at = now(), last_human_answer_at = now() - interval '2 days'"
    )
    write(QUESTION, 10, bsuid=BSUID)
    merge()
    assert place(owner)[0][2] == QUESTION
    assert owner.execute("SELECT state, taken_over, resolved_at FROM conversation").fetchone() == ("open", False, None)


def test_clocks_go_on_from_the_earlier_start_and_are_told_once(write, merge, deps, owner):
    write(URGENT, 20, phone=PHONE)
    watch_clocks(deps)
    write(URGENT, 18, bsuid=BSUID)
    watch_clocks(deps)
    assert owner.execute("SELECT count(*) FROM alert WHERE kind = 'sla_breach'").fetchone() == (2,)
    conversation_id = merge()
    for _ in range(3):
        watch_clocks(deps)
    clocks = owner.execute(
        """
        SELECT c.kind, c.conversation_id::text, c.state, c.started_at = (SELECT min(sent_at) FROM message WHERE direction = 'inbound')
        FROM sla_clock AS c ORDER BY 1
        """
    ).fetchall()
    assert clocks == [
        ("first_answer", conversation_id, "breached", True),
        ("resolution", conversation_id, "running", True),
    ]
    alerts = owner.execute("SELECT conversation_id::text, resolved_at IS NULL FROM alert WHERE kind = 'sla_breach'")
    assert sorted(alerts.fetchall(), key=str) == [(conversation_id, False), (conversation_id, True)]


def test_an_answer_after_the_merge_stops_the_clock_that_came_along(write, merge, deps, receive, owner):
    write(PRAISE, 30, phone=PHONE)
    write(URGENT, 20, bsuid=BSUID)
    merge()
    answer(deps, receive, 1, to=PHONE)
    watch_clocks(deps)
    assert owner.execute(
        "SELECT state, ended_at IS NOT NULL FROM sla_clock WHERE kind = 'first_answer'"
    ).fetchall() == [("breached", True)]


@pytest.mark.parametrize("asleep", [{"phone": PHONE}, {"bsuid": BSUID}])
def test_a_rest_ends_when_the_open_conversation_is_merged_in(write, merge, deps, owner, asleep):
    write(URGENT, 20, **asleep)
    owner.execute(
        """
        INSERT INTO conversation_rest (tenant_id, conversation_id, kind, began_at, until)
        SELECT tenant_id, id, 'snoozed', now() - interval '5 min', now() + interval '1 h' FROM conversation
        """
    )
    write(QUESTION, 10, **({"bsuid": BSUID} if "phone" in asleep else {"phone": PHONE}))
    conversation_id = merge()
    watch_clocks(deps)
    rests = owner.execute("SELECT conversation_id::text, ended_at IS NOT NULL FROM conversation_rest").fetchall()
    assert rests == [(conversation_id, True)]


def test_tags_tasks_alerts_and_actions_come_along_once(write, merge, owner, database, tenant_ids):
    refs = write(URGENT, 20, phone=PHONE), write(URGENT, 18, bsuid=BSUID)
    owner.execute(
        """
        INSERT INTO conversation_tag (conversation_id, tag, tenant_id, message_id)
        SELECT c.id, tag, c.tenant_id, c.routed_message_id FROM conversation AS c, unnest(ARRAY['both', right(c.id::text, 4)]) AS tag
        """
    )
    tags = {tag for (tag,) in owner.execute("SELECT tag FROM conversation_tag").fetchall()}
    for ref in refs:
        with database.tenant_transaction(tenant_ids["acme"]) as conn:
            (conversation_id,) = conn.execute(
                "SELECT conversation_id::text FROM message WHERE id = %s", (ref.message_id,)
            ).fetchone()
            task = NewTask(
                key=f"answer:{ref.message_id}",
                kind="answer",
                conversation_id=conversation_id,
                message_id=ref.message_id,
                because="a test",
                due_at=datetime.now(UTC),
            )
            add_task(conn, tenant_ids["acme"], task)
    before = owner.execute("SELECT count(*), count(DISTINCT key) FROM crm_event").fetchone()
    stays = merge()
    assert {tag for (tag,) in owner.execute("SELECT tag FROM conversation_tag").fetchall()} == tags
    assert owner.execute("SELECT count(*) FROM conversation_tag").fetchone() == (len(tags),)
    for table in ("conversation_tag", "agent_task", "action"):
        rows = owner.execute(f"SELECT DISTINCT conversation_id::text FROM {table}").fetchall()
        assert rows == [(stays,)], table
    assert owner.execute("SELECT count(*) FROM agent_task WHERE done_at IS NULL").fetchone() == (2,)
    # CRM notes and tasks: all of them, none twice, on the customer that stays.
    assert owner.execute("SELECT count(*), count(DISTINCT key) FROM crm_event").fetchone() == before
    assert owner.execute("SELECT DISTINCT e.customer_id = c.id FROM crm_event AS e, customer AS c").fetchall() == [
        (True,)
    ]


@pytest.mark.parametrize(
    ("urgent", "calm"), [({"phone": PHONE}, {"bsuid": BSUID}), ({"bsuid": BSUID}, {"phone": PHONE})]
)
def test_a_person_who_was_called_in_either_is_called_in_the_one_that_stays(write, merge, owner, urgent, calm):
    ref = write(URGENT, 20, **urgent)
    write(QUESTION, 10, **calm)
    merge()
    assert owner.execute("SELECT escalated_message_id::text FROM conversation").fetchone() == (ref.message_id,)


def test_a_person_who_was_called_long_ago_is_not_called_again(write, merge, owner):
    write(URGENT, 60, phone=PHONE)
    owner.execute("UPDATE conversation SET state = 'resolved', resolved_at = now()")
    write(QUESTION, 10, bsuid=BSUID)
    merge()
    assert owner.execute("SELECT escalated_message_id FROM conversation").fetchone() == (None,)
