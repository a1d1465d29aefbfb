"""What the promises rest on, each by itself: a connection of one's own, Postgres's clock, a net under the broker."""

import contextlib
import threading
import time

from store.db import Database, StoreError
from store.runs import LEASE_S, RunState, lock_run, take_lease
from tests.webhooks import whatsapp_body, whatsapp_message
from worker import reconcile, steps
from worker.app import app


def test_what_one_request_commits_no_neighbours_failure_takes_back(app_url, owner):
    database = Database(app_url, pool_size=4)
    neighbour_has_begun, neighbour_may_fail = threading.Event(), threading.Event()

    def fail_late():
        with contextlib.suppress(StoreError), database.system_transaction() as conn:
            conn.execute("SELECT 1")
            neighbour_has_begun.set()
            neighbour_may_fail.wait(20)
            conn.execute("SELECT 1/0")

    neighbour = threading.Thread(target=fail_late)
    neighbour.start()
    assert neighbour_has_begun.wait(20)
    with database.system_transaction() as conn:
        conn.execute("INSERT INTO unparsed_body (channel, reason, body) VALUES ('whatsapp', 'test', 'kept')")
    # This is where the receiver says 200.
    neighbour_may_fail.set()
    neighbour.join()
    assert owner.execute("SELECT count(*) FROM unparsed_body WHERE reason = 'test'").fetchone() == (1,)
    database.close()


def test_a_lease_ends_by_postgres_clock_however_wrong_ours_is(deps, receive, owner, monkeypatch):
    (ref,) = receive(whatsapp_body(whatsapp_message("hello")))
    monkeypatch.setattr(time, "time", lambda: 4_000_000_000.0)
    with deps.database.tenant_transaction(ref.tenant_id) as conn:
        lock_run(conn, ref)
        take_lease(conn, ref)
    (left_s,) = owner.execute("SELECT extract(epoch FROM lease_until - clock_timestamp())::float FROM run").fetchone()
    assert 0 < left_s <= LEASE_S


def test_what_has_no_live_lease_is_started_again_from_its_state(deps, receive, owner, monkeypatch):
    fresh, stuck, leased = receive(whatsapp_body(*[whatsapp_message(f"hello {number}") for number in range(3)]))
    steps.minimize(deps, stuck)
    started: list[tuple[str, RunState]] = []
    monkeypatch.setattr(reconcile, "start", lambda ref, *, state, **_: started.append((ref.run_id, state)))
    owner.execute("UPDATE run SET next_at = now() - interval '1 s'")
    owner.execute("UPDATE run SET lease_until = now() + interval '10 s' WHERE id = %s", (leased.run_id,))
    reconcile.tick(deps)
    assert sorted(started) == sorted([(fresh.run_id, "received"), (stuck.run_id, "minimized")])
    reconcile.tick(deps)
    assert len(started) == 2  # each was pushed back


def test_the_net_is_looked_after_without_a_look():
    entry = app.conf.beat_schedule["reconcile"]
    assert (entry["task"], entry["options"]["queue"]) == ("earshot.reconcile", "maintenance")
    # In between a worker's look rings for it (test_upkeep_look.py).
    assert entry["schedule"] <= 10
