"""The receiver's background publisher: whatever the broker does, the next ring leaves."""

import threading

import redis

from store.intake import StartedRun
from webhook_receiver import publisher
from webhook_receiver.publisher import Publisher


def test_a_broker_whose_memory_is_full_stops_no_later_ring(monkeypatch):
    rung, is_over = [], threading.Event()

    def full_at_first(runs, *, lanes, traces):
        rung.append([run.run_id for run in runs])
        if len(rung) == 1:
            raise redis.ResponseError("OOM command not allowed when used memory > 'maxmemory'.")
        is_over.set()

    monkeypatch.setattr(publisher, "start_all", full_at_first)
    rings = Publisher(lanes=None)
    rings.offer([StartedRun(1, "message", "first")])
    while not rung:
        is_over.wait(0.01)
    rings.offer([StartedRun(1, "message", "second")])
    assert is_over.wait(10)
    assert rung == [["first"], ["second"]]
