"""SLA clocks on a real database: what starts, stops and moves them, who is told, and that order and doubles change nothing."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from psycopg import sql

from store.conversation_events import Actor
from store.sla_alerts import MOST_SINGLE_ALERTS
from store.sla_clock_rows import LOOK_BACK
from store.sla_clocks import mark_clocks_stale, recompute_clocks
from store.work_items import get_work_item, reopen_item, resolve_item, snooze_item
from tests.integration.passes import run_all
from tests.waiting import wait_until
from tests.webhooks import whatsapp_body, whatsapp_echo, whatsapp_message, whatsapp_revocation
from worker import reconcile
from worker.provisional_reading import read_provisionally
from worker.sla_watch import watch_clocks

URGENT = "This is the third time the parcel is late. I want my money back!"
QUESTION = "What does the blue one cost?"
PRAISE = "Thank you so much, this is wonderful"


def ago(minutes):
    return str(int((datetime.now(UTC) - timedelta(minutes=minutes)).timestamp()))


def clocks(owner):
    return owner.execute(
        """
        SELECT kind, started_at, priority, state, met_at
        FROM sla_clock ORDER BY conversation_id, started_at, kind
        """
    ).fetchall()


def states(owner):
    return [(kind, state) for kind, _, _, state, _ in clocks(owner)]


def alerts(owner):
    return owner.execute(
        "SELECT kind, resolved_at IS NOT NULL FROM alert WHERE kind LIKE 'sla%' ORDER BY created_at, id"
    ).fetchall()


def echo(deps, receive, minutes_ago, **more):
    receive(whatsapp_echo("We look into it", timestamp=ago(minutes_ago), **more))
    reconcile.place_waiting(deps)


def write(deps, receive, text, minutes_ago, **more):
    (ref,) = receive(whatsapp_body(whatsapp_message(text, timestamp=ago(minutes_ago), **more)))
    run_all(deps, ref)
    return ref


def test_a_complaint_starts_its_clocks_at_the_providers_time_and_an_echo_stops_them(deps, receive, owner):
    write(deps, receive, URGENT, 10)
    assert states(owner) == [("first_answer", "running"), ("resolution", "running")]
    started, sent = owner.execute("SELECT c.started_at, m.sent_at FROM sla_clock c, message m LIMIT 1").fetchone()
    assert started == sent
    echo(deps, receive, 3)
    assert states(owner) == [("first_answer", "met"), ("resolution", "running")]
    assert alerts(owner) == []


def test_the_receivers_note_of_an_echo_is_enough_before_it_has_its_place(deps, receive, owner):
    write(deps, receive, URGENT, 20)
    receive(whatsapp_echo("We look into it", timestamp=ago(15)))
    watch_clocks(deps)
    assert states(owner)[0] == ("first_answer", "met")
    assert alerts(owner) == []


def test_praise_that_an_automation_answers_needs_no_clock(deps, receive, owner):
    write(deps, receive, PRAISE, 1)
    assert clocks(owner) == []


def test_clocks_run_while_the_model_is_away(deps, receive, owner):
    (ref,) = receive(whatsapp_body(whatsapp_message(URGENT, timestamp=ago(1))))
    read_provisionally(deps, ref)
    assert states(owner)[0] == ("first_answer", "running")
    run_all(deps, ref)
    assert [row[2] for row in clocks(owner)] == ["P1", "P1"]


def test_a_late_clock_is_told_once_and_the_alert_goes_when_it_is_answered(deps, receive, owner):
    write(deps, receive, URGENT, 20)
    for _ in range(3):
        watch_clocks(deps)
    assert alerts(owner) == [("sla_breach", False)]
    details = owner.execute("SELECT details FROM alert WHERE kind = 'sla_breach'").fetchone()[0]
    assert (details["clock"], details["priority"], details["queue"]) == ("first_answer", "P1", "senior")
    echo(deps, receive, 1)
    watch_clocks(deps)
    assert states(owner)[0] == ("first_answer", "breached")
    assert alerts(owner) == [("sla_breach", True)]


def test_an_answer_that_becomes_known_late_takes_the_breach_back(deps, receive, owner):
    write(deps, receive, URGENT, 20)
    watch_clocks(deps)
    echo(deps, receive, 12)
    watch_clocks(deps)
    assert states(owner)[0] == ("first_answer", "met")
    assert alerts(owner) == [("sla_breach", True)]


def test_a_warning_comes_before_the_breach_and_gives_way_to_it(deps, receive, owner):
    write(deps, receive, URGENT, 13)
    watch_clocks(deps)
    watch_clocks(deps)
    assert alerts(owner) == [("sla_warning", False)]
    owner.execute("UPDATE message SET sent_at = sent_at - interval '5 minutes'")
    owner.execute("INSERT INTO stale_clock (conversation_id, tenant_id) SELECT id, tenant_id FROM conversation")
    watch_clocks(deps)
    assert alerts(owner) == [("sla_warning", True), ("sla_breach", False)]


def test_an_echo_before_its_message_an_old_answer_and_doubles_end_in_the_same_clocks(deps, receive, owner):
    steps = {
        "first": lambda: write(deps, receive, QUESTION, 50, message_id="wamid.first"),
        "answer": lambda: echo(deps, receive, 40, message_id="wamid.answer"),
        "second": lambda: write(deps, receive, URGENT, 30, message_id="wamid.second"),
        "old answer": lambda: echo(deps, receive, 60, message_id="wamid.old"),
    }
    seen = set()
    for order in list(itertools.permutations(steps))[::3]:
        owner.execute("TRUNCATE message, message_key, conversation, customer, routing_decision, run, sla_clock CASCADE")
        for name in order:
            steps[name]()
        receive(whatsapp_body(whatsapp_message(QUESTION, timestamp=ago(50), message_id="wamid.first")))
        watch_clocks(deps)
        seen.add(tuple((kind, priority, state) for kind, _, priority, state, _ in clocks(owner)))
    (only,) = seen
    assert [(kind, state) for kind, _, state in only] == [
        ("first_answer", "met"),
        ("resolution", "running"),
        ("next_answer", "breached"),
    ]


def test_what_was_taken_back_waits_for_no_answer(deps, receive, owner):
    write(deps, receive, URGENT, 5, message_id="wamid.gone")
    receive(whatsapp_body(whatsapp_revocation("wamid.gone")))
    watch_clocks(deps)
    assert clocks(owner) == []


def test_a_breach_that_was_told_and_is_none_any_more_is_taken_back_and_the_next_one_is_told(deps, receive, owner):
    def told():
        return owner.execute(
            "SELECT state, breached_at IS NOT NULL FROM sla_clock WHERE kind = 'first_answer'"
        ).fetchall(), alerts(owner)

    write(deps, receive, URGENT, 20, message_id="wamid.first")
    write(deps, receive, URGENT, 10)
    watch_clocks(deps)
    assert told() == ([("breached", True)], [("sla_breach", False)])
    receive(whatsapp_body(whatsapp_revocation("wamid.first", timestamp=ago(8))))
    watch_clocks(deps)
    assert told() == ([("running", False)], [("sla_breach", True)])
    # One that an earlier release has left told though it runs, is put right by the next message.
    owner.execute("UPDATE sla_clock SET breached_at = now() WHERE kind = 'first_answer'")
    write(deps, receive, URGENT, 5)
    assert told()[0] == [("running", False)]
    owner.execute("UPDATE message SET sent_at = sent_at - interval '10 minutes'")
    mark_clocks_stale(owner, [str(one) for (one,) in owner.execute("SELECT id FROM conversation").fetchall()])
    watch_clocks(deps)
    assert told() == ([("breached", True)], [("sla_breach", True), ("sla_breach", False)])


def test_a_mark_that_is_set_while_clocks_are_computed_stays_for_the_next_time(deps, receive, owner, tenant_ids):
    write(deps, receive, URGENT, 5)
    (conversation_id,) = owner.execute("SELECT id::text FROM conversation").fetchone()
    tenant_id = tenant_ids["acme"]
    with deps.database.tenant_transaction(tenant_id) as conn:
        mark_clocks_stale(conn, [conversation_id])

    def compute():
        tenant = deps.tenants.get(tenant_id)
        with deps.database.tenant_transaction(tenant_id) as conn:
            recompute_clocks(conn, tenant_id, conversation_id, tenant=tenant)

    waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with ThreadPoolExecutor(1) as pool:
        with owner.transaction():
            owner.execute("UPDATE stale_clock SET marked_at = now()")
            computing = pool.submit(compute)
            wait_until(lambda: owner.execute(waits).fetchone()[0] > 0)
        computing.result(30)
    assert owner.execute("SELECT count(*) FROM stale_clock").fetchone() == (1,)
    compute()
    assert owner.execute("SELECT count(*) FROM stale_clock").fetchone() == (0,)


def test_a_clock_that_still_runs_is_kept_by_a_message_of_long_ago(deps, receive, owner, tenant_ids):
    """Months before those that are looked through for other clocks."""
    ref = write(deps, receive, URGENT, 5)
    aged = age_by_days(owner, ref, 2 * LOOK_BACK.days)
    began = [row[:3] for row in clocks(owner)]
    write(deps, receive, "And another thing", 1)
    assert [row[:3] for row in clocks(owner)] == began
    assert owner.execute("SELECT DISTINCT message_id::text FROM sla_clock WHERE kind = 'resolution'").fetchall() == [
        (aged,)
    ]
    echo(deps, receive, 0)
    (conversation_id,) = owner.execute("SELECT id::text FROM conversation").fetchone()
    owner.execute("UPDATE conversation SET state = 'resolved'")
    tenant = deps.tenants.get(tenant_ids["acme"])
    with deps.database.tenant_transaction(tenant_ids["acme"]) as conn:
        recompute_clocks(conn, tenant_ids["acme"], conversation_id, tenant=tenant)
    assert owner.execute("SELECT count(*) FROM sla_clock WHERE ended_at IS NULL").fetchone() == (0,)


def age_by_days(owner, ref, days):
    """As if the message, what was decided about it, and its clocks were so many days older. Returns the message's id."""
    owner.execute("SELECT ensure_month_partitions((now() - make_interval(days => %s))::date, 1)", (days,))
    sent_at, aged = owner.execute(
        "SELECT sent_at - make_interval(days => %s), uuid_floor(sent_at - make_interval(days => %s)) FROM message",
        (days, days),
    ).fetchone()
    for table in ("message_key", "routing_decision", "message_analysis", "sla_clock"):
        owner.execute(sql.SQL("UPDATE {} SET message_id = %s").format(sql.Identifier(table)), (aged,))
    owner.execute("UPDATE message SET id = %s, sent_at = %s, received_at = %s", (aged, sent_at, sent_at))
    owner.execute(
        """
        UPDATE sla_clock
        SET episode_at = episode_at - span.back, started_at = started_at - span.back, due_at = due_at - span.back,
            warn_at = warn_at - span.back
        FROM (SELECT make_interval(days => %s)) AS span (back)
        """,
        (days,),
    )
    owner.execute("UPDATE conversation SET routed_message_id = %s, routed_sent_at = %s", (aged, sent_at))
    return str(aged)


def test_resolving_ends_the_matter_and_opening_it_again_goes_on(deps, receive, owner, tenant_ids):
    write(deps, receive, URGENT, 5)
    echo(deps, receive, 3)

    def turn(state):
        owner.execute("UPDATE conversation SET state = %s", (state,))
        (conversation_id,) = owner.execute("SELECT id::text FROM conversation").fetchone()
        tenant = deps.tenants.get(tenant_ids["acme"])
        with deps.database.tenant_transaction(tenant_ids["acme"]) as conn:
            recompute_clocks(conn, tenant_ids["acme"], conversation_id, tenant=tenant)

    turn("resolved")
    turn("resolved")
    assert states(owner) == [("first_answer", "met"), ("resolution", "met")]
    turn("open")
    assert states(owner) == [("first_answer", "met"), ("resolution", "running")]
    assert owner.execute("SELECT by_hand FROM conversation_rest").fetchall() == [(True,)]


def test_an_agents_snooze_pauses_the_resolution_and_resolving_ends_it(deps, receive, owner, tenant_ids):
    write(deps, receive, URGENT, 5)
    (conversation_id,) = owner.execute("SELECT id::text FROM conversation").fetchone()
    actor, tenant_id = Actor(rule="test"), tenant_ids["acme"]

    def act(what, **more):
        with deps.database.tenant_transaction(tenant_id) as conn:
            what(conn, tenant_id, get_work_item(conn, tenant_id, conversation_id), actor=actor, **more)

    act(snooze_item, until=datetime.now(UTC) + timedelta(hours=1))
    watch_clocks(deps)
    assert states(owner) == [("first_answer", "running"), ("resolution", "paused")]
    act(resolve_item)
    act(reopen_item)
    act(resolve_item)
    watch_clocks(deps)
    assert states(owner) == [("first_answer", "cancelled"), ("resolution", "met")]


def test_looking_again_starts_no_clock(deps, receive, owner, tenant_ids):
    write(deps, receive, PRAISE, 5)
    owner.execute(
        """
        INSERT INTO routing_decision (tenant_id, message_id, run_id, priority, queue, rule, reasons, inputs, applied)
        SELECT tenant_id, message_id, uuidv7(), 'P1', 'senior', 'x', '{}', '{}', true FROM routing_decision LIMIT 1
        """
    )
    owner.execute("INSERT INTO stale_clock (conversation_id, tenant_id) SELECT id, tenant_id FROM conversation")
    watch_clocks(deps)
    assert clocks(owner) == []


def test_many_late_at_once_are_one_alert_that_counts(deps, receive, owner):
    customers = MOST_SINGLE_ALERTS + 5
    for number in range(customers):
        write(deps, receive, URGENT, 20, sender=f"9055511100{number:02}", message_id=f"wamid.{number}")
    watch_clocks(deps)
    watch_clocks(deps)
    assert alerts(owner) == [("sla_breach", False)]
    details = owner.execute("SELECT details FROM alert WHERE kind = 'sla_breach'").fetchone()[0]
    assert (details["summed"], details["clocks"], details["queues"]) == (True, customers, {"senior": customers})


def test_a_settled_clock_keeps_its_target_when_the_tenant_sets_another(deps, receive, owner, tenant_ids):
    write(deps, receive, URGENT, 10)
    echo(deps, receive, 3)
    config = deps.tenants.get(tenant_ids["acme"])
    stricter = config.model_copy(update={"sla": type(config.sla).model_validate({"P1": {"first_answer_min": 1}})})
    (conversation_id,) = owner.execute("SELECT id::text FROM conversation").fetchone()
    for other in (stricter, config.model_copy(update={"sla": type(config.sla)(enabled=False)})):
        with deps.database.tenant_transaction(tenant_ids["acme"]) as conn:
            recompute_clocks(conn, tenant_ids["acme"], conversation_id, tenant=other)
        assert owner.execute("SELECT target_min, state FROM sla_clock WHERE kind = 'first_answer'").fetchall() == [
            (15, "met")
        ]


def test_another_tenant_sees_no_clock(deps, receive, owner, tenant_ids):
    write(deps, receive, URGENT, 20)
    watch_clocks(deps)
    with deps.database.tenant_transaction(tenant_ids["other"]) as conn:
        for table in ("sla_clock", "stale_clock", "conversation_rest"):
            assert conn.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
    assert owner.execute("SELECT DISTINCT tenant_id FROM alert").fetchall() == [(tenant_ids["acme"],)]
