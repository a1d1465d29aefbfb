"""What a process refuses to begin with, in one sentence; and what it goes on with and tells."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import redis
from pydantic import SecretStr

from config.settings import SettingsError, load_settings
from console.app import create_app as create_console
from tests.conftest import ROOT, TEST_KEY
from webhook_receiver.app import create_app as create_receiver
from worker import app as worker_app
from worker import start_checks
from worker.roles import worker_arguments


@pytest.fixture
def evicting(broker):
    """A Redis that throws keys away when it is full."""
    with redis.Redis.from_url(broker) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        yield broker
        client.config_set("maxmemory-policy", "noeviction")


def changed(settings, **values):
    return settings.model_copy(update={name: SecretStr(value) for name, value in values.items()})


@pytest.mark.usefixtures("evicting")
def test_receiver_console_and_worker_refuse_a_redis_that_may_throw_tasks_away(settings, monkeypatch):
    told = r"the Redis of REDIS_URL may throw queued tasks away \(maxmemory-policy allkeys-lru\): set it to noeviction"
    with pytest.raises(SettingsError, match=told):
        create_receiver(settings)
    with pytest.raises(SettingsError, match=told):
        create_console({}, settings=settings)
    monkeypatch.setattr(worker_app, "load_settings", lambda _: settings)
    with pytest.raises(SystemExit, match=f"earshot worker: {told}"):
        worker_app._look_around(SimpleNamespace(concurrency=1))


@pytest.fixture
def told(monkeypatch):
    """What is told in the log, however earlier tests have set logs up."""
    lines = []
    monkeypatch.setattr(
        start_checks, "log", SimpleNamespace(warning=lambda event, **more: lines.append({"event": event, **more}))
    )
    return lines


def test_one_that_holds_no_queues_is_only_warned_of(settings, evicting, told):
    elsewhere = changed(settings, broker_url="amqp://u:p@127.0.0.1:1//")
    start_checks.check_redis(elsewhere)
    assert [(line["event"], line["policy"]) for line in told] == [("redis_evicts", "allkeys-lru")]
    with pytest.raises(SettingsError, match="the Redis of BROKER_URL"):
        start_checks.check_redis(changed(settings, redis_url="redis://127.0.0.1:1/0", broker_url=evicting))


def test_a_redis_that_is_away_or_tells_nothing_keeps_nobody_from_starting(settings, monkeypatch, told):
    start_checks.check_redis(changed(settings, redis_url="redis://127.0.0.1:1/0"))
    monkeypatch.setattr(start_checks, "eviction_policy", lambda _: None)  # as some that are rented out
    start_checks.check_redis(settings)
    assert [line["code"] for line in told] == ["ConnectionError", "maxmemory_policy_not_told"]


def test_a_worker_tells_of_few_connections_and_of_a_clock_that_differs(settings, monkeypatch, told):
    start_checks.check_worker(settings, threads=100)
    assert told == []
    monkeypatch.setattr(start_checks, "measure_clock_skew", lambda _: -90.0)
    few = settings.model_copy(update={"database_pool_size": 2})
    away = changed(settings, database_url="postgresql://u:p@127.0.0.1:1/x")
    start_checks.check_worker(few, threads=100)
    start_checks.check_worker(away, threads=100)
    assert [line["event"] for line in told] == [
        "few_database_connections",
        "clock_differs_from_database",
        "clock_not_checked",
    ]
    assert told[1]["skew_s"] == -90.0


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"DATABASE_POOL_SIZE": "0"}, "earshot worker: the environment is not usable: DATABASE_POOL_SIZE:"),
        ({"BROKER_URL": "kafka://u:hunter2@h"}, "BROKER_URL names no server that is known for it; possible are:"),
    ],
)
def test_a_worker_with_a_wrong_environment_ends_before_its_first_task(broker, app_url, wrong, told):
    environ = {**os.environ, "DATABASE_URL": app_url, "REDIS_URL": broker, "EARSHOT_KEYS": TEST_KEY, **wrong}
    command = [sys.executable, "-m", "celery", *worker_arguments("crm")]
    ended = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode != 0
    assert ended.stderr.strip().splitlines()[-1].find(told) >= 0, ended.stderr[-2000:]
    assert "hunter2" not in ended.stderr


def test_a_pool_of_no_connections_names_its_variable():
    with pytest.raises(SettingsError, match="DATABASE_POOL_SIZE: Input should be greater than or equal to 4"):
        load_settings(
            {
                "DATABASE_URL": "postgresql://x",
                "REDIS_URL": "redis://x",
                "EARSHOT_KEYS": "k1:abc",
                "DATABASE_POOL_SIZE": "0",
            }
        )
