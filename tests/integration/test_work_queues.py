"""Claims, assignments, absences, snoozes and returns, on a real database."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from config.assignment import AssignmentConfig
from config.tenant import TenantConfig
from store.agents import lock_agent
from store.assignments import Wish, list_tenants_with_assignments, want_agent
from store.conversation_events import Actor
from store.customers import close_conversation
from store.db import Database
from store.merging import merge_customers
from store.sender_places import Arrival, place_customer
from store.work_items import claim_next, give, lock_work_item, put_back, resolve_item, snooze_item
from tests.integration.workplace import NOW, add_agent, add_clock, add_conversation, add_person, events, field
from worker.assigning import run_round

AUTO = TenantConfig(
    slug="acme", name="Acme", assignment=AssignmentConfig(auto_assign=("support", "senior"), vanish_after_min=10)
)


@pytest.fixture
def acme(tenant_ids):
    return tenant_ids["acme"]


@pytest.fixture
def assign(database, acme):
    def one_round(*, config=AUTO, now=NOW):
        with database.tenant_transaction(acme) as conn:
            return run_round(conn, acme, config=config, now=now)

    return one_round


def wanting(owner, acme, **more):
    since = more.pop("wants_agent_since", NOW)
    return add_conversation(owner, acme, wants_agent=True, wants_agent_since=since, **more)


def customer_writes(database, owner, conversation_id, *, at):
    tenant_id, customer_id, channel, account_id = owner.execute(
        "SELECT tenant_id, customer_id::text, channel, account_id FROM conversation WHERE id = %s", (conversation_id,)
    ).fetchone()
    with database.tenant_transaction(tenant_id) as conn:
        arrival = Arrival(channel=channel, account_id=account_id, sent_at=at, opens=True)
        found = place_customer(conn, tenant_id, customer_id, arrival)
    assert found.conversation_id == conversation_id


def test_sixteen_who_claim_at_once_get_different_conversations(app_url, owner, tenant_ids, acme):
    people = [add_agent(owner, acme) for _ in range(16)]
    mine = {add_conversation(owner, acme) for _ in range(100)}
    add_conversation(owner, tenant_ids["other"])
    database = Database(app_url, pool_size=16, wait_s=30)

    def claim_all(user_id):
        got = []
        while True:
            with database.tenant_transaction(acme) as conn:
                lock_agent(conn, acme, user_id)
                claimed = claim_next(conn, acme, queue="support", user_id=user_id, actor=Actor(user_id=user_id))
            if claimed is None:
                return got
            got.append(claimed)

    with ThreadPoolExecutor(16) as pool:
        taken = list(pool.map(claim_all, people))
    database.close()
    every = [one for got in taken for one in got]
    assert len(every) == 100 and set(every) == mine
    assert all(field(owner, one, "assignee_id") == person for person, got in zip(people, taken) for one in got)
    assert owner.execute("SELECT count(*) FROM conversation_event WHERE kind = 'claimed'").fetchone() == (100,)


def test_within_a_priority_what_is_due_first_comes_first(database, owner, acme, assign):
    none = add_conversation(owner, acme, priority="P2", minutes_ago=900)
    soon = add_conversation(owner, acme, priority="P2", minutes_ago=5)
    late = add_conversation(owner, acme, priority="P2", minutes_ago=3)
    later = add_conversation(owner, acme, priority="P2", minutes_ago=500)
    answered = add_conversation(owner, acme, priority="P2", minutes_ago=400)
    paused = add_conversation(owner, acme, priority="P2", minutes_ago=300)
    less = add_conversation(owner, acme, priority="P3", minutes_ago=300)
    add_clock(owner, acme, soon, due_in_min=2)
    add_clock(owner, acme, late, due_in_min=-10, state="breached")
    add_clock(owner, acme, later, due_in_min=100)
    add_clock(owner, acme, answered, due_in_min=-50, state="met", ended_at=NOW)
    add_clock(owner, acme, paused, due_in_min=-40, state="paused")
    add_clock(owner, acme, less, due_in_min=-600, state="breached")
    right = [late, soon, later, none, answered, paused, less]
    user_id = add_agent(owner, acme, capacity=0)
    got = []
    for _ in right:
        with database.tenant_transaction(acme) as conn:
            got.append(claim_next(conn, acme, queue="support", user_id=user_id, actor=Actor(user_id=user_id)))
    assert got == right
    owner.execute("UPDATE conversation SET assignee_id = NULL, wants_agent = true, wants_agent_since = now()")
    owner.execute("UPDATE agent SET capacity = 1")
    assert assign() == 1
    assert owner.execute("SELECT id::text FROM conversation WHERE assignee_id IS NOT NULL").fetchall() == [(late,)]


def test_the_next_one_is_by_priority_then_by_who_waits_longest(database, owner, acme):
    late = add_conversation(owner, acme, priority="P2", minutes_ago=5)
    calm = add_conversation(owner, acme, priority="P3", minutes_ago=500)
    early = add_conversation(owner, acme, priority="P2", minutes_ago=50)
    add_conversation(owner, acme, priority="P1", queue="sales")
    add_conversation(owner, acme, priority="P1", snoozed_until=NOW + timedelta(hours=1))
    add_conversation(owner, acme, priority="P1", state="resolved")
    user_id = add_agent(owner, acme)
    got = []
    for _ in range(4):
        with database.tenant_transaction(acme) as conn:
            got.append(claim_next(conn, acme, queue="support", user_id=user_id, actor=Actor(user_id=user_id)))
    assert got == [early, late, calm, None]


def test_conversations_are_shared_by_load_and_nobody_gets_more_than_fits(owner, acme, assign):
    small, big = add_agent(owner, acme, capacity=2), add_agent(owner, acme, capacity=4)
    ids = [wanting(owner, acme) for _ in range(9)]
    assert assign() == 6
    assert Counter(field(owner, one, "assignee_id") for one in ids) == {small: 2, big: 4, None: 3}
    # Somebody becomes free: one more is given, to that person.
    done = next(one for one in ids if field(owner, one, "assignee_id") == small)
    owner.execute("UPDATE conversation SET state = 'resolved' WHERE id = %s", (done,))
    assert assign() == 1
    assert assign() == 0


def test_rounds_at_once_beside_claims_stay_exact(app_url, owner, acme):
    people = [add_agent(owner, acme, capacity=3) for _ in range(6)]
    ids = [wanting(owner, acme) for _ in range(60)]
    for _ in range(12):
        add_conversation(owner, acme, queue="sales")
    database = Database(app_url, pool_size=16, wait_s=30)

    def round_or_claim(number):
        with database.tenant_transaction(acme) as conn:
            if number % 3:
                return run_round(conn, acme, config=AUTO, now=NOW)
            person = people[number % 6]
            lock_agent(conn, acme, person)
            return claim_next(conn, acme, queue="sales", user_id=person, actor=Actor(user_id=person))

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(round_or_claim, range(36)))
    with database.tenant_transaction(acme) as conn:
        run_round(conn, acme, config=AUTO, now=NOW)
    database.close()
    given = Counter(field(owner, one, "assignee_id") for one in ids)
    given.pop(None)
    claimed = Counter(
        dict(
            owner.execute(
                "SELECT assignee_id, count(*) FROM conversation WHERE queue = 'sales' AND assignee_id IS NOT NULL GROUP BY 1"
            ).fetchall()
        )
    )
    # People may take more than their capacity themselves; they are given nothing beyond it.
    assert all(given[one] + claimed[one] == 3 or (given[one] + claimed[one] > 3 and claimed[one] > 0) for one in people)
    assert (
        sum(given.values())
        == owner.execute("SELECT count(*) FROM conversation_event WHERE by_rule = 'auto_assign'").fetchone()[0]
    )


def test_the_skill_is_waited_for(owner, acme, assign):
    plain = add_agent(owner, acme)
    fresh = wanting(owner, acme, queue="senior", skill_wanted="senior")
    old = wanting(owner, acme, queue="senior", skill_wanted="senior", wants_agent_since=NOW - timedelta(minutes=6))
    assert assign() == 1
    assert (field(owner, fresh, "assignee_id"), field(owner, old, "assignee_id")) == (None, plain)
    senior = add_agent(owner, acme, skills=["senior"])
    assert assign() == 1 and field(owner, fresh, "assignee_id") == senior


def test_a_second_look_takes_no_wish_back_and_an_automation_does(database, owner, acme):
    one = wanting(owner, acme)
    for keeps in (True, False):
        with database.tenant_transaction(acme) as conn:
            want_agent(conn, one, Wish(wanted=False, keeps=keeps, skill=None, assignee=None))
        assert field(owner, one, "wants_agent") is keeps


def test_whom_an_action_names_is_preferred(owner, acme, assign):
    add_agent(owner, acme)
    named = add_agent(owner, acme, email="named@example.com", queues=["sales"])
    one = wanting(owner, acme, assignee_hint="Named@example.com")
    assert assign() == 1 and field(owner, one, "assignee_id") == named


def test_a_name_counts_for_one_assignment_and_a_transfer_ends_it(database, owner, acme, assign):
    named = add_agent(owner, acme, email="named@example.com")
    other = add_agent(owner, acme)
    one = wanting(owner, acme, assignee_hint="named@example.com")
    assign()
    assert (field(owner, one, "assignee_id"), field(owner, one, "assignee_hint")) == (named, None)
    with database.tenant_transaction(acme) as conn:
        item = lock_work_item(conn, acme, one)
        put_back(conn, acme, item, queue="sales", wants_agent=True, actor=Actor(user_id=named))
    assign()
    assert field(owner, one, "assignee_id") == other


def test_a_second_look_keeps_the_name_and_a_later_matter_forgets_it(database, owner, acme):
    one = wanting(owner, acme)
    with database.tenant_transaction(acme) as conn:
        want_agent(conn, one, Wish(wanted=True, keeps=True, skill=None, assignee="named@example.com"))
        want_agent(conn, one, Wish(wanted=False, keeps=True, skill=None, assignee=None))
    assert field(owner, one, "assignee_hint") == "named@example.com"
    owner.execute("UPDATE conversation SET wants_agent = false")
    with database.tenant_transaction(acme) as conn:
        want_agent(conn, one, Wish(wanted=True, keeps=True, skill=None, assignee=None))
    assert field(owner, one, "assignee_hint") is None


def test_a_second_look_keeps_the_skill_that_was_asked_for(database, owner, acme):
    one = wanting(owner, acme, skill_wanted="b2b")
    with database.tenant_transaction(acme) as conn:
        want_agent(conn, one, Wish(wanted=False, keeps=True, skill="senior", assignee=None))
    assert field(owner, one, "skill_wanted") == "b2b"
    with database.tenant_transaction(acme) as conn:
        want_agent(conn, one, Wish(wanted=True, keeps=True, skill="senior", assignee=None))
    assert field(owner, one, "skill_wanted") == "senior"


def test_only_people_who_are_there_are_given_anything(owner, acme, tenant_ids, assign):
    add_agent(owner, acme, presence="away")
    add_agent(owner, acme, seen=NOW - timedelta(minutes=11))
    add_agent(owner, acme, disabled=True)
    add_agent(owner, acme, role="auditor")
    add_agent(owner, tenant_ids["other"])
    gone = add_agent(owner, acme)
    owner.execute("DELETE FROM membership WHERE user_id = %s", (gone,))
    one = wanting(owner, acme)
    assert assign() == 0 and field(owner, one, "assignee_id") is None


@pytest.mark.parametrize("how", ["silent", "disabled", "without a role"])
def test_what_customers_wait_for_comes_back_from_an_agent_who_vanished(database, owner, acme, assign, how):
    gone = add_agent(owner, acme, seen=NOW - timedelta(minutes=11) if how == "silent" else NOW)
    had = {"assignee_id": gone, "assigned_at": NOW - timedelta(minutes=30)}
    waits = [add_conversation(owner, acme, queue="sales", **had) for _ in range(2)]
    answered = add_conversation(owner, acme, queue="sales", last_human_answer_at=NOW - timedelta(minutes=1), **had)
    asleep = add_conversation(owner, acme, queue="sales", snoozed_until=NOW + timedelta(hours=1), **had)
    if how == "disabled":
        owner.execute("UPDATE app_user SET disabled_at = now() WHERE id = %s", (gone,))
    if how == "without a role":
        owner.execute("DELETE FROM membership WHERE user_id = %s", (gone,))
    assign()
    assert [field(owner, one, "assignee_id") for one in waits] == [None, None]
    assert [field(owner, one, "queue") for one in waits] == ["sales", "sales"]
    assert field(owner, answered, "assignee_id") == gone and field(owner, asleep, "assignee_id") == gone
    assert events(owner, waits[0]) == ["returned"]
    (alert,) = owner.execute("SELECT kind, details FROM alert").fetchall()
    assert alert == ("agent_vanished", {"user_id": gone, "conversations": 2})
    # The customer answers: now it is waited for too. The absence is the same, so it is told once.
    customer_writes(database, owner, answered, at=NOW)
    assign()
    assert field(owner, answered, "assignee_id") is None
    assert owner.execute("SELECT count(*) FROM alert").fetchone() == (1,)


def test_what_comes_back_to_a_queue_that_is_assigned_goes_to_somebody_else(owner, acme, assign):
    gone = add_agent(owner, acme, seen=NOW - timedelta(hours=1))
    there = add_agent(owner, acme)
    one = add_conversation(owner, acme, assignee_id=gone, assigned_at=NOW - timedelta(hours=1))
    assert assign() == 1
    assert field(owner, one, "assignee_id") == there
    assert events(owner, one) == ["returned", "assigned"]
    assert owner.execute("SELECT presence FROM agent WHERE user_id = %s", (gone,)).fetchone() == ("offline",)


def test_somebody_who_was_just_given_work_has_not_vanished(owner, acme, assign):
    never_seen = add_agent(owner, acme, seen=None, presence="offline")
    one = add_conversation(owner, acme, queue="sales", assignee_id=never_seen, assigned_at=NOW)
    assign()
    assert field(owner, one, "assignee_id") == never_seen
    assign(now=NOW + timedelta(minutes=11))
    assert field(owner, one, "assignee_id") is None


def test_a_snooze_ends_by_time_or_by_the_customer(database, owner, acme, assign):
    user_id = add_agent(owner, acme)
    by_time, by_customer = add_conversation(owner, acme, queue="sales"), add_conversation(owner, acme, queue="sales")
    for one in (by_time, by_customer):
        with database.tenant_transaction(acme) as conn:
            item = lock_work_item(conn, acme, one)
            snooze_item(conn, acme, item, until=NOW + timedelta(hours=1), actor=Actor(user_id=user_id))
    assign()
    assert field(owner, by_time, "snoozed_until") is not None
    customer_writes(database, owner, by_customer, at=NOW)
    assert field(owner, by_customer, "snoozed_until") is None
    assert events(owner, by_customer) == ["snoozed", "woken"]
    assign(now=NOW + timedelta(hours=1))
    assert field(owner, by_time, "snoozed_until") is None and events(owner, by_time) == ["snoozed", "woken"]


@pytest.mark.parametrize(
    ("hours_later", "presence", "is_kept"), [(1, "available", True), (25, "available", False), (1, "offline", False)]
)
def test_a_customer_who_comes_back_finds_the_same_person_if_they_are_there(
    database, owner, acme, hours_later, presence, is_kept
):
    user_id = add_agent(owner, acme, presence=presence)
    one = add_conversation(owner, acme)
    with database.tenant_transaction(acme) as conn:
        give(
            conn,
            acme,
            lock_work_item(conn, acme, one),
            user_id=user_id,
            because="claimed",
            actor=Actor(user_id=user_id),
        )
        resolve_item(conn, acme, lock_work_item(conn, acme, one), actor=Actor(user_id=user_id))
    assert field(owner, one, "state") == "resolved" and field(owner, one, "resolved_by") == f"user:{user_id}"
    customer_writes(database, owner, one, at=NOW + timedelta(hours=hours_later))
    assert field(owner, one, "state") == "open"
    assert field(owner, one, "assignee_id") == (user_id if is_kept else None)
    assert events(owner, one) == ["claimed", "resolved", "reopened"]
    assert (field(owner, one, "reopened"), field(owner, one, "resolved_at")) == (1, None)
    assert field(owner, one, "waiting_since") == NOW + timedelta(hours=hours_later)


def test_an_automation_that_closes_is_on_record(database, owner, acme):
    one = add_conversation(owner, acme)
    with database.tenant_transaction(acme) as conn:
        close_conversation(conn, one)
        close_conversation(conn, one)
    assert events(owner, one) == ["resolved"] and field(owner, one, "resolved_by") == "rule"


def test_waiting_counts_from_the_first_unanswered_message(database, owner, acme):
    one = add_conversation(owner, acme, minutes_ago=10)
    customer_writes(database, owner, one, at=NOW - timedelta(minutes=5))
    assert field(owner, one, "waiting_since") == NOW - timedelta(minutes=10)
    customer_writes(database, owner, one, at=NOW - timedelta(minutes=12))
    assert field(owner, one, "waiting_since") == NOW - timedelta(minutes=12)
    owner.execute("UPDATE conversation SET last_human_answer_at = %s WHERE id = %s", (NOW - timedelta(minutes=4), one))
    customer_writes(database, owner, one, at=NOW - timedelta(minutes=1))
    assert field(owner, one, "waiting_since") == NOW - timedelta(minutes=1)


def test_conversations_that_become_one_keep_person_snooze_and_record(database, owner, acme):
    person = add_person(owner, acme)
    older, newer = add_conversation(owner, acme, minutes_ago=3), add_conversation(owner, acme, minutes_ago=30)
    until = NOW + timedelta(hours=2)
    with database.tenant_transaction(acme) as conn:
        give(
            conn,
            acme,
            lock_work_item(conn, acme, newer),
            user_id=person,
            because="claimed",
            actor=Actor(user_id=person),
        )
        for one in (older, newer):
            snooze_item(conn, acme, lock_work_item(conn, acme, one), until=until, actor=Actor(user_id=person))
    customers = [field(owner, one, "customer_id::text") for one in (older, newer)]
    with database.tenant_transaction(acme) as conn:
        merge_customers(conn, acme, *customers)
    assert owner.execute("SELECT id::text FROM conversation").fetchall() == [(older,)]
    assert field(owner, older, "assignee_id") == person and field(owner, older, "snoozed_until") == until
    assert field(owner, older, "waiting_since") == NOW - timedelta(minutes=30)
    assert sorted(events(owner, older)) == ["claimed", "snoozed", "snoozed"]


def test_an_open_conversation_wakes_the_sleeping_one_it_is_merged_with(database, owner, acme):
    older = add_conversation(owner, acme, snoozed_until=NOW + timedelta(hours=2))
    newer = add_conversation(owner, acme)
    customers = [field(owner, one, "customer_id::text") for one in (older, newer)]
    with database.tenant_transaction(acme) as conn:
        merge_customers(conn, acme, *customers)
    assert field(owner, older, "snoozed_until") is None


@pytest.mark.parametrize(
    ("work", "found"),
    [
        ({"wants_agent": True}, True),
        ({"snoozed_until": NOW - timedelta(minutes=1)}, True),
        ({"assignee_id": 1}, True),
        ({"snoozed_until": NOW + timedelta(hours=1)}, False),
        ({"state": "resolved", "assignee_id": 1}, False),
        ({}, False),
    ],
    ids=["wanted", "slept enough", "given", "sleeps on", "over", "lies in a queue"],
)
def test_only_tenants_with_something_to_give_out_are_visited(database, owner, acme, work, found):
    add_conversation(owner, acme, **work)
    with database.system_transaction() as conn:
        assert list_tenants_with_assignments(conn) == ([acme] if found else [])


def test_a_tenant_whose_people_are_at_work_is_visited_to_see_who_vanishes(database, owner, acme, tenant_ids):
    add_agent(owner, acme)
    add_agent(owner, tenant_ids["other"], presence="offline")
    with database.system_transaction() as conn:
        assert list_tenants_with_assignments(conn) == [acme]


def test_the_log_can_only_grow(database, owner, acme):
    one = add_conversation(owner, acme)
    with database.tenant_transaction(acme) as conn:
        close_conversation(conn, one)
    for statement in ("DELETE FROM conversation_event", "UPDATE conversation_event SET kind = 'claimed'"):
        with pytest.raises(Exception, match="sqlstate_42501"), database.tenant_transaction(acme) as conn:
            conn.execute(statement)
