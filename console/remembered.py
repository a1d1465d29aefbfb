"""What a page has worked out, for the next one that asks the same."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Remembered(Generic[T]):
    """The newest `kept` answers by what was asked, none older than `max_age_s` seconds. Of several who ask at once each may work it out."""

    def __init__(self, *, kept: int, max_age_s: float = float("inf")) -> None:
        self._kept, self._max_age_s = kept, max_age_s
        self._lock = threading.Lock()
        self._known: OrderedDict[Hashable, tuple[float, T]] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The answer that is known, else the one that `make` gives now."""
        with self._lock:
            known = self._known.get(key)
            if known is not None and time.monotonic() - known[0] < self._max_age_s:
                self._known.move_to_end(key)
                return known[1]
        made = make()
        with self._lock:
            self._known[key] = (time.monotonic(), made)
            self._known.move_to_end(key)
            while len(self._known) > self._kept:
                self._known.popitem(last=False)
        return made
