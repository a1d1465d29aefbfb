"""Requests that come in at the same time are stored by one transaction: one statement a tenant and one commit, instead of one each.

A request that comes alone is stored at once and alone. While a commit is under way, those that come meanwhile gather, and the next one
takes all of them. Nobody is answered before their own rows are committed.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from store.db import StoreError

T = TypeVar("T")

MOST = 200


@dataclass(eq=False)
class _Waiting(Generic[T]):
    """One request's share, and what became of it."""

    share: T
    is_settled: bool = False
    error: StoreError | None = None


class SharedCommits(Generic[T]):
    """store: commits shares in one transaction. Raises: StoreError when none of them is stored."""

    def __init__(self, store: Callable[[list[T]], None]) -> None:
        self._store = store
        self._waiting: list[_Waiting[T]] = []
        self._lock = threading.Lock()
        # One commit at a time: whoever has the turn finds their share stored already, or still waiting, and never in somebody else's hands.
        self._turn = threading.Lock()

    def put(self, share: T) -> None:
        """Returns when the share is stored. Raises: StoreError when it is not; what strikes a request from outside, such as its deadline."""
        mine = _Waiting(share)
        with self._lock:
            self._waiting.append(mine)
        try:
            with self._turn:
                while not mine.is_settled:
                    self._commit_next()
        finally:
            with self._lock:
                if mine in self._waiting:  # its deadline struck first
                    self._waiting.remove(mine)
        if mine.error is not None:
            raise mine.error

    def _commit_next(self) -> None:
        with self._lock:
            batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
        try:
            self._try(batch)
        finally:
            # Whoever committed for them was struck by a deadline of its own: the next one commits for them.
            with self._lock:
                self._waiting[:0] = [one for one in batch if not one.is_settled]

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
