"""Starts the chains of stored messages in the background: bounded, and never in the way of an answer."""

import threading
from collections import deque
from collections.abc import Sequence

import structlog

from config.crash_points import crash_point
from config.tracing import current_trace
from store.intake import StartedRun
from webhook_receiver.metrics import RINGS_LOST
from worker.lanes import Lanes
from worker.pipeline import start_all

log = structlog.get_logger()

CAPACITY = 20_000
GATHER = 200


class Publisher:
    """A queue and one thread. What does not fit, or what the broker does not take, the reconciler starts within seconds."""

    def __init__(self, lanes: Lanes) -> None:
        self._lanes = lanes
        self._waiting: deque[tuple[StartedRun, str | None]] = deque()
        self._has_work = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def offer(self, runs: Sequence[StartedRun]) -> None:
        """Take the runs to start them soon. Never blocks, never raises."""
        if not runs:
            return
        trace = current_trace()
        self._ensure_thread()
        for run in runs:
            if len(self._waiting) >= CAPACITY:
                RINGS_LOST.inc()
            else:
                self._waiting.append((run, trace))
        if not self._has_work.is_set():
            self._has_work.set()

    def _ensure_thread(self) -> None:
        if self._thread is not None:
            return
        with self._lock:  # after gunicorn's fork, so that the thread lives in the process that serves
            if self._thread is None:
                self._thread = threading.Thread(target=self._publish_for_ever, name="publisher", daemon=True)
                self._thread.start()

    def _publish_for_ever(self) -> None:
        while True:
            self._has_work.wait()
            self._has_work.clear()  # before it is looked at: what comes meanwhile sets it again
            while self._waiting:
                self._publish([self._waiting.popleft() for _ in range(min(GATHER, len(self._waiting)))])

    def _publish(self, taken: Sequence[tuple[StartedRun, str | None]]) -> None:
        runs = [run for run, _ in taken]
        try:
            crash_point("publisher.before_ring")
            start_all(runs, lanes=self._lanes, traces={run.run_id: trace for run, trace in taken})
            crash_point("publisher.after_ring")
        except Exception as error:  # noqa: BLE001 -- whatever a broker does, the thread must live: nobody starts another
            # No connection, a full memory, a broker that is loading: each has an error class of its own.
            RINGS_LOST.inc(len(runs))
            log.warning("rings_lost", code=type(error).__name__, runs=len(runs))
