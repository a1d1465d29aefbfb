"""A gate for what open pages ask by themselves: hundreds of them ask at once when something happens, or when a process is new."""

import threading

# Fewer than there are connections, so that a person who opens a page finds one.
AT_ONCE = 4
# Then the page is told to ask again later.
MOST_WAIT_S = 30.0


class ScriptGate:
    """Lets a few through at a time, the others wait their turn; people's own pages do not go through it."""

    def __init__(self, *, at_once: int = AT_ONCE, most_wait_s: float = MOST_WAIT_S) -> None:
        self._free = threading.BoundedSemaphore(at_once)
        self._most_wait_s = most_wait_s

    def enter(self) -> bool:
        """False when it took too long."""
        return self._free.acquire(timeout=self._most_wait_s)

    def leave(self) -> None:
        """Whoever entered must."""
        self._free.release()
