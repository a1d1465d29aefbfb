"""How many of a worker's threads may be with CRMs of one kind, and with CRMs in trouble: the others' work never waits for them."""

import threading
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager

from worker.roles import ROLES

_THREADS = ROLES["crm"].concurrency
# A vendor whose servers hang takes all its tenants' turns at once; threads are left for the other vendors.
OF_ONE_KIND = _THREADS * 3 // 4
# CRMs that did not work last time are tried a few at a time.
IN_TROUBLE = _THREADS // 4


class Seats:
    """The seats of one process."""

    def __init__(self, *, of_one_kind: int = OF_ONE_KIND, in_trouble: int = IN_TROUBLE) -> None:
        self._of_one_kind, self._in_trouble = of_one_kind, in_trouble
        self._taken: Counter[str] = Counter()
        self._troubled = 0
        self._lock = threading.Lock()

    @contextmanager
    def seat(self, kind: str, *, is_troubled: bool) -> Generator[bool]:
        """Whether there is a seat, kept until the block ends. Nobody waits for one."""
        with self._lock:
            has_seat = self._taken[kind] < self._of_one_kind and not (
                is_troubled and self._troubled >= self._in_trouble
            )
            self._taken[kind] += has_seat
            self._troubled += has_seat and is_troubled
        try:
            yield has_seat
        finally:
            with self._lock:
                self._taken[kind] -= has_seat
                self._troubled -= has_seat and is_troubled


SEATS = Seats()
