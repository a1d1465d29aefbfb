"""Counts of queues for many open pages: when something happens in a tenant, all of its pages ask at once, and one count serves them."""

import threading
import time
from dataclasses import dataclass, field

from store.conversation_lists import QueueCount, count_queues
from store.db import Connection
from store.live_changes import find_newest_change

# Of what a transaction wrote that began before the newest change and ended after the count, pages hear so late at most.
GOOD_FOR_S = 2.0


@dataclass
class _Counted:
    """The last count of one tenant. change: the newest one that it can have seen."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    change: str | None = None
    at: float | None = None
    counts: list[QueueCount] = field(default_factory=list[QueueCount])


class QueueCounts:
    """Of this process. A count is used again while nothing has changed in the tenant, for GOOD_FOR_S at most."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counted: dict[int, _Counted] = {}

    def read(self, conn: Connection, tenant_id: int) -> list[QueueCount]:
        """By queue, then priority, as `count_queues` says it. The transaction must act for the tenant."""
        with self._lock:
            counted = self._counted.setdefault(tenant_id, _Counted())
        with counted.lock:
            change = find_newest_change(conn, tenant_id)
            now = time.monotonic()
            if counted.at is None or change != counted.change or now - counted.at > GOOD_FOR_S:
                counted.counts = count_queues(conn, tenant_id)
                counted.change, counted.at = change, now
            return counted.counts
