"""Webhooks while their worker is killed: each arrives at least once, always under its own id, and none is lost."""

import os
import random
import signal
import threading
import time
from collections import Counter

import pytest
import redis

from store.webhook_deliveries import list_deliveries
from tests.conftest import TEST_KEY
from tests.http_receiver import HttpReceiver
from tests.integration.webhook_desk import alarm, header, is_signed, subscribe
from worker.deps import build_deps
from worker.roles import worker_arguments


@pytest.fixture
def environ(app_url, servers):
    with redis.Redis.from_url(servers[1]) as client:
        client.flushall()
    return {
        **os.environ,
        "DATABASE_URL": app_url,
        "REDIS_URL": servers[1],
        "EARSHOT_KEYS": TEST_KEY,
        "ALLOW_PRIVATE_URLS": "true",
        "LOG_LEVEL": "ERROR",
    }


@pytest.fixture
def deps(settings):
    deps = build_deps(settings)
    yield deps
    deps.database.close()


@pytest.fixture
def endpoint():
    receiver = HttpReceiver()
    yield receiver
    receiver.stop()


def wait_until(condition, *, timeout_s, owner=None):
    """owner: meanwhile pauses and the leases of the dead pass."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        if owner:
            owner.execute("UPDATE webhook_delivery SET next_at = now() WHERE state = 'pending' AND next_at > now()")
            owner.execute("UPDATE webhook_subscription SET rests_until = '-infinity' WHERE rests_until > now()")
            # A turn that began 35 s ago is nobody's any more: 15 s of work and a call of 10 s at most.
            owner.execute(
                "UPDATE webhook_subscription SET busy_until = '-infinity' WHERE busy_until < now() + interval '57 s'"
            )
        time.sleep(0.1)


def test_a_worker_that_dies_between_the_call_and_the_note_leaves_it_to_be_told_again(
    deps, owner, tenant_ids, run, endpoint
):
    acme = tenant_ids["acme"]
    subscription_id, secret = subscribe(deps, acme, endpoint.url())
    is_dead = threading.Event()
    answer = endpoint.respond

    def wait_for_death(handler):
        if len(endpoint.received) == 1:
            is_dead.wait(60)
        answer(handler)

    endpoint.respond = wait_for_death
    worker = run(*worker_arguments("delivery"))
    alarm(deps, acme, 1)
    wait_until(lambda: endpoint.received, timeout_s=60)
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    is_dead.set()
    with deps.database.tenant_transaction(acme) as conn:
        assert [one.state for one in list_deliveries(conn, acme, subscription_id)] == ["pending"]
    run(*worker_arguments("delivery"))
    owner.execute("UPDATE webhook_subscription SET busy_until = '-infinity', rung_until = '-infinity'")
    wait_until(lambda: len(endpoint.received) == 2, timeout_s=60)
    assert len({header(got, "webhook-id") for got in endpoint.received}) == 1
    assert all(is_signed(got, secret) for got in endpoint.received)

    def is_noted():
        with deps.database.tenant_transaction(acme) as conn:
            return [(one.state, one.tries) for one in list_deliveries(conn, acme, subscription_id)] == [
                ("delivered", 2)
            ]

    wait_until(is_noted, timeout_s=10)


@pytest.mark.slow
def test_of_many_events_none_is_lost_while_workers_are_killed(deps, owner, tenant_ids, run, endpoint):
    acme, lot = tenant_ids["acme"], random.Random(11)
    taken = Counter()
    answer = endpoint.respond

    def moody(handler):
        mood = lot.random()
        if mood < 0.06:  # half of these have taken it and don't say so
            if mood < 0.03:
                taken[header_of(handler)] += 1
            handler.close_connection = True
            return
        time.sleep(0.02)
        taken[header_of(handler)] += 1
        answer(handler)

    def header_of(handler):
        return handler.headers["webhook-id"]

    endpoint.respond = moody
    subscribe(deps, acme, endpoint.url())
    for number in range(200):
        alarm(deps, acme, number)
    worker = run(*worker_arguments("delivery"))
    for kill in range(1, 4):
        wait_until(lambda count=kill * 40: len(taken) >= count, timeout_s=90, owner=owner)
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
        worker = run(*worker_arguments("delivery"))

    def is_over():
        return owner.execute("SELECT count(*) FROM webhook_delivery WHERE state <> 'delivered'").fetchone() == (0,)

    wait_until(is_over, timeout_s=120, owner=owner)
    ids = {str(one) for (one,) in owner.execute("SELECT id FROM webhook_delivery").fetchall()}
    assert set(taken) == ids and len(ids) == 200
    print(f"told more than once: {sum(count > 1 for count in taken.values())}")
