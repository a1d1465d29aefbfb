"""Every message that was acknowledged is accounted for, and what was lost on purpose here is named: tenant, hour and number."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import REGISTRY

from cli.main import main
from console.app import create_app
from store.accounting import FATES, LOSSES, account_for, list_hours
from store.alerts import list_alerts
from store.runs import RunRef, bury
from store.stage_ages import LIMITS_S, list_stage_ages
from tests.conftest import TEST_KEY
from tests.integration.console_visitor import add_visitor, signed_in, words
from tests.integration.passes import run_all
from tests.webhooks import whatsapp_body, whatsapp_message
from worker import steps, upkeep_tasks
from worker.accounting import count_messages, windows

NOW = datetime.now(UTC)


@pytest.fixture
def acme(tenant_ids):
    return tenant_ids["acme"]


@pytest.fixture
def send(receive, times):
    """Messages of as many customers; returns their runs."""

    def deliver(number, *, text="Where is my order?", slug="acme", account="111000111"):
        items = [whatsapp_message(text, sender=f"9055510{n:05}", timestamp=next(times)) for n in range(number)]
        return receive(whatsapp_body(*items, account=account), slug=slug)

    return deliver


@pytest.fixture
def account(deps, acme):
    """Count, and return the account of this hour."""

    def count(tenant_id=acme):
        now = datetime.now(UTC)
        count_messages(deps, now=now)
        with deps.database.tenant_transaction(tenant_id) as conn:
            hours = list_hours(conn, tenant_id, since=now - timedelta(days=30), until=now + timedelta(hours=1))
        return hours[-1] if hours else None

    return count


@pytest.fixture
def open_alerts(deps, acme):
    def read(kind, tenant_id=acme):
        with deps.database.tenant_transaction(tenant_id) as conn:
            return [one.details for one in list_alerts(conn, tenant_id, kind=kind)]

    return read


def counts(one):
    """What is not 0, without the time."""
    return {name: value for name in ("received", *FATES, *LOSSES) if (value := getattr(one, name))}


def gauge(name, **labels):
    return REGISTRY.get_sample_value(name, labels)


def test_every_fate_of_a_message_stands_in_the_account_and_it_balances(
    deps, receive, send, account, owner, times, acme
):
    analyzed, parked, refused, erased, waiting = send(5)
    for ref in (analyzed, erased):
        run_all(deps, ref)
    owner.execute("UPDATE message SET state = 'erased', text = NULL WHERE id = %s", (erased.message_id,))
    with deps.database.tenant_transaction(acme) as conn:
        bury(conn, parked, error_code="poison")
    steps.minimize(deps, refused)
    owner.execute("UPDATE run SET state = 'persisted', outcome = 'unanalyzed' WHERE id = %s", (refused.run_id,))
    steps.route(deps, refused, now=datetime.now(UTC))
    steps.crm_sync(deps, refused)
    (silent,) = send(1, text="   ")
    run_all_without_text(deps, silent)
    told = account()
    assert counts(told) == {
        "received": 6, "analyzed": 1, "dead": 1, "unanalyzed": 1, "erased": 1, "in_flight": 1, "without_text": 1,
    }  # fmt: skip
    assert told.unaccounted == 0 and gauge("earshot_unaccounted_messages") == 0
    assert waiting.message_id


def run_all_without_text(deps, ref):
    steps.minimize(deps, ref)
    steps.route(deps, ref, now=datetime.now(UTC))
    steps.crm_sync(deps, ref)


def test_another_tenants_messages_are_not_in_the_account(deps, send, account, acme, tenant_ids):
    send(2)
    send(3, slug="other", account="222000222")
    assert account().received == 2 and account(tenant_ids["other"]).received == 3


DAMAGE = {
    "analysis_missing": "DELETE FROM message_analysis WHERE message_id = %s",
    "decision_missing": "DELETE FROM routing_decision WHERE message_id = %s",
    "message_missing": "DELETE FROM message WHERE id = %s",
}


@pytest.mark.parametrize("loss", DAMAGE)
def test_what_a_finished_message_left_is_missed_when_it_is_gone(deps, send, account, owner, open_alerts, loss, acme):
    refs = send(3)
    for ref in refs:
        run_all(deps, ref)
    assert counts(account()) == {"received": 3, "analyzed": 3}
    owner.execute(DAMAGE[loss], (refs[1].message_id,))
    told = account()
    assert counts(told) == {"received": 3, "analyzed": 2, loss: 1} and told.unaccounted == 1
    (alarm,) = open_alerts("accounting_imbalance")
    assert alarm == {"hour": told.hour.isoformat(), "messages": 1, loss: 1}
    assert gauge("earshot_unaccounted_messages") == 1


@pytest.mark.parametrize("state", ["received", "minimized"])
def test_an_unfinished_message_that_nobody_works_on_is_missed(deps, send, account, owner, open_alerts, state):
    refs = send(2)
    if state == "minimized":
        steps.minimize(deps, refs[0])
    owner.execute("DELETE FROM run WHERE id = %s", (refs[0].run_id,))
    assert counts(account()) == {"received": 2, "in_flight": 1, "run_missing": 1}
    assert [one["messages"] for one in open_alerts("accounting_imbalance")] == [1]


def test_a_message_of_which_every_trace_is_gone_is_missed_when_it_was_counted_before(deps, send, account, owner):
    refs = send(2)
    account()
    for table, column in (
        ("run", "message_id"),
        ("message", "id"),
        ("message_raw", "message_id"),
        ("message_key", "message_id"),
    ):
        owner.execute(f"DELETE FROM {table} WHERE {column} = %s", (refs[0].message_id,))
    for _ in range(2):
        assert counts(account()) == {"received": 2, "in_flight": 1, "message_missing": 1}


def test_an_alarm_is_one_for_its_hour_and_over_when_the_account_balances_again(send, account, owner, open_alerts, acme):
    refs = send(2)
    row = owner.execute("DELETE FROM run WHERE id = %s RETURNING tenant_id, message_id", (refs[0].run_id,)).fetchone()
    account()
    account()
    assert len(open_alerts("accounting_imbalance")) == 1
    owner.execute("INSERT INTO run (tenant_id, message_id) VALUES (%s, %s)", row)
    assert counts(account()) == {"received": 2, "in_flight": 2}
    assert open_alerts("accounting_imbalance") == [] and gauge("earshot_unaccounted_messages") == 0
    owner.execute("DELETE FROM run WHERE message_id = %s", (row[1],))
    owner.execute(
        "UPDATE alert SET key = key || '-before' WHERE kind = 'accounting_imbalance'"
    )  # a second within the same one
    account()
    assert len(open_alerts("accounting_imbalance")) == 1


def test_a_loss_in_an_older_hour_is_found_within_the_week_and_names_that_hour(
    deps, send, account, owner, open_alerts, acme
):
    (ref,) = send(1)
    then = datetime.now(UTC) - timedelta(days=3)
    age_message(owner, ref, then)
    fresh, _ = windows(datetime.now(UTC))
    assert then < fresh.since
    rounds = 7 * 24 // 6
    for minute in range(rounds):
        count_messages(deps, now=datetime.now(UTC) + timedelta(minutes=minute))
    (alarm,) = open_alerts("accounting_imbalance")
    assert alarm["hour"] == then.replace(minute=0, second=0, microsecond=0).isoformat()
    assert alarm["run_missing"] == 1


def age_message(owner, ref, then):
    """The message came at another time, and its run is lost."""
    (aged,) = owner.execute("SELECT uuid_floor(%s)", (then,)).fetchone()
    owner.execute("UPDATE message_key SET message_id = %s WHERE message_id = %s", (aged, ref.message_id))
    owner.execute("UPDATE message SET id = %s WHERE id = %s", (aged, ref.message_id))
    owner.execute("DELETE FROM run WHERE id = %s", (ref.run_id,))


def test_the_rounds_of_an_hour_look_at_every_hour_of_a_week():
    now = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
    fresh, _ = windows(now)
    seen = set()
    for minute in range(28):
        _, window = windows(now + timedelta(minutes=minute))
        seen |= {window.since + timedelta(hours=n) for n in range(6)}
        assert window.until - window.since == timedelta(hours=6)
    assert len(seen) == 7 * 24 and max(seen) == fresh.since - timedelta(hours=1)
    assert (fresh.since, fresh.until) == (datetime(2026, 3, 4, 4, tzinfo=UTC), datetime(2026, 3, 4, 6, tzinfo=UTC))


def test_a_month_that_retention_dropped_is_no_loss(deps, owner, acme):
    then = datetime(2026, 1, 10, 5, tzinfo=UTC)
    owner.execute(
        "INSERT INTO message_key (tenant_id, account_id, key, message_id) VALUES (%s, '111000111', '\\x01', uuid_floor(%s))",
        (acme, then),
    )
    owner.execute("INSERT INTO hour_account SELECT %s, %s, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0", (acme, then))
    with deps.database.tenant_transaction(acme) as conn:
        (counted,) = account_for(conn, acme, since=then, until=then + timedelta(hours=1))
    assert counts(counted) == {"received": 1, "expired": 1}


def test_work_that_stands_too_long_in_a_stage_is_told_with_its_reason(deps, send, account, owner, open_alerts, acme):
    refs = send(3)
    steps.minimize(deps, refs[0])
    steps.minimize(deps, refs[1])
    owner.execute(
        "UPDATE run SET stage_since = now() - interval '301 seconds', error_code = 'http_529' WHERE state = 'minimized'"
    )
    account()
    (alarm,) = open_alerts("work_stuck")
    assert alarm == {"stage": "analyze", "messages": 2, "limit_s": LIMITS_S["analyze"], "because": "http_529"}
    upkeep_tasks.measuring.measure(deps)
    assert (
        gauge("earshot_stage_late_runs", stage="analyze") == 2
        and gauge("earshot_stage_late_runs", stage="minimize") == 0
    )
    assert 300 < gauge("earshot_stage_oldest_age_seconds", stage="analyze") < 400
    owner.execute("DELETE FROM run WHERE state = 'minimized'")
    account()
    assert open_alerts("work_stuck") == []


def test_a_run_begins_to_wait_anew_in_each_stage(deps, send, owner, acme):
    (ref,) = send(1)
    owner.execute("UPDATE run SET stage_since = now() - interval '1 hour'")
    steps.minimize(deps, ref)
    with deps.database.tenant_transaction(acme) as conn:
        ages = {one.stage: one for one in list_stage_ages(conn, acme)}
    assert ages["analyze"].waiting == 1 and ages["analyze"].oldest_s < 60 and ages["minimize"].waiting == 0


@pytest.mark.parametrize("because", ["no_analyzer", "budget_reached"])
def test_a_wait_that_is_meant_is_no_alarm(deps, send, account, owner, open_alerts, because):
    send(1)
    owner.execute("UPDATE run SET stage_since = now() - interval '1 day', error_code = %s", (because,))
    account()
    assert open_alerts("work_stuck") == []


def test_a_burst_that_is_gathered_is_not_late(deps, send, account, owner, open_alerts):
    send(1)
    owner.execute("UPDATE run SET stage_since = now() - interval '1 day', gathers_until = now() + interval '1 minute'")
    account()
    assert open_alerts("work_stuck") == []


def test_one_tenants_trouble_does_not_keep_the_others_from_being_counted(
    deps, send, account, owner, tenant_ids, monkeypatch
):
    from store.db import StoreError
    from worker import accounting

    send(1)
    send(1, slug="other", account="222000222")
    count = accounting.count_tenant

    def count_all_but_acme(deps, tenant_id, *, now):
        if tenant_id == tenant_ids["acme"]:
            raise StoreError("sqlstate_57014", permanent=False)
        return count(deps, tenant_id, now=now)

    monkeypatch.setattr(accounting, "count_tenant", count_all_but_acme)
    assert account(tenant_ids["other"]).received == 1


def test_details_of_alarms_hold_numbers_and_our_own_words_only(send, account, owner, open_alerts):
    send(1, text="my secret words")
    owner.execute("DELETE FROM run")
    account()
    assert "secret" not in json.dumps(open_alerts("accounting_imbalance"))


@pytest.fixture
def command(owner_database_url, monkeypatch, tmp_path, capsys):
    """`earshot accounting`: exit code, and the rows or words it printed."""
    monkeypatch.setenv("DATABASE_URL", owner_database_url)
    monkeypatch.setenv("EARSHOT_KEYS", TEST_KEY)

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(["accounting", *arguments, "--data", str(tmp_path)])
        out = capsys.readouterr().out
        rows = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
        return ended.value.code, rows or out

    return run


def test_the_command_names_tenant_hour_and_number_and_fails_when_it_does_not_add_up(deps, send, command, owner):
    refs = send(2)
    run_all(deps, refs[0])
    code, (row,) = command("--json", "--recount", "--tenant", "acme")
    assert code == 0 and (row["tenant"], row["received"], row["analyzed"], row["in_flight"]) == ("acme", 2, 1, 1)
    assert "everything is accounted for" in command()[1]
    owner.execute("DELETE FROM run")
    code, (row,) = command("--json", "--recount")
    assert code == 1 and (row["run_missing"], row["unaccounted"]) == (1, 1)
    code, told = command()
    assert code == 1 and "1 messages can't be accounted for" in told


def test_messages_that_nobody_works_on_are_given_a_new_run_and_come_through(deps, send, command, owner):
    first, second, third = send(3)
    run_all(deps, first)
    steps.minimize(deps, second)
    owner.execute("DELETE FROM run")
    code, told = command("--restart-lost")
    assert code == 0 and "2 messages are worked on again" in told
    again = owner.execute("SELECT tenant_id, message_id::text, id::text, state FROM run ORDER BY message_id").fetchall()
    assert [(message_id, state) for _, message_id, _, state in again] == [
        (second.message_id, "minimized"), (third.message_id, "received"),
    ]  # fmt: skip
    run_all(deps, RunRef(*again[1][:3]))
    assert owner.execute("SELECT state FROM message WHERE id = %s", (third.message_id,)).fetchone() == ("done",)


@pytest.mark.parametrize("arguments", [("--hours", "0"), ("--hours", "x"), ("--hours", "9999")])
def test_wrong_hours_are_refused(command, arguments):
    assert command(*arguments)[0] == 2


def test_a_tenant_that_is_none_is_refused(command):
    assert command("--tenant", "nobody")[0] == 1


def test_the_page_says_whether_everything_is_accounted_for_and_shows_the_hour(
    deps, send, account, owner, settings, acme
):
    app = create_app({}, settings=settings)
    boss = signed_in(app, add_visitor(owner, acme, role="supervisor", email="boss@example.com"), tenant_id=acme)
    refs = send(2)
    run_all(deps, refs[0])
    account()
    assert "Everything is accounted for." in words(boss.get("/admin/accounting"))
    owner.execute("DELETE FROM run")
    owner.execute(
        "INSERT INTO canary (tenant_id, channel, account_id, via, asks_model) VALUES (%s, 'whatsapp', '1', 'inbox', true)",
        (acme,),
    )
    account()
    shown = words(boss.get("/admin/accounting"))
    assert "1 message cannot be accounted for." in shown and "not to the inbox" in shown
    app.extensions["database"].close()
