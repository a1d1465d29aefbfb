"""Handshakes and refusals by account, written down within a second: who connects an account sees what is missing."""

import threading
import time
from collections import Counter
from collections.abc import Iterable

import structlog

from store.channel_sightings import Sighting, note_sightings
from store.db import Database, StoreError

log = structlog.get_logger()

FLUSH_EVERY_S = 1.0
# Strangers can name accounts as they like: more different ones than this within a second are not worth knowing.
MOST_AT_ONCE = 200


class Sightings:
    """Counts in memory and one thread that writes them. A killed process loses a second of them, never a message."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._seen: Counter[Sighting] = Counter()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def note(self, seen: Iterable[Sighting]) -> None:
        """Never blocks, never raises."""
        with self._lock:
            for one in seen:
                if one in self._seen or len(self._seen) < MOST_AT_ONCE:
                    self._seen[one] += 1
            if (
                self._seen and self._thread is None
            ):  # after gunicorn's fork, so that it lives in the process that serves
                self._thread = threading.Thread(target=self._flush_for_ever, name="sightings", daemon=True)
                self._thread.start()

    def flush(self) -> None:
        """Write what was seen; what can't be written is forgotten: the next try of the sender shows it again."""
        with self._lock:
            seen, self._seen = self._seen, Counter()
        if not seen:
            return
        try:
            with self._database.system_transaction() as conn:
                note_sightings(conn, seen)
        except StoreError as error:
            log.info("sightings_not_written", code=error.code)

    def _flush_for_ever(self) -> None:
        while True:
            time.sleep(FLUSH_EVERY_S)
            self.flush()
