"""What an on-call person can see: gauges of what waits, and what `earshot doctor` finds wrong."""

from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import REGISTRY

from store.alerts import NewAlert, raise_alert
from store.health import list_findings
from tests.integration.workplace import add_agent, add_clock, add_conversation
from worker import upkeep_tasks
from worker.measuring import measure

NOW = datetime.now(UTC)


def value(name, **labels):
    return REGISTRY.get_sample_value(name, labels)


def problems(database):
    with database.system_transaction() as conn:
        return [(one.subject, one.problem) for one in list_findings(conn)]


@pytest.fixture
def acme(tenant_ids):
    return tenant_ids["acme"]


@pytest.fixture
def add_action(owner, acme):
    def add(state, *, minutes_ago=0, **columns):
        (action_id,) = owner.execute(
            """
            INSERT INTO action (tenant_id, conversation_id, customer_id, message_id, channel, kind, idempotency_key, state,
                                created_at, next_at)
            VALUES (%s, uuidv7(), uuidv7(), uuidv7(), 'whatsapp', 'send_refund_form', uuidv7()::text, %s, %s, %s)
            RETURNING id::text
            """,
            (acme, state, *[datetime.now(UTC) - timedelta(minutes=minutes_ago)] * 2),
        ).fetchone()
        for name, given in columns.items():
            owner.execute(f"UPDATE action SET {name} = %s WHERE id = %s", (given, action_id))
        return action_id

    return add


def test_actions_are_counted_by_what_they_wait_for(deps, add_action):
    add_action("pending", minutes_ago=3)
    add_action("pending", needs_approval=True, next_at=NOW + timedelta(hours=20))
    add_action("sending")
    add_action("uncertain", minutes_ago=11)
    add_action("uncertain", minutes_ago=1)
    add_action("sent", minutes_ago=90)
    measure(deps)
    counted = [
        value("earshot_open_actions", state=state) for state in ("pending", "awaiting_approval", "sending", "uncertain")
    ]
    assert counted == [1, 1, 1, 2]
    assert value("earshot_uncertain_sends_to_settle") == 1
    assert 170 < value("earshot_action_overdue_seconds") < 240


def test_messages_that_wait_for_the_provider_a_budget_or_a_key_are_counted_by_what_they_wait_for(
    deps, owner, acme, tenant_ids
):
    def add(tenant_id, code, *, state="minimized", kind="initial"):
        owner.execute(
            "INSERT INTO run (tenant_id, message_id, kind, state, error_code) VALUES (%s, uuidv7(), %s, %s, %s)",
            (tenant_id, kind, state, code),
        )

    add(acme, "provider_paused")
    add(tenant_ids["other"], "provider_paused", kind="reanalyze")
    add(acme, "budget_reached")
    add(acme, "overloaded_529")
    add(acme, "provider_paused", state="dead")
    measure(deps)
    counted = {code: value("earshot_waiting_runs", because=code) for code in ("provider_paused", "budget_reached")}
    assert counted == {"provider_paused": 2, "budget_reached": 1}
    assert value("earshot_waiting_runs", because="no_analyzer") == 0


def test_who_waits_in_a_conversation_that_nobody_has_is_counted_by_queue_for_all_tenants(deps, owner, acme, tenant_ids):
    add_conversation(owner, acme, queue="senior", minutes_ago=30)
    add_conversation(owner, tenant_ids["other"], queue="senior", minutes_ago=50)
    add_conversation(owner, acme, queue="senior", minutes_ago=90, assignee_id=add_agent(owner, acme))
    add_conversation(owner, acme, queue="senior", minutes_ago=95, snoozed_until=NOW + timedelta(hours=1))
    add_conversation(owner, acme, queue="senior", minutes_ago=99, state="resolved")
    add_conversation(owner, acme, queue="support", minutes_ago=70, last_human_answer_at=NOW)
    measure(deps)
    assert value("earshot_unassigned_conversations", queue="senior") == 2
    assert 2990 < value("earshot_oldest_unassigned_wait_seconds", queue="senior") < 3100
    assert value("earshot_unassigned_conversations", queue="support") == 1
    assert value("earshot_oldest_unassigned_wait_seconds", queue="support") == 0
    assert value("earshot_unassigned_conversations", queue="sales") == 0


def add_delivery(owner, acme, *, state, error_code, minutes_ago=0, target="pager"):
    (target_id,) = owner.execute(
        """
        INSERT INTO alert_target (tenant_id, name, service, url, config) VALUES (%s, %s, 'json', '', '{}')
        ON CONFLICT (tenant_id, name) DO UPDATE SET service = 'json' RETURNING id
        """,
        (acme, target),
    ).fetchone()
    (alert_id,) = owner.execute(
        "INSERT INTO alert (tenant_id, kind, key, announced_at) VALUES (%s, 'churn', uuidv7()::text, now()) RETURNING id",
        (acme,),
    ).fetchone()
    owner.execute(
        """
        INSERT INTO alert_delivery (tenant_id, alert_id, target_id, announcement, state, error_code, created_at, settled_at)
        VALUES (%s, %s, %s, 1, %s, %s, %s, CASE WHEN %s = 'failed' THEN now() END)
        """,
        (acme, alert_id, target_id, state, error_code, datetime.now(UTC) - timedelta(minutes=minutes_ago), state),
    )
    return target_id


def test_alerts_that_do_not_leave_are_counted_and_their_target_is_named(deps, owner, acme, database):
    assert problems(database) == []
    add_delivery(owner, acme, state="pending", error_code="not_accepted", minutes_ago=20)
    target_id = add_delivery(owner, acme, state="failed", error_code="not_accepted", minutes_ago=30)
    measure(deps)
    counted = [value("earshot_open_alert_deliveries", state=state) for state in ("waiting", "retrying", "failed")]
    assert counted == [1, 1, 1]
    assert 1190 < value("earshot_oldest_untold_alert_age_seconds") < 1260
    assert problems(database) == [
        ("acme", "the alert target pager takes no alerts (2 wait or were given up: not_accepted)")
    ]
    owner.execute("UPDATE alert_target SET sent_at = now() + interval '1 s' WHERE id = %s", (target_id,))
    assert problems(database) == []


@pytest.mark.parametrize("what", ["alert", "clock", "breach", "action", "send"])
def test_upkeep_that_nobody_does_is_a_finding(owner, acme, database, add_action, what):
    if what == "alert":
        with database.tenant_transaction(acme) as conn:
            raise_alert(conn, acme, NewAlert("churn", "churn:1"))
        owner.execute("UPDATE alert SET created_at = now() - interval '5 minutes'")
    elif what == "clock":
        owner.execute(
            "INSERT INTO stale_clock VALUES (%s, %s, now() - interval '5 minutes')",
            (add_conversation(owner, acme), acme),
        )
    elif what == "breach":
        add_clock(owner, acme, add_conversation(owner, acme), due_in_min=-5)
    elif what == "action":
        add_action("pending", minutes_ago=5)
    else:
        add_action("sending", lease_until=NOW - timedelta(minutes=5))
    assert problems(database) == [("workers", "upkeep is behind by 5 minutes: alerts, clocks or sends wait")]


def test_what_waits_for_its_time_is_no_finding(database, add_action):
    add_action("pending", minutes_ago=300, needs_approval=True, next_at=NOW + timedelta(hours=19))
    add_action("sending", lease_until=NOW + timedelta(minutes=1))
    add_action("uncertain", minutes_ago=1)
    assert problems(database) == []


def test_each_task_of_the_beats_says_when_it_last_ended_well(deps, monkeypatch):
    monkeypatch.setattr(upkeep_tasks, "deps", lambda: deps)
    upkeep_tasks.measure()
    assert abs(value("earshot_last_upkeep_timestamp_seconds", task="measure") - datetime.now(UTC).timestamp()) < 20
