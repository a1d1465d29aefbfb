"""Which of our fields a Zoho account has, remembered for a few minutes by all adapters of a process."""

import time
from collections.abc import Callable

# An administrator may delete a field of ours, and Zoho passes over values of fields that it lacks without a word.
FIELDS_KNOWN_S = 300.0


class KnownFields:
    """Usable fields by account, which may be any text that is the account's alone."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[str, tuple[float, frozenset[str]]] = {}

    def find(self, account: str) -> frozenset[str] | None:
        """None when they have to be read."""
        until, usable = self._known.get(account, (0.0, frozenset[str]()))
        return usable if self._clock() < until else None

    def keep(self, account: str, usable: frozenset[str]) -> None:
        """Remember them, and forget what is too old."""
        now = self._clock()
        self._known = {one: known for one, known in self._known.items() if now < known[0]}
        self._known[account] = (now + FIELDS_KNOWN_S, usable)

    def forget(self, account: str) -> None:
        """They have changed."""
        self._known.pop(account, None)


# One for the process: an adapter lives for one task, and reading the fields for each would double what a small write costs.
SHARED = KnownFields()
