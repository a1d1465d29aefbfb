"""The look for upkeep once a second: it rings for each kind of work that waits, and for nothing at rest."""

import threading

import pytest
import redis

from store.alerts import NewAlert, raise_alert
from tests.integration.workplace import add_agent, add_conversation
from tests.webhooks import whatsapp_body, whatsapp_message
from worker import broker_queues, upkeep_look, upkeep_tasks
from worker.app import app
from worker.lookout import LOOK_EVERY_S, TURN, TURN_MS, Lookout, takes_turn
from worker.upkeep_pace import UpkeepPace

SWEEP = """
    INSERT INTO sweep (tenant_id, period, days, max_customers, budget_microusd, uses_batches, needs_approval, messages, customers,
                       estimated_microusd, estimated_s, state, next_at)
    VALUES (%s, '2026-01', 30, 10, 1000, false, false, 1, 1, 10, 10, 'running', now())
"""
SUBSCRIPTION = """
    WITH told AS (
        INSERT INTO webhook_subscription (tenant_id, description, url, host, kinds, secret)
        VALUES (%s, '', '\\x00', 'hooks.acme.example', '{}', '\\x00')
        RETURNING tenant_id, id
    )
    INSERT INTO webhook_delivery (tenant_id, subscription_id, kind, subject_id) SELECT tenant_id, id, 'alert.over', uuidv7() FROM told
"""
ACTION = """
    INSERT INTO action (tenant_id, conversation_id, customer_id, message_id, channel, kind, idempotency_key, state, next_at, lease_until)
    VALUES (%s, uuidv7(), uuidv7(), uuidv7(), 'whatsapp', 'send_refund_form', 'k', '{state}', now(), now() - interval '1 s')
"""
CRM = """
    WITH of AS (INSERT INTO customer (tenant_id) VALUES (%s) RETURNING id, tenant_id)
    INSERT INTO crm_search (customer_id, tenant_id) SELECT id, tenant_id FROM of
"""
WAITS = {
    "an action": (ACTION.replace("{state}", "pending"), "reconcile"),
    "an interrupted send": (ACTION.replace("{state}", "sending"), "reconcile"),
    "a CRM": (CRM, "reconcile"),
    "a notice": ("INSERT INTO channel_notice (tenant_id, notice) VALUES (%s, '{}')", "place_messages"),
    "a trial": (
        "INSERT INTO trial (tenant_id, kind, state, next_at) VALUES (%s, 'laboratory', 'waiting', now())",
        "ring_due",
    ),
    "an interrupted trial": (
        "INSERT INTO trial (tenant_id, kind, state, next_at, lease_until) VALUES (%s, 'laboratory', 'running', now(), now() - interval '1 s')",
        "ring_due",
    ),
    "an erasure": (
        "INSERT INTO customer_erasure (tenant_id, state, next_at) VALUES (%s, 'waiting', now())",
        "ring_due",
    ),
    "a sweep": (SWEEP, "ring_due"),
    "a webhook": (SUBSCRIPTION, "ring_due"),
}


@pytest.fixture
def acme(tenant_ids):
    return tenant_ids["acme"]


@pytest.fixture
def look(deps, valkey, owner):
    """A look on a broker that has been counted, and nobody has looked just now."""
    valkey.delete(TURN)
    broker_queues.count_waiting()
    return lambda: upkeep_look.look(deps)


def test_at_rest_nothing_is_rung_for(look, acme):
    assert look() == []


@pytest.mark.parametrize("what", WAITS)
def test_what_waits_is_rung_for(look, owner, acme, what):
    statement, task = WAITS[what]
    owner.execute(statement, (acme,))
    assert look() == [task]


def test_a_run_is_rung_for_when_it_is_due_and_when_it_is_unread_for_too_long(look, owner, receive):
    receive(whatsapp_body(whatsapp_message("hello")))
    assert look() == []
    owner.execute("UPDATE run SET next_at = now()")
    assert look() == ["reconcile"]
    owner.execute("UPDATE run SET lease_until = now() + interval '10 s', created_at = now() - interval '4 s'")
    assert look() == ["read_waiting"]


def test_clocks_are_rung_for(look, owner, acme):
    conversation_id = add_conversation(owner, acme)
    owner.execute("INSERT INTO stale_clock (conversation_id, tenant_id) VALUES (%s, %s)", (conversation_id, acme))
    assert look() == ["watch_clocks"]


def test_people_and_alerts_are_rung_for_now_and_then_however_much_there_is_to_do(look, deps, owner, acme):
    add_agent(owner, acme)
    with deps.database.tenant_transaction(acme) as conn:
        raise_alert(conn, acme, NewAlert(kind="channel_silent", key="k"))
    assert look() == ["assign_conversations", "notify"]
    assert look() == []


@pytest.mark.parametrize(("waited_s", "comes"), [(4.0, False), (4.6, True), (60.0, True)])
def test_a_turn_comes_again_after_its_time_or_a_moment_before(waited_s, comes):
    pace = UpkeepPace()
    assert pace.take_turn("notify", now=1000.0)
    assert pace.take_turn("notify", now=1000.0 + waited_s) is comes


def test_a_broker_that_has_lost_its_queues_is_reconciled_with(look, valkey, acme):
    valkey.delete(broker_queues.MARK)
    assert look() == ["reconcile"]
    broker_queues.count_waiting()
    assert look() == []


@pytest.fixture
def rung():
    return []


@pytest.fixture
def lookout(deps, look, rung):
    return Lookout(deps, ring=rung.append)


def test_a_lookout_rings_for_what_has_something_to_do(lookout, rung, owner, acme):
    owner.execute(WAITS["an erasure"][0], (acme,))
    lookout.look_once()
    assert rung == ["ring_due"]


def test_of_two_lookouts_one_looks_at_a_time(deps, lookout, rung, valkey, owner, acme):
    owner.execute(WAITS["an erasure"][0], (acme,))
    lookout.look_once()
    Lookout(deps, ring=rung.append).look_once()
    assert rung == ["ring_due"]
    valkey.delete(TURN)  # as time does
    Lookout(deps, ring=rung.append).look_once()
    assert rung == ["ring_due", "ring_due"]


def test_a_turn_is_over_before_the_next_look(valkey):
    valkey.delete(TURN)
    assert takes_turn(valkey)
    assert 0 < valkey.pttl(TURN) <= TURN_MS < LOOK_EVERY_S * 1000


def test_without_a_redis_that_is_shared_each_looks():
    assert takes_turn(None)
    assert takes_turn(redis.Redis(port=1, socket_connect_timeout=0.1))


def test_a_lookout_goes_on_after_a_bug_and_ends_when_it_is_told_to(lookout, monkeypatch):
    looks: list[int] = []
    goes_on = threading.Event()

    def look_badly() -> None:
        looks.append(1)
        if len(looks) > 1:
            goes_on.set()
        raise KeyError("customer text")

    monkeypatch.setattr("worker.lookout.LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(lookout, "look_once", look_badly)
    lookout.start()
    assert goes_on.wait(10)
    lookout.stop()
    lookout.join(10)
    assert not lookout.is_alive()


@pytest.mark.parametrize(("queues", "is_there"), [("actions,webhooks,maintenance", True), ("analyze,sweep", False)])
def test_the_worker_that_does_upkeep_has_a_lookout(deps, monkeypatch, queues, is_there):
    started: list[Lookout] = []
    monkeypatch.setattr(Lookout, "start", lambda self: started.append(self))
    monkeypatch.setattr(upkeep_tasks, "deps", lambda: deps)
    monkeypatch.setattr(app.amqp.queues, "_consume_from", dict.fromkeys(queues.split(",")))
    upkeep_tasks.keep_looking()
    assert len(started) == is_there


def test_upkeep_is_rung_for_in_the_broker(valkey):
    upkeep_tasks.ring_upkeep("ring_due")
    (waiting,) = valkey.lrange("maintenance", 0, -1)
    assert b'"task": "earshot.ring_due"' in waiting


def test_all_upkeep_has_its_turn_without_a_look_and_after_a_bug(monkeypatch):
    done: list[str] = []

    def do(work, *, name):
        done.append(name)
        if name == "apply_notices":
            raise KeyError(name)

    monkeypatch.setattr(upkeep_tasks, "do_quietly", do)
    with pytest.raises(KeyError):
        upkeep_tasks.do_all_upkeep()
    assert {"apply_notices", "read_waiting", "assign_conversations", "watch_clocks", "notify"} <= set(done)
    assert {"ring_trials", "ring_webhooks", "ring_erasures", "ring_sweeps"} <= set(done)


def test_beat_rings_tasks_that_workers_know():
    assert {entry["task"] for entry in app.conf.beat_schedule.values()} <= set(app.tasks)
    assert app.conf.beat_schedule["upkeep"]["schedule"] <= 30
