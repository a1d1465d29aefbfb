"""`earshot doctor` on servers, workers, keys, machine and environment: each trouble provoked, named, and with its fix."""

import json
from datetime import UTC, datetime, timedelta

import pytest
import redis

from cli import doctor_surroundings
from cli.connect import describe
from cli.doctor_surroundings import list_disk_findings, list_environment_findings
from cli.main import main
from store.db import StoreError
from store.server_health import list_server_findings
from worker import measuring


@pytest.fixture
def doctor(owner_database_url, broker, monkeypatch, tmp_path, capsys):
    """Findings by subject: [(problem, fix)]."""
    from tests.conftest import TEST_KEY

    monkeypatch.setenv("DATABASE_URL", owner_database_url)
    monkeypatch.setenv("REDIS_URL", broker)
    monkeypatch.setenv("EARSHOT_KEYS", TEST_KEY)
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    # Nobody works here, and asking takes seconds; one test does ask.
    monkeypatch.setattr("cli.doctor.list_worker_findings", lambda _: [])
    with redis.Redis.from_url(broker) as client:
        client.set(measuring.TICK_MARK, "1")

    def run():
        with pytest.raises(SystemExit) as ended:
            main(["doctor", "--json", "--data", str(tmp_path)])
        findings = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert ended.value.code == (1 if findings else 0)
        # The tests' own server writes without waiting, so that tests are quick: doctor says so, and it is right.
        return [
            (one["subject"], one["problem"], one["fix"]) for one in findings if "a crash loses" not in one["problem"]
        ]

    yield run
    with redis.Redis.from_url(broker) as client:
        client.delete(measuring.TICK_MARK)


def one(findings):
    assert len(findings) == 1, findings
    return findings[0]


def test_a_healthy_installation_has_no_findings(doctor):
    assert doctor() == []


def test_a_database_that_does_not_answer_is_a_finding(doctor, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://x:y@127.0.0.1:1/none")
    assert one(doctor())[:2] == (
        "database",
        "the database does not answer; is the stack running, and is DATABASE_URL right?",
    )


def test_migrations_that_are_missing_or_unknown_are_findings(doctor, owner):
    (last,) = owner.execute(
        "DELETE FROM schema_migration WHERE version = (SELECT max(version) FROM schema_migration) RETURNING version"
    ).fetchone()
    assert one(doctor()) == (
        "database",
        f"1 migrations are not applied, the first is {last:04}",
        "Run `earshot migrate`.",
    )
    owner.execute(
        "INSERT INTO schema_migration (version, name, checksum) VALUES (%s, 'x', 'x'), (9000, 'y', 'y')", (last,)
    )
    assert "migration 9000 is unknown here" in one(doctor())[1]


def test_a_database_without_a_schema_is_a_finding(doctor, owner):
    owner.execute("DROP TABLE schema_migration")
    assert one(doctor()) == ("database", "it has no schema yet", "Run `earshot migrate`.")


def test_a_role_of_processes_with_too_much_power_is_a_finding(doctor, owner, template):
    try:
        owner.execute(f"ALTER ROLE {template}_app BYPASSRLS")
        subject, problem, fix = one(doctor())
        assert "passes row-level security by" in problem and "earshot migrate" in fix
    finally:
        owner.execute(f"ALTER ROLE {template}_app NOBYPASSRLS")
    owner.execute(f"GRANT CREATE ON SCHEMA public TO {template}_app")
    owner.execute(f"CREATE TABLE mine (); ALTER TABLE mine OWNER TO {template}_app")
    assert "owns tables" in one(doctor())[1]
    owner.execute("DROP TABLE mine")


def test_settings_that_lose_acknowledged_messages_are_findings(database):
    with database.system_transaction() as conn:
        told = {
            one.problem.split()[0]
            for one in list_server_findings(conn, key_ids=["k1"], now=datetime.now(UTC))
            if "a crash" in one.problem
        }
        conn.execute("SHOW fsync")
    assert "fsync" in told  # the tests' own server


def test_clocks_that_differ_are_a_finding(database):
    with database.system_transaction() as conn:
        found = list_server_findings(conn, key_ids=["k1"], now=datetime.now(UTC) + timedelta(minutes=2))
    assert [one.problem for one in found if one.subject == "clock"] == [
        "this machine's clock and the database's differ by 120 s"
    ]


def test_a_full_database_is_a_finding(database, monkeypatch):
    monkeypatch.setattr("store.server_health.CONNECTIONS_SHARE", 0.0)
    with database.system_transaction() as conn:
        found = list_server_findings(conn, key_ids=["k1"], now=datetime.now(UTC))
    assert [one.fix for one in found if "connections are taken" in one.problem] == [
        "Raise max_connections, or lower DATABASE_POOL_SIZE or the number of workers."
    ]


def test_a_month_without_its_partition_is_a_finding(doctor, owner):
    month = (datetime.now(UTC).replace(day=1) + timedelta(days=32)).strftime("%Y%m")
    owner.execute(f"DROP TABLE message_raw_{month}")
    assert one(doctor())[1] == "next month's partition of message_raw is not there"


def test_secrets_under_an_old_or_a_lost_key_are_findings(doctor, monkeypatch):
    from tests.conftest import TEST_KEY

    newer = "k2:" + "QkJC" * 10 + "QkI="
    monkeypatch.setenv("EARSHOT_KEYS", f"{newer},{TEST_KEY}")
    subject, problem, fix = one(doctor())
    assert (
        "still sealed with the old key k1" in problem and "channel_account" in problem and "earshot rotate-keys" in fix
    )
    monkeypatch.setenv("EARSHOT_KEYS", newer)
    assert "sealed with the key k1, which EARSHOT_KEYS does not hold" in one(doctor())[1]


def test_a_broker_that_may_throw_tasks_away_or_is_nearly_full_is_a_finding(doctor, broker):
    with redis.Redis.from_url(broker) as client:
        try:
            client.config_set("maxmemory-policy", "allkeys-lru")
            assert "allkeys-lru" in one(doctor())[1]
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", client.info("memory")["used_memory"] + 100_000)
            assert "Raise maxmemory" in one(doctor())[2]
        finally:
            client.config_set("maxmemory", 0)
            client.config_set("maxmemory-policy", "noeviction")


def test_a_broker_that_does_not_answer_is_a_finding(doctor, monkeypatch):
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    assert one(doctor())[:2] == ("redis", "it does not answer (ConnectionError): messages are stored and wait")


def test_a_beat_that_is_gone_is_a_finding_and_what_it_rings_for_is_its_sign_of_life(doctor, broker, deps):
    with redis.Redis.from_url(broker) as client:
        client.delete(measuring.TICK_MARK)
        assert one(doctor())[0] == "beat"
        measuring.measure(deps)
        assert doctor() == [] and 0 < client.ttl(measuring.TICK_MARK) <= measuring.TICK_MARK_S


def test_a_role_that_nobody_serves_is_a_finding(broker):
    found = doctor_surroundings.list_worker_findings(broker)
    assert {one.problem.split()[5] for one in found} == {"stages", "analyze", "delivery", "crm"}
    assert "minimize_flood" in found[0].problem and "Procfile" in found[0].fix


def test_a_disk_that_is_nearly_full_is_a_finding_once(tmp_path, monkeypatch):
    assert list_disk_findings([tmp_path / "nowhere"]) == []
    monkeypatch.setattr(doctor_surroundings, "FREE_BYTES", 2**60)
    monkeypatch.setattr(doctor_surroundings, "FREE_SHARE", 1.0)
    (tmp_path / "data").mkdir()
    assert [one.subject for one in list_disk_findings([tmp_path, tmp_path / "data"])] == ["disk"]


def test_a_setting_that_is_none_is_a_finding():
    environ = {
        "ANTHROPIC_MODLE": "x",
        "EARSHOT_KEY": "x",
        "EARSHOT_NONSENSE": "1",
        "DATABASE_URL": "postgresql://x",
        "PATH": "x",
        "EARSHOT_KEYS_FILE": "x",
        "HOME": "x",
    }
    told = {one.problem.split()[3].rstrip(","): one.fix for one in list_environment_findings(environ)}
    assert (
        told["ANTHROPIC_MODLE"] == "Did you mean ANTHROPIC_MODEL?"
        and told["EARSHOT_KEY"] == "Did you mean EARSHOT_KEYS?"
    )
    assert set(told) == {"ANTHROPIC_MODLE", "EARSHOT_KEY", "EARSHOT_NONSENSE"}


def test_what_waits_is_lost_or_fails_is_a_finding(doctor, owner, tenant_ids):
    acme = tenant_ids["acme"]
    owner.execute(
        "INSERT INTO run (tenant_id, message_id, stage_since) VALUES (%s, uuidv7(), now() - interval '2 minutes')",
        (acme,),
    )
    owner.execute(
        "INSERT INTO hour_account SELECT %s, date_trunc('hour', now()), 3, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0",
        (acme,),
    )
    owner.execute(
        "INSERT INTO canary (tenant_id, channel, account_id, via, asks_model, sent_at) VALUES (%s, 'whatsapp', '1', 'receiver', false, now() - interval '10 minutes')",
        (acme,),
    )
    owner.execute(
        "INSERT INTO webhook_subscription (tenant_id, description, url, host, kinds, secret, failures, failing_since) "
        "VALUES (%s, '', '\\x01026b3100', 'hooks.acme.example', '{}', '\\x01026b3100', 9, now() - interval '1 hour')",
        (acme,),
    )
    told = {subject: problem for subject, problem, _ in doctor()}
    problems = [problem for _, problem, _ in doctor()]
    assert told["stage minimize"].startswith("1 messages wait for it longer than 60 s, the first for 2 minutes")
    assert any(problem.startswith("2 messages can't be accounted for") for problem in problems)
    assert any("came no further than sent" in problem for problem in problems)
    assert "the webhook to hooks.acme.example has failed 9 times in a row" in problems


def test_messages_that_wait_for_the_provider_are_not_blamed_on_workers(doctor, owner, tenant_ids):
    owner.execute(
        "INSERT INTO run (tenant_id, message_id, state, error_code, created_at, stage_since) "
        "VALUES (%s, uuidv7(), 'minimized', 'provider_paused', now() - interval '6 minutes', now() - interval '6 minutes')",
        (tenant_ids["acme"],),
    )
    told = {subject: fix for subject, _, fix in doctor()}
    assert set(told) == {"stage analyze", "acme"}
    assert all(fix.startswith("The AI provider fails or limits us") for fix in told.values())


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("sqlstate_25006", "the database can only be read: it is a replica that nobody has promoted"),
        ("sqlstate_53100", "the database's disk is full: give it room, it goes on by itself"),
        ("sqlstate_42501", "sqlstate_42501"),
    ],
)
def test_what_the_server_cannot_do_is_said_in_words(code, words):
    assert describe(StoreError(code, permanent=False)) == words
