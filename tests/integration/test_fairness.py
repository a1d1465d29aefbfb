"""One tenant's flood delays nobody else's message: lanes by share, turns by tenant, room for each lane."""

import base64
import json
import threading
from dataclasses import replace

import pytest

from store.due_runs import take_due_runs
from store.intake import StartedRun
from tests.webhooks import whatsapp_body, whatsapp_message
from worker import analyze_step, broker_queues, lanes, reconcile, steps
from worker.app import app
from worker.chain_messages import SHORT_FLOOD
from worker.lanes import FLOODS_IN_WORK, LANED, SHARE_AT_ONCE, FloodHands, InWork, Lanes, in_work, queue_of
from worker.pipeline import start_all
from worker.rate_budget import RateBudget
from worker.roles import ROLES
from worker.stage import Next

QUEUES = [queue for role in ROLES.values() for queue in role.queues]


@pytest.fixture(autouse=True)
def shares_do_not_grow(monkeypatch):
    """However slow the machine is."""
    monkeypatch.setattr(lanes, "SHARE_PER_S", 0.001)


@pytest.fixture
def add_runs(owner, tenant_ids):
    """Runs of a tenant that are due, the oldest first."""

    def add(slug, number, *, minutes_ago=10, urgent=False):
        return [
            run_id
            for (run_id,) in owner.execute(
                """
                INSERT INTO run (tenant_id, message_id, next_at, created_at, urgent)
                SELECT %s, uuidv7(), now(), now() - make_interval(mins => %s, secs => -n), %s FROM generate_series(1, %s) AS n
                RETURNING id::text
                """,
                (tenant_ids[slug], minutes_ago, urgent, number),
            ).fetchall()
        ]

    return add


def test_what_a_tenant_brings_beyond_its_share_waits_in_a_lane_of_its_own(deps, valkey):
    start_all([StartedRun(1, f"m{n}", f"r{n}") for n in range(SHARE_AT_ONCE + SHORT_FLOOD + 30)], lanes=deps.lanes)
    start_all([StartedRun(2, "m", "r")], lanes=deps.lanes)
    waiting = [valkey.llen(queue) for queue in ("analyze", "analyze_flood", "minimize_flood")]
    assert waiting == [SHARE_AT_ONCE + 1, SHORT_FLOOD, 30]


def test_where_every_stage_takes_its_own_trip_it_waits_before_the_first(deps, valkey, monkeypatch):
    monkeypatch.setenv("EARSHOT_FUSE", "0")
    start_all([StartedRun(1, f"m{n}", f"r{n}") for n in range(SHARE_AT_ONCE + 30)], lanes=deps.lanes)
    assert (valkey.llen("minimize"), valkey.llen("minimize_flood")) == (SHARE_AT_ONCE, 30)


def test_a_worker_takes_one_from_each_lane_in_turn(valkey, deps, monkeypatch):
    monkeypatch.setenv("EARSHOT_FUSE", "0")
    start_all([StartedRun(1, f"m{n}", f"r{n}") for n in range(SHARE_AT_ONCE + 200)], lanes=deps.lanes)
    valkey.delete("minimize")
    start_all([StartedRun(2, f"m{n}", f"r{n}") for n in range(10)], lanes=deps.lanes)
    taken = []
    with app.connection_for_read() as connection:
        consumer = connection.Consumer(
            [queue for queue in app.amqp.queues.values() if queue.name in {"minimize", "minimize_flood"}],
            callbacks=[lambda body, message: (taken.append(body[1]["tenant_id"]), message.ack())],
            prefetch_count=1,
        )
        with consumer:
            while taken.count(2) < 10:
                connection.drain_events(timeout=5)
    assert len(taken) <= 22, taken


def test_the_lane_travels_with_the_message_to_the_model(deps, valkey):
    start_all([StartedRun(1, f"m{n}", f"r{n}") for n in range(SHARE_AT_ONCE + SHORT_FLOOD + 20)], lanes=deps.lanes)
    task = valkey.lindex("minimize_flood", 0).decode()

    _, kwargs, embedded = json.loads(base64.b64decode(json.loads(task)["body"]))
    assert kwargs["is_flood"] is True
    queues = {link["task"]: link["options"]["queue"] for link in embedded["chain"]}
    assert queues == {
        "earshot.analyze": "analyze_flood",
        "earshot.persist": "persist",
        "earshot.route": "route",
        "earshot.crm_sync": "crm_sync",
    }


def test_a_flood_leaves_live_messages_room_at_the_provider(deps):
    deps.provider_gate.note_answer("model", requests_per_min=600)
    taken = 0
    while deps.provider_gate.budget.take(deps.provider_gate._buckets("model", bulk=True)) == 0:
        taken += 1
    assert taken < 10  # of 40 at once
    assert deps.provider_gate.wait_s("model") == 0


def test_every_lane_has_workers():
    for stage in LANED:
        assert queue_of(stage, is_flood=True) in QUEUES and queue_of(stage, is_flood=False) in QUEUES
    assert queue_of("route", is_flood=True) == "route"


def test_without_redis_nobody_floods():
    alone = Lanes(RateBudget("redis://127.0.0.1:1/0"))
    assert not any(alone.is_flood(1) for _ in range(SHARE_AT_ONCE + 10))


def test_the_reconciler_gives_each_tenant_its_turn_whatever_waits_of_another(deps, add_runs, tenant_ids):
    older, newer = add_runs("acme", 300, minutes_ago=60), add_runs("other", 3, minutes_ago=1)
    with deps.database.system_transaction() as conn:
        due = take_due_runs(conn, limit=10)
    expected = [older[0], newer[0], older[1], newer[1], older[2], newer[2], *older[3:7]]
    assert [run.ref.run_id for run in due] == expected


def test_urgent_messages_of_a_tenant_come_before_its_others_and_not_before_another_tenants(deps, add_runs):
    plain, urgent = add_runs("acme", 2, minutes_ago=60), add_runs("acme", 2, minutes_ago=1, urgent=True)
    (lonely,) = add_runs("other", 1, minutes_ago=1)
    with deps.database.system_transaction() as conn:
        due = take_due_runs(conn, limit=10)
    assert [run.ref.run_id for run in due] == [urgent[0], lonely, urgent[1], *plain]


def test_a_full_lane_of_floods_keeps_no_other_tenants_message_from_being_rung(
    deps, add_runs, valkey, monkeypatch, tenant_ids
):
    monkeypatch.setattr(reconcile, "MAX_WAITING", 20)
    valkey.rpush("minimize_flood", *["x"] * 20)
    valkey.set(broker_queues.MARK, "1")
    for _ in range(SHARE_AT_ONCE):
        deps.lanes.is_flood(tenant_ids["acme"])
    add_runs("acme", 30)
    add_runs("other", 3)
    reconcile.tick(deps)
    assert (valkey.llen("minimize"), valkey.llen("minimize_flood")) == (3, 20)


def test_floods_have_few_hands_in_the_database_and_others_wait_for_none():
    hands = FloodHands(2)
    with hands.turn(is_flood=True), hands.turn(is_flood=True):
        third = threading.Thread(target=lambda: hands.turn(is_flood=True).__enter__())
        third.start()
        with hands.turn(is_flood=False), hands.turn(is_flood=False):
            third.join(0.05)
            assert third.is_alive()
    third.join(10)
    assert not third.is_alive()


def test_a_flood_message_claims_and_stores_with_hands(deps, receive, monkeypatch):
    taken = []

    class Watched(FloodHands):
        def turn(self, *, is_flood):
            taken.append(is_flood)
            return super().turn(is_flood=is_flood)

    monkeypatch.setitem(deps.__dict__, "flood_hands", Watched(1))
    (ref,) = receive(whatsapp_body(whatsapp_message("Where is it?")))
    steps.minimize(deps, ref)
    assert analyze_step.analyze(deps, replace(ref, is_flood=True)) is Next.GO_ON
    assert taken == [True, True]


def test_a_flood_begins_behind_what_is_in_work_of_others_but_not_behind_their_calls_of_the_model():
    hands, began = FloodHands(1), threading.Event()

    def begin():
        with hands.turn(is_flood=True):
            began.set()

    with in_work.message(1, is_flood=False), pytest.MonkeyPatch.context() as patch:
        patch.setattr(in_work, "let_others_go_first", lambda: InWork.let_others_go_first(in_work, timeout_s=30))
        flood = threading.Thread(target=begin)
        flood.start()
        assert not began.wait(0.05)
        with in_work.call(1, is_flood=False):
            assert began.wait(10)
            flood.join(10)


def test_where_others_never_end_a_flood_still_goes_on():
    with in_work.message(1, is_flood=False), FloodHands(1).turn(is_flood=True):
        pass
    with in_work.message(2, is_flood=True):  # of its own kind it waits for none
        in_work.let_others_go_first(timeout_s=None)


def test_whoever_floods_alone_waits_for_nothing_of_its_own():
    work = InWork()
    with work.message(1, is_flood=False):
        assert work.most_of_floods == FLOODS_IN_WORK  # somebody else's, as far as anybody knows
    with work.message(1, is_flood=True), work.message(1, is_flood=False):
        assert work.others == 0
        work.let_others_go_first(timeout_s=None)
        assert work.most_of_floods > FLOODS_IN_WORK
        with work.message(2, is_flood=False):
            assert (work.others, work.most_of_floods) == (1, FLOODS_IN_WORK)
        assert (work.others, work.most_of_floods) == (0, FLOODS_IN_WORK)  # somebody else may come again


@pytest.mark.parametrize("is_flood", [True, False])
def test_while_the_model_is_asked_a_message_is_not_in_work(deps, receive, monkeypatch, is_flood):
    seen, analyze = [], deps.analyzer.analyze

    def watched(*args, **more):
        seen.append((in_work.floods_asking, in_work.others))
        return analyze(*args, **more)

    monkeypatch.setattr(deps.analyzer, "analyze", watched)
    monkeypatch.setattr("worker.lanes.LATELY_S", 0)
    (ref,) = receive(whatsapp_body(whatsapp_message("Where is it?")))
    steps.minimize(deps, ref)
    with in_work.message(ref.tenant_id, is_flood=is_flood):
        assert in_work.others == (not is_flood)
        assert analyze_step.analyze(deps, replace(ref, is_flood=is_flood)) is Next.GO_ON
    assert seen == [(int(is_flood), 0)] and (in_work.floods_asking, in_work.others) == (0, 0)
