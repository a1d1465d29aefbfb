"""How soon a dead child is started again."""

from collections import deque

WINDOW_S = 10.0
DEATHS_IN_WINDOW = 5
FIRST_DELAY_S = 0.5
MAX_DELAY_S = 5.0


class RestartPacing:
    """At once; after more than 5 deaths in 10 s: after 0.5 s, doubling up to 5 s, until one lives for 10 s."""

    def __init__(self) -> None:
        self._deaths: deque[float] = deque(maxlen=DEATHS_IN_WINDOW + 1)
        self._delay_s = 0.0

    def delay_s(self, *, started_at: float, died_at: float) -> float:
        """Count a death and say how long to wait. Times are monotonic seconds."""
        if died_at - started_at >= WINDOW_S:
            self._deaths.clear()
            self._delay_s = 0.0
        self._deaths.append(died_at)
        too_many = len(self._deaths) > DEATHS_IN_WINDOW and died_at - self._deaths[0] < WINDOW_S
        if too_many or self._delay_s:
            self._delay_s = min(MAX_DELAY_S, max(FIRST_DELAY_S, 2 * self._delay_s))
        return self._delay_s
