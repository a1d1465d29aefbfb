"""Queues and shared limits in Redis behind Sentinel: the master dies, and everybody goes on with the next one."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import redis
from kombu.exceptions import OperationalError

from cli.doctor_surroundings import list_redis_findings
from tests.conftest import ROOT, TEST_KEY
from tests.other_broker import speaking_to
from tests.sentinel import SentinelGroup
from tests.waiting import wait_until
from tests.webhooks import whatsapp_body, whatsapp_message
from worker import broker_queues
from worker.pipeline import start
from worker.rate_budget import Bucket, RateBudget
from worker.roles import worker_arguments
from worker.shared_redis import shared_redis


@pytest.fixture(scope="module")
def group():
    folder = Path(tempfile.mkdtemp(prefix="earshot-sentinel-", dir="/tmp"))
    group = SentinelGroup(folder)
    try:
        group.start()
        yield group
    finally:
        group.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def queues(group, broker):
    """This process's Celery application speaks to the master that the sentinels name."""
    with speaking_to(group.url):
        yield group


@pytest.fixture
def worker(group, app_url):
    environ = {
        **os.environ,
        "DATABASE_URL": app_url,
        "REDIS_URL": group.url,
        "EARSHOT_KEYS": TEST_KEY,
        "LOG_LEVEL": "ERROR",
    }
    process = subprocess.Popen([sys.executable, "-m", "celery", *worker_arguments("stages")], cwd=ROOT, env=environ)
    yield process
    process.kill()
    process.wait()


def test_the_master_dies_and_publishing_consuming_and_limits_go_on(queues, worker, receive, owner):
    limits = RateBudget(queues.url)
    bucket = [Bucket("sentinel", per_s=0.001, burst=2)]
    assert limits.take(bucket) == 0

    def publish():
        (ref,) = receive(whatsapp_body(whatsapp_message("Where is my order?")))
        start(ref)

    def done(count):
        return owner.execute("SELECT count(*) FROM run WHERE state = 'minimized'").fetchone() == (count,)

    publish()
    wait_until(lambda: done(1))
    assert broker_queues.count_waiting() is None  # the mark was not there
    was = queues.master()
    queues.kill_master()
    with pytest.raises(OperationalError):
        publish()
    assert limits.take(bucket) == 0  # nobody waits for a server that is away

    def publishes():
        try:
            publish()
        except OperationalError:
            return False
        return True

    wait_until(publishes)
    assert queues.master() != was
    wait_until(lambda: done(2) or done(3))  # the try that failed may have arrived
    assert worker.poll() is None
    assert broker_queues.count_waiting() is not None  # the replica has the mark too
    wait_until(lambda: limits.take(bucket) == 0 and limits.take(bucket) > 0)
    # The old master comes back as a replica, and nobody writes to it.
    queues.start_server(queues.servers.index(was))
    publish()
    wait_until(lambda: done(3) or done(4))


def test_doctor_looks_at_the_master_behind_the_sentinels(group):
    assert [one.subject for one in list_redis_findings(group.url)] == ["beat"]
    client = shared_redis(group.url)
    client.config_set("maxmemory-policy", "allkeys-lru")
    assert "allkeys-lru" in list_redis_findings(group.url)[0].problem
    client.config_set("maxmemory-policy", "noeviction")
    unknown = group.url.replace("master=earshot", "master=other")
    (finding,) = list_redis_findings(unknown)
    assert "MasterNotFoundError" in finding.problem
    with pytest.raises(redis.RedisError):
        shared_redis(unknown).ping()
