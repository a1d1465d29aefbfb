"""A message that kills its workers is parked after a few deaths; a database or a provider that is away kills no message."""

import base64
import json

import pytest
import redis

from store.db import StoreError
from store.dead_runs import list_dead, replay_dead
from store.runs import MAX_CRASHES
from tests.integration.passes import run_all, states
from tests.webhooks import whatsapp_body, whatsapp_message
from worker import broker_queues, reconcile, steps, tasks
from worker.app import app


class Killed(BaseException):
    """What a SIGKILL looks like from within a test: nothing after it runs."""


@pytest.fixture
def work(deps, monkeypatch):
    """Do one task as a worker would, and say whether the worker survived."""
    monkeypatch.setattr(tasks, "deps", lambda: deps)

    def deliver(ref, *, stage="minimize", is_suspect):
        task = app.tasks[f"earshot.{stage}"]
        try:
            task.apply(
                kwargs={
                    "tenant_id": ref.tenant_id,
                    "message_id": ref.message_id,
                    "run_id": ref.run_id,
                    "is_suspect": is_suspect,
                }
            )
        except Killed:
            return False
        return True

    return deliver


def killing(monkeypatch, *, stage="minimize", error=Killed):
    def kill(ref, *_):
        raise error

    monkeypatch.setitem(tasks.STAGES, f"earshot.{stage}", kill)


def test_a_message_that_kills_its_workers_is_parked_and_the_others_are_done(deps, receive, work, monkeypatch, owner):
    poison, healthy = receive(whatsapp_body(whatsapp_message("boom"), whatsapp_message("hello", sender="905550000001")))
    with monkeypatch.context() as patched:
        killing(patched)
        deaths = 0
        while not work(poison, is_suspect=True):
            deaths += 1
            assert deaths <= MAX_CRASHES
    assert deaths == MAX_CRASHES
    run_all(deps, healthy)
    assert states(owner) == ["dead", "done"]
    with deps.database.system_transaction() as conn:
        (dead,) = list_dead(conn)
    assert (dead.run_id, dead.error_code) == (poison.run_id, "poison")
    with deps.database.tenant_transaction(poison.tenant_id) as conn:
        assert replay_dead(conn, poison)
    run_all(deps, poison)
    assert states(owner) == ["done", "done"]


def test_a_database_that_is_away_does_not_count_against_a_message(deps, receive, work, monkeypatch, owner):
    (ref,) = receive(whatsapp_body(whatsapp_message()))
    with monkeypatch.context() as patched:
        killing(patched, error=StoreError("sqlstate_57P01", permanent=False))
        for _ in range(MAX_CRASHES * 2):
            work(ref, is_suspect=True)
    assert states(owner) == ["received"]
    assert owner.execute("SELECT crashes FROM run").fetchone() == (0,)


def test_moving_on_forgets_what_was_counted(deps, receive, work, owner):
    (ref,) = receive(whatsapp_body(whatsapp_message()))
    owner.execute("UPDATE run SET crashes = %s", (MAX_CRASHES - 1,))
    steps.begin_try(deps, ref)
    steps.minimize(deps, ref)
    assert owner.execute("SELECT crashes, state FROM run").fetchone() == (0, "minimized")


def test_only_a_run_that_was_rung_several_times_in_vain_is_under_suspicion(deps, receive, broker, owner):
    receive(whatsapp_body(whatsapp_message()))
    told = []
    with redis.Redis.from_url(broker) as client:
        client.set(broker_queues.MARK, "1")
        for _ in range(reconcile.SUSPECT_AFTER_RINGS + 1):
            client.delete("minimize")
            owner.execute("UPDATE run SET next_at = now()")
            reconcile.tick(deps)

            _, kwargs, _ = json.loads(base64.b64decode(json.loads(client.lindex("minimize", 0))["body"]))
            told.append(kwargs.get("is_suspect", False))
        client.delete("minimize")
    assert told == [False] * reconcile.SUSPECT_AFTER_RINGS + [True]
