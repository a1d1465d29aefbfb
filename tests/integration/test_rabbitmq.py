"""RabbitMQ as the broker, on a real node: what waits there survives, what is lost is noticed, and nobody waits for it for ever."""

import os
import signal
import subprocess
import sys
import time

import psycopg
import pytest
from amqp.exceptions import NotFound
from kombu.exceptions import OperationalError

from cli import doctor_surroundings
from store.db import StoreError
from tests.conftest import ROOT, TEST_KEY
from tests.other_broker import speaking_to
from tests.waiting import wait_until
from tests.webhooks import whatsapp_body, whatsapp_message
from worker import amqp_transport, broker_queues, reconcile
from worker.app import app
from worker.pipeline import start
from worker.retry_policy import reconciler_in_s, retry_in_s
from worker.roles import worker_arguments


@pytest.fixture
def mq(rabbitmq, broker):
    """This process's Celery application speaks to RabbitMQ, whose queues are there and empty."""
    with speaking_to(rabbitmq.url):
        broker_queues.count_waiting()
        with rabbitmq.connect() as connection:
            for queue in broker_queues.QUEUES:
                connection.default_channel.queue_purge(queue)
        yield rabbitmq


@pytest.fixture
def worker(mq, app_url, servers):
    """Starts a worker of a role; all are gone after the test. No beat: what comes back comes from the broker."""
    running = []
    environ = {
        **os.environ,
        "DATABASE_URL": app_url,
        "REDIS_URL": servers[1],
        "BROKER_URL": mq.url,
        "EARSHOT_KEYS": TEST_KEY,
        "LOG_LEVEL": "ERROR",
    }

    def begin(role):
        command = [sys.executable, "-m", "celery", *worker_arguments(role)]
        running.append(subprocess.Popen(command, cwd=ROOT, env=environ))
        return running[-1]

    yield begin
    for process in running:
        process.kill()
        process.wait()


def message():
    return whatsapp_body(whatsapp_message("Where is my order?"))


def test_what_waits_survives_a_kill_of_the_node(mq, receive):
    refs = [receive(message())[0] for _ in range(5)]
    for ref in refs:
        start(ref)
    assert broker_queues.count_waiting()["minimize"] == 5
    mq.kill()
    with pytest.raises(OperationalError):
        broker_queues.count_waiting()
    mq.start()
    wait_until(lambda: broker_queues.count_waiting()["minimize"] == 5)  # once its leader is elected


def test_a_node_that_lost_its_data_is_noticed_once_and_everything_open_is_rung(mq, receive, deps, owner):
    (ref,) = receive(message())
    owner.execute("UPDATE run SET next_at = now() + interval '20 s'")
    start(ref)
    mq.kill()
    mq.lose_data()
    mq.start()
    reconcile.tick(deps)  # the connection that was kept is dead: said once, and tried anew a second later
    reconcile.tick(deps)
    reconcile.tick(deps)
    assert broker_queues.count_waiting()["minimize"] == 1
    assert owner.execute("SELECT rings FROM run").fetchone() == (1,)


def test_a_queue_that_somebody_deletes_is_made_again(mq):
    with mq.connect() as connection:
        connection.default_channel.queue_delete("route")
    assert broker_queues.count_waiting() is None
    assert broker_queues.count_waiting() == dict.fromkeys(broker_queues.QUEUES, 0)


def test_a_message_that_comes_back_too_often_is_dropped_and_its_row_rings_again(mq, receive, deps, owner):
    (ref,) = receive(message())
    start(ref)
    with mq.connect() as connection:
        given = 0
        while got := connection.default_channel.basic_get("minimize"):
            given += 1
            connection.default_channel.basic_reject(got.delivery_tag, requeue=True)
            assert given < 50
            time.sleep(0.02)
    assert given == 21
    owner.execute("UPDATE run SET next_at = now()")
    reconcile.tick(deps)
    assert broker_queues.count_waiting()["minimize"] == 1


def test_a_task_that_has_expired_is_not_delivered(mq):
    app.signature("earshot.notify", queue="maintenance", expires=0.5).apply_async()
    app.signature("earshot.place_messages", queue="maintenance").apply_async()
    time.sleep(1)
    with mq.connect() as connection:
        got = connection.default_channel.basic_get("maintenance", no_ack=True)
        assert got.headers["task"] == "earshot.place_messages"
        assert connection.default_channel.basic_get("maintenance") is None


def test_a_frozen_node_holds_nobody_for_ever(mq, receive, monkeypatch):
    monkeypatch.setattr(amqp_transport, "ANSWER_WITHIN_S", 0.5)
    (ref,) = receive(message())
    start(ref)
    patient = app.conf.broker_connection_timeout
    app.conf.broker_connection_timeout = 0.5
    mq.send(signal.SIGSTOP)
    try:
        began = time.monotonic()
        with pytest.raises(OperationalError):
            start(ref)
        with pytest.raises(OperationalError):
            broker_queues.count_waiting()
        assert time.monotonic() - began < 30
    finally:
        app.conf.broker_connection_timeout = patient
        mq.send(signal.SIGCONT)
    start(ref)


def test_nothing_is_held_back_by_a_worker(mq):
    error = StoreError("x", permanent=False)
    assert retry_in_s(error, retries=0, max_retries=5) is None
    assert reconciler_in_s(5.0) == 5.0  # nobody comes before it


def test_on_redis_a_worker_tries_first_and_the_reconciler_when_that_is_lost(broker):
    assert retry_in_s(StoreError("x", permanent=False), retries=0, max_retries=5) == 2.0
    assert reconciler_in_s(5.0) == 15.0


@pytest.mark.usefixtures("deps")
def test_a_killed_workers_messages_go_to_the_next_one_at_once(mq, worker, receive, owner, owner_database_url):
    refs = [receive(message())[0] for _ in range(4)]
    # Whoever works on them waits for this lock and has not acknowledged.
    with psycopg.connect(owner_database_url) as holder:
        holder.execute("SELECT FROM run FOR UPDATE")
        first = worker("stages")
        for ref in refs:
            start(ref)
        busy = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        wait_until(lambda: owner.execute(busy).fetchone() == (4,))
        assert broker_queues.count_waiting()["minimize"] == 0
        first.kill()
        first.wait()
        wait_until(lambda: broker_queues.count_waiting()["minimize"] == 4, timeout_s=10)
    worker("stages")
    wait_until(lambda: owner.execute("SELECT count(*) FROM run WHERE state = 'minimized'").fetchone() == (4,))
    with mq.connect() as connection, pytest.raises(NotFound):  # what Celery makes for countdowns
        connection.default_channel.queue_declare("celery_delayed_27", passive=True)


def test_doctor_names_what_is_wrong_with_it(mq):
    assert doctor_surroundings.list_broker_findings(mq.url) == []

    def told(url):
        (finding,) = doctor_surroundings.list_broker_findings(url)
        assert finding.subject == "broker" and "test" not in finding.problem
        return finding.problem

    assert "refuses the user" in told(mq.url.replace(":test@", ":wrong@"))
    assert "lacks the virtual host" in told(mq.url.removesuffix("//") + "/nowhere")
    assert "does not answer" in told("amqp://earshot:test@127.0.0.1:1//")
    with mq.connect() as connection:
        connection.default_channel.queue_delete("route")
        connection.default_channel.queue_declare("route", durable=True, auto_delete=False)
        assert "is of another kind" in told(mq.url)
        connection.default_channel.queue_delete("route")
