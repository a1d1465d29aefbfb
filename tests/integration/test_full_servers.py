"""Postgres without room, Redis without room, a month without its partition: nothing is acknowledged and lost, and work goes on after."""

from datetime import UTC, datetime

import pytest
import redis
from kombu.exceptions import OperationalError

from store.db import StoreError
from store.partitions import MONTHS_AHEAD, ensure_partitions
from store.server_health import list_server_findings
from tests.webhooks import signature, whatsapp_body, whatsapp_message
from worker import broker_queues, reconcile, steps
from worker.analyze_step import analyze
from worker.pipeline import start
from worker.stage import Next


def body():
    return whatsapp_body(whatsapp_message("Where is my order?"))


def post(client, sent):
    return client.post(
        "/webhooks/whatsapp", data=sent, headers={"X-Hub-Signature-256": signature(sent, "acme-secret")}
    ).status_code


@pytest.fixture
def fill_disk(owner):
    """Every write to the table fails as on a full disk, until it is called with False."""
    owner.execute(
        """
        CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$
        """
    )

    def fill(table, *, is_full=True):
        if is_full:
            owner.execute(
                f"CREATE TRIGGER no_room BEFORE INSERT OR UPDATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION no_room()"
            )
        else:
            owner.execute(f"DROP TRIGGER no_room ON {table}")

    return fill


def test_a_full_disk_answers_503_and_what_comes_again_is_taken(settings, start_receiver, fill_disk, owner):
    client, sent = start_receiver(settings), body()
    fill_disk("run")
    assert post(client, sent) == 503
    assert owner.execute("SELECT count(*) FROM message_key").fetchone() == (0,)
    fill_disk("run", is_full=False)
    assert post(client, sent) == 200
    assert owner.execute("SELECT count(*) FROM message").fetchone() == (1,)


def test_a_stage_on_a_full_disk_is_tried_again_and_not_parked(deps, receive, fill_disk, owner):
    (ref,) = receive(body())
    fill_disk("run")
    with pytest.raises(StoreError, match="sqlstate_53100") as caught:
        steps.minimize(deps, ref)
    assert not caught.value.permanent
    fill_disk("run", is_full=False)
    assert steps.minimize(deps, ref) is Next.GO_ON
    assert owner.execute("SELECT state FROM run").fetchone() == ("minimized",)


def test_a_redis_without_room_refuses_rings_and_keeps_nothing_from_working(deps, receive, broker, owner):
    (ref,) = receive(body())
    with redis.Redis.from_url(broker) as client:
        client.delete("minimize")
        client.set(broker_queues.MARK, "1")
        client.config_set("maxmemory", 1)
        try:
            with pytest.raises(OperationalError):
                start(ref)
            owner.execute("UPDATE run SET next_at = now()")
            reconcile.tick(deps)  # tells that the broker takes nothing, and comes again
            assert steps.minimize(deps, ref) is Next.GO_ON  # lanes and limits let everything through
            assert analyze(deps, ref) is Next.GO_ON
        finally:
            client.config_set("maxmemory", 0)
    owner.execute("UPDATE run SET next_at = now()")
    reconcile.tick(deps)
    assert broker_queues.count_waiting()["persist"] >= 1


def test_a_month_without_its_partition_takes_messages_and_later_months_are_still_made(deps, receive, database, owner):
    today = datetime.now(UTC).date()
    this_month, last_made = today.strftime("%Y%m"), None
    for parent in ("message", "message_raw", "message_analysis"):
        for (name,) in owner.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ %s", (f"^{parent}_[0-9]{{6}}$",)
        ).fetchall():
            last_made = max(last_made or name, name) if parent == "message" else last_made
            owner.execute(f"DROP TABLE {name}")
    (ref,) = receive(body())
    for stage in (steps.minimize, analyze, steps.persist):
        assert stage(deps, ref) is Next.GO_ON
    assert owner.execute("SELECT count(*) FROM message_default").fetchone() == (1,)
    assert owner.execute("SELECT count(*) FROM message_analysis_default").fetchone() == (1,)
    with database.system_transaction() as conn:
        # Not this month's, which has its rows elsewhere.
        assert ensure_partitions(conn, today=today) == 3 * (MONTHS_AHEAD + 1)
        assert ensure_partitions(conn, today=today) == 0
    assert owner.execute("SELECT to_regclass(%s)", (f"message_{this_month}",)).fetchone() == (None,)
    assert owner.execute("SELECT to_regclass(%s) IS NOT NULL", (last_made,)).fetchone() == (True,)
    with database.system_transaction() as conn:
        told = [one.problem for one in list_server_findings(conn, key_ids=["k1"], now=datetime.now(UTC))]
    assert "messages of a month without a partition lie in message_default" in told
