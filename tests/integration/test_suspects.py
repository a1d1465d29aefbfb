"""What dies with a poison message beside it is not buried with it."""

import itertools

import psycopg
import pytest

from store.db import StoreError
from store.runs import MAX_CRASHES, lock_run, take_lease
from store.suspects import AT_ONCE, may_begin
from tests.integration.passes import run_all
from tests.webhooks import whatsapp_body, whatsapp_message
from worker import analyze_step, answer_storing, steps
from worker.stage import Next


@pytest.fixture
def refs(deps, receive):
    """Thirty messages of two tenants, ready to be asked about."""
    bodies = [whatsapp_body(*[whatsapp_message(f"number {n}", sender=f"9055511{n:05}") for n in range(20)])]
    more = whatsapp_body(*[whatsapp_message("hi", sender=f"4915112{n:06}") for n in range(10)], account="222000222")
    refs = [*receive(bodies[0]), *receive(more, slug="other")]
    for ref in refs:
        assert steps.minimize(deps, ref) is Next.GO_ON
    return refs


def begin(deps, ref):
    """What a worker does before its call: whether it may begin."""
    with deps.database.tenant_transaction(ref.tenant_id) as conn:
        run = lock_run(conn, ref)
        if run.leased or run.crashes >= MAX_CRASHES or not may_begin(conn, ref, crashes=run.crashes):
            return False
        take_lease(conn, ref)
        return True


def test_of_thirty_only_the_one_that_kills_its_worker_is_ever_given_up(deps, owner, refs):
    poison, waiting, dead = refs[7], list(refs), []
    for round_number in itertools.count():
        assert round_number < 100
        begun = [ref for ref in waiting if begin(deps, ref)]
        if not begun:
            break
        if poison in begun:  # the process dies, and their leases run out
            owner.execute("UPDATE run SET lease_until = now() - interval '1 s'")
        else:
            owner.execute("DELETE FROM run WHERE id = ANY(%s)", ([ref.run_id for ref in begun],))
            waiting = [ref for ref in waiting if ref not in begun]
    dead = owner.execute("SELECT id::text FROM run WHERE crashes >= %s", (MAX_CRASHES,)).fetchall()
    assert dead == [(poison.run_id,)]
    assert waiting == [poison]


def test_the_last_try_is_alone_and_the_lease_of_the_dead_does_not_hold_it_up_for_long(deps, owner, refs):
    first, second = refs[0], refs[25]  # of different tenants: processes are shared
    owner.execute("UPDATE run SET crashes = %s WHERE id = %s", (max(AT_ONCE), first.run_id))
    owner.execute("UPDATE run SET crashes = %s WHERE id = %s", (min(AT_ONCE), second.run_id))
    assert begin(deps, first)
    assert not begin(deps, second)
    assert analyze_step.analyze(deps, second) is Next.STOP
    assert begin(deps, refs[3])  # who was never under way at a death is nobody's suspect
    owner.execute("UPDATE run SET lease_until = now() - interval '1 s' WHERE id = %s", (first.run_id,))
    assert begin(deps, second)


def test_an_answer_that_is_paid_is_stored_although_postgres_was_away(deps, receive, owner, monkeypatch):
    (ref,) = receive(whatsapp_body(whatsapp_message("hi")))
    tries = []
    store_answer = answer_storing.store_answer

    def unlucky(conn, *arguments, **more):
        tries.append(1)
        if len(tries) < 3:
            raise psycopg.OperationalError("terminating connection")
        return store_answer(conn, *arguments, **more)

    monkeypatch.setattr(answer_storing, "store_answer", unlucky)
    monkeypatch.setattr(answer_storing, "STORE_AGAIN_S", 0)
    run_all(deps, ref)
    assert len(tries) == 3
    assert owner.execute("SELECT outcome FROM egress").fetchall() == [("answered",)]


def test_a_store_that_says_no_for_good_is_not_asked_again(deps, receive, monkeypatch):
    (ref,) = receive(whatsapp_body(whatsapp_message("hi")))
    assert steps.minimize(deps, ref) is Next.GO_ON
    tries = []

    def refuse(*_, **__):
        tries.append(1)
        raise psycopg.errors.CheckViolation

    monkeypatch.setattr(answer_storing, "store_answer", refuse)
    with pytest.raises(StoreError):
        analyze_step.analyze(deps, ref)
    assert len(tries) == 1
