"""What follows an answer of the model shares its transaction: all of it is committed, or the answer alone."""

from contextlib import suppress
from datetime import UTC, datetime

import pytest

from store.db import StoreError
from store.merging import merge_customers
from tests.webhooks import whatsapp_body, whatsapp_message
from worker import analyze_step, steps
from worker.deps import build_deps
from worker.stage import Next

REFUND = "This is the third time the parcel is late. I want my money back!"


class Behind:
    """The three short stages behind the answer, as worker/fusion.py runs them; `fail` raises in their midst."""

    def __init__(self, deps, ref, fail=None):
        self.deps, self.ref, self.fail, self.told = deps, ref, fail, []

    def join(self, held):
        steps.persist(self.deps, self.ref, held=held)
        if self.fail:
            raise self.fail
        routed = steps.route(self.deps, self.ref, now=datetime.now(UTC), held=held)
        self.deps.database.once_committed(lambda: self.told.append(len(routed.action_ids)))
        steps.crm_sync(self.deps, self.ref, held=held)

    def confirm(self):
        self.told.append("confirmed")

    def part(self):
        self.told.append("parted")


def states(owner, ref):
    run = owner.execute("SELECT state FROM run WHERE id = %s", (ref.run_id,)).fetchone()
    message = owner.execute("SELECT state FROM message WHERE id = %s", (ref.message_id,)).fetchone()
    return run and run[0], message[0]


def calls_settled(owner):
    return owner.execute("SELECT outcome, count(*) FROM egress GROUP BY 1").fetchall()


@pytest.fixture
def minimized(deps, receive):
    (ref,) = receive(whatsapp_body(whatsapp_message(REFUND, timestamp=str(int(datetime.now(UTC).timestamp())))))
    steps.minimize(deps, ref)
    return ref


def test_one_commit_takes_the_message_to_its_end(deps, owner, minimized):
    behind = Behind(deps, minimized)
    assert analyze_step.analyze(deps, minimized, behind) is Next.GO_ON
    assert states(owner, minimized) == (None, "done")
    # Actions are rung when their rows can be seen, and only then is the rest told as done.
    assert behind.told == [1, "confirmed"]
    assert calls_settled(owner) == [("answered", 1)]
    rows = owner.execute("SELECT DISTINCT xmin::text FROM message_analysis").fetchall()
    assert rows == owner.execute("SELECT DISTINCT xmin::text FROM routing_decision").fetchall()


@pytest.mark.parametrize("error", [RuntimeError("odd"), StoreError("sqlstate_40P01", permanent=False)])
def test_a_later_stage_that_fails_costs_nothing_of_the_answer(deps, owner, minimized, error):
    behind = Behind(deps, minimized, fail=error)
    assert analyze_step.analyze(deps, minimized, behind) is Next.GO_ON
    assert states(owner, minimized) == ("analyzed", "analyzed")
    assert behind.told == ["parted"]
    assert calls_settled(owner) == [("answered", 1)]
    assert owner.execute("SELECT count(*) FROM message_analysis").fetchone() == (0,)
    assert steps.persist(deps, minimized) is Next.GO_ON


def test_what_does_not_come_to_its_end_is_kept_as_far_as_it_came(deps, owner, minimized):
    behind = Behind(deps, minimized)
    behind.join = lambda held: steps.persist(deps, minimized, held=held)
    analyze_step.analyze(deps, minimized, behind)
    assert states(owner, minimized) == ("persisted", "persisted")
    assert steps.route(deps, minimized, now=datetime.now(UTC)).verdict is Next.GO_ON
    assert owner.execute("SELECT count(*) FROM routing_decision WHERE analysis_id IS NOT NULL").fetchone() == (1,)


def test_where_nothing_joins_the_answer_is_stored(deps, owner, minimized):
    behind = Behind(deps, minimized)
    behind.join = lambda held: None
    assert analyze_step.analyze(deps, minimized, behind) is Next.GO_ON
    assert states(owner, minimized) == ("analyzed", "analyzed")
    assert steps.persist(deps, minimized) is Next.GO_ON


def test_an_answer_whose_lease_was_lost_goes_nowhere(deps, owner, minimized):
    behind = Behind(deps, minimized)
    taken = analyze_step.ask

    def ask_and_lose(*args, **named):
        answer = taken(*args, **named)
        owner.execute("UPDATE run SET lease_token = gen_random_uuid()")
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(analyze_step, "ask", ask_and_lose)
        assert analyze_step.analyze(deps, minimized, behind) is Next.STOP
    assert owner.execute("SELECT count(*) FROM routing_decision").fetchone() == (0,)
    assert calls_settled(owner) == [("answered_too_late", 1)]


def test_a_database_that_goes_away_just_then_costs_nothing_of_the_answer(deps, owner, minimized, monkeypatch):
    known, asked = deps.tenants.get, []

    def get(tenant_id):
        asked.append(tenant_id)
        if len(asked) > 1:  # the first time is before the model is asked
            raise StoreError("no_connection", permanent=False)
        return known(tenant_id)

    monkeypatch.setattr(deps.tenants, "get", get)
    behind = Behind(deps, minimized)
    assert analyze_step.analyze(deps, minimized, behind) is Next.GO_ON
    assert states(owner, minimized) == ("analyzed", "analyzed") and behind.told == ["parted"]
    assert calls_settled(owner) == [("answered", 1)]


@pytest.mark.parametrize("are_configurations_old", [False, True])
def test_it_needs_one_connection(settings, minimized, owner, monkeypatch, are_configurations_old):
    if are_configurations_old:  # as after a wait for the model, or for a connection
        monkeypatch.setattr("worker.deps.TENANT_CACHE_S", 0)
        monkeypatch.setattr("worker.deps.TENANT_STALE_S", 0)
    alone = build_deps(settings.model_copy(update={"database_pool_size": 1}))
    try:
        analyze_step.analyze(alone, minimized, Behind(alone, minimized))
    finally:
        alone.database.close()
    assert states(owner, minimized) == (None, "done")


@pytest.mark.parametrize("begin", ["tenant_transaction", "stage_transaction", "joint_transaction"])
def test_a_thread_that_holds_a_connection_gets_no_second_one(database, tenant_ids, begin):
    with database.joint_transaction(tenant_ids["acme"]) as conn:
        with pytest.raises(RuntimeError, match="holds a connection"), getattr(database, begin)(tenant_ids["other"]):
            pass
        with pytest.raises(RuntimeError, match="holds a connection"), database.system_transaction():
            pass
        conn.execute("INSERT INTO customer (tenant_id, display_name) VALUES (%s, 'one')", (tenant_ids["acme"],))
    with database.tenant_transaction(tenant_ids["acme"]) as conn:
        assert conn.execute("SELECT display_name FROM customer").fetchall() == [("one",)]


def test_what_failed_to_begin_holds_nothing(database, tenant_ids):
    with suppress(ZeroDivisionError), database.tenant_transaction(tenant_ids["acme"]):
        _ = 1 / 0
    with database.tenant_transaction(tenant_ids["acme"]) as conn:
        assert conn.execute("SELECT 1").fetchone() == (1,)


def test_what_waits_for_a_commit_that_never_comes_is_not_done(database, tenant_ids):
    done = []
    with suppress(RuntimeError), database.joint_transaction(tenant_ids["acme"]):
        database.once_committed(lambda: done.append("within"))
        raise RuntimeError
    database.once_committed(lambda: done.append("outside"))
    assert done == ["outside"]


def test_customers_who_turn_out_to_be_one_while_the_model_thinks_are_decided_as_one(deps, owner, receive):
    known = whatsapp_message("Hello", sender="905551112233", message_id="wamid.first")
    (first,) = receive(whatsapp_body(known))
    steps.minimize(deps, first)
    (second,) = receive(whatsapp_body(whatsapp_message(REFUND, sender="905559998877", message_id="wamid.second")))
    steps.minimize(deps, second)
    (stays, moved) = (
        owner.execute("SELECT customer_id::text FROM message WHERE id = %s", (ref.message_id,)).fetchone()[0]
        for ref in (first, second)
    )
    taken = analyze_step.ask

    def ask_and_merge(*args, **named):
        answer = taken(*args, **named)
        with deps.database.tenant_transaction(second.tenant_id) as conn:
            merge_customers(conn, second.tenant_id, stays, moved)
        return answer

    behind = Behind(deps, second)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(analyze_step, "ask", ask_and_merge)
        assert analyze_step.analyze(deps, second, behind) is Next.GO_ON
    assert states(owner, second) == (None, "done")
    ((conversation_id, customer_id),) = owner.execute("SELECT id, customer_id::text FROM conversation").fetchall()
    assert customer_id == stays
    assert owner.execute("SELECT DISTINCT conversation_id FROM sla_clock").fetchall() == [(conversation_id,)]
    assert owner.execute("SELECT DISTINCT customer_id::text FROM action").fetchall() == [(stays,)]
