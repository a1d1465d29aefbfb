"""Requests that come in at the same time are stored by one transaction: one statement a tenant and one commit, instead of one each.

A request that comes alone is stored at once and alone; those that are being read in the same moment go with it. While a commit is under way,
those that come meanwhile gather, and the next one takes all of them. Nobody is answered before their own rows are committed.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from store.db import StoreError

T = TypeVar("T")

MOST = 200


@dataclass(eq=False)
class _Waiting(Generic[T]):
    """One request's share, and what became of it. woken: it is settled, or its request is to commit for all that wait."""

    share: T
    leads: bool = False
    is_settled: bool = False
    error: StoreError | None = None
    woken: threading.Event = field(default_factory=threading.Event)


class SharedCommits(Generic[T]):
    """store: commits shares in one transaction. Raises: StoreError when none of them is stored."""

    def __init__(self, store: Callable[[list[T]], None]) -> None:
        self._store = store
        self._waiting: list[_Waiting[T]] = []
        # One request commits at a time, for itself and whoever waits; then the first of those that came meanwhile. Each is woken for
        # itself: at a lock for all, whoever comes just when it is free would overtake those who wait for it, again and again.
        self._is_led = False
        self._lock = threading.Lock()

    def put(self, share: T) -> None:
        """Returns when the share is stored. Raises: StoreError when it is not; what strikes a request from outside, such as its deadline."""
        mine = _Waiting(share)
        with self._lock:
            self._waiting.append(mine)
            if not self._is_led:
                self._is_led = mine.leads = True
        try:
            if not mine.leads:
                mine.woken.wait()
            if not mine.is_settled:
                self._gather()
                self._commit_next()
        finally:
            self._leave(mine)
        if mine.error is not None:
            raise mine.error

    def _gather(self) -> None:
        """Let those in who are here already and have not got as far. Else the first of those whose answers have just left would commit
        for itself alone, and all others wait for it.
        """
        seen = 0
        while seen < len(self._waiting) < MOST:
            seen = len(self._waiting)
            time.sleep(0)

    def _commit_next(self) -> None:
        with self._lock:
            batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
        try:
            self._try(batch)
        finally:
            # Whoever committed for them was struck by a deadline of its own: the next one commits for them.
            with self._lock:
                self._waiting[:0] = [one for one in batch if not one.is_settled]
            for one in batch:
                if one.is_settled:
                    one.woken.set()

    def _leave(self, mine: _Waiting[T]) -> None:
        """Wait for nothing more, and let the next one lead."""
        with self._lock:
            if not mine.is_settled and mine in self._waiting:  # its deadline struck first
                self._waiting.remove(mine)
            if not mine.leads:
                return
            self._is_led = bool(self._waiting)
            if self._waiting:
                self._waiting[0].leads = True
                self._waiting[0].woken.set()

    def _try(self, batch: list[_Waiting[T]]) -> None:
        try:
            self._store([one.share for one in batch])
        except StoreError as error:
            # One of them holds what Postgres does not take: the others need not suffer.
            if error.permanent and len(batch) > 1:
                for one in batch:
                    self._try([one])
                return
            for one in batch:
                one.error, one.is_settled = error, True
        else:
            for one in batch:
                one.is_settled = True
