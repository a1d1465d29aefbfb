"""Upkeep that fails quietly, and what of it runs one at a time."""

import threading
import time

from kombu.exceptions import OperationalError

from store.db import StoreError
from worker.quiet_work import count_quietly, do_quietly


def test_what_counts_over_many_rows_runs_one_at_a_time():
    under_way, most = [], []

    def count() -> None:
        under_way.append(True)
        most.append(len(under_way))
        time.sleep(0.01)
        under_way.pop()

    threads = [threading.Thread(target=count_quietly, args=(count,), kwargs={"name": "x"}) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 8


def test_a_server_that_is_away_is_no_exception_and_the_next_one_counts():
    def fail(error: Exception) -> None:
        raise error

    for error in (StoreError("no_connection", permanent=False), OperationalError("away")):
        count_quietly(lambda error=error: fail(error), name="x")
        do_quietly(lambda error=error: fail(error), name="x")
    counted = []
    count_quietly(lambda: counted.append(True), name="x")
    assert counted == [True]
