"""How many webhooks each account got, written down now and then: from this the watchdog knows what silence is unusual."""

import threading
import time
from collections import Counter
from collections.abc import Iterable

import structlog

from store.channel_health import count_webhooks
from store.db import Database, StoreError

log = structlog.get_logger()

FLUSH_EVERY_S = 5.0


class Activity:
    """Counts in memory and one thread that writes them. A killed process loses some seconds of counts, never a message."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._counts: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def note(self, accounts: Iterable[tuple[str, str]]) -> None:
        """A webhook named these accounts, each (kind, account id), all of them known. Never blocks, never raises."""
        with self._lock:
            self._counts.update(accounts)
            if self._thread is None:  # after gunicorn's fork, so that it lives in the process that serves
                self._thread = threading.Thread(target=self._flush_for_ever, name="activity", daemon=True)
                self._thread.start()

    def flush(self) -> None:
        """Write what was counted; what can't be written is counted again."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            with self._database.system_transaction() as conn:
                count_webhooks(conn, counts)
        except StoreError as error:
            log.info("activity_not_written", code=error.code)
            with self._lock:
                self._counts.update(counts)

    def _flush_for_ever(self) -> None:
        while True:
            time.sleep(FLUSH_EVERY_S)
            self.flush()
