"""Keeps the leases of this process's outside calls alive while they go on."""

import threading
from collections.abc import Generator
from contextlib import contextmanager

import structlog

from store.crm_connections import renew_turns
from store.db import Database, StoreError
from store.runs import LEASE_S, renew_leases
from store.sweep_leases import renew_sweep_leases
from store.trial_records import renew_trial_leases

RENEW_EVERY_S = LEASE_S / 3

log = structlog.get_logger()


class LeaseKeeper:
    """One thread renews all leases of the process in one statement. A killed process stops renewing, and that is the point."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._tokens: set[str] = set()
        self._thread: threading.Thread | None = None

    @contextmanager
    def keep(self, token: str) -> Generator[None]:
        """Renew the lease until the block ends."""
        with self._lock:
            self._tokens.add(token)
            if self._thread is None:
                self._thread = threading.Thread(target=self._renew_for_ever, name="lease-keeper", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._tokens.discard(token)

    def _renew_for_ever(self) -> None:
        pause = threading.Event()
        while not pause.wait(RENEW_EVERY_S):
            with self._lock:
                tokens = list(self._tokens)
            if not tokens:
                continue
            try:
                with self._database.system_transaction() as conn:
                    renew_leases(conn, tokens)
                # On its own: a sweep's row may be locked for a moment, and live messages must not wait for it.
                with self._database.system_transaction() as conn:
                    renew_sweep_leases(conn, tokens)
                with self._database.system_transaction() as conn:
                    renew_turns(conn, tokens)
                    renew_trial_leases(conn, tokens)
            except StoreError as error:
                # The lease may run out; then another worker calls once more and this one's answer is refused.
                log.warning("lease_renewal_failed", code=error.code, leases=len(tokens))
