"""How much a HubSpot account may ask: in ten seconds, of search in one second, and in a day."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from devstack.standins.exchange import Answer
from devstack.standins.hubspot_errors import CORRELATION_ID, Refused

# Of the free and starter plans (usage guidelines, 2026); an app that a user installed has 110, and no daily headers.
TEN_SECONDLY, TEN_SECONDLY_OAUTH, SEARCHES_PER_SECOND, DAY = 100, 110, 4, 250_000


class Limited(Refused):
    """A 429, whose body has a shape of its own."""

    def __init__(self, policy: str) -> None:
        words = policy.lower().replace("_rolling", " rolling")
        super().__init__(429, "RATE_LIMITS", f"You have reached your {words} limit.")
        self._policy = policy

    def answer(self) -> Answer:
        """It says which limit, and not for how long."""
        body = {
            "status": "error",
            "message": self.message,
            "errorType": "RATE_LIMIT",
            "correlationId": CORRELATION_ID,
            "policyName": self._policy,
        }
        return Answer(body, self.status)


@dataclass
class Allowance:
    """What one account has used. Refused requests count nothing."""

    clock: Callable[[], float] = time.monotonic
    _window: deque[float] = field(default_factory=deque[float])
    _searches: deque[float] = field(default_factory=deque[float])
    _day_began: float | None = None
    _day_used: int = 0

    def take(self, *, search: bool, oauth: bool, day_limit: int | None, day_s: float) -> dict[str, str]:
        """Count one request; the headers of its answer, which a search has not. Raises: Limited."""
        now = self.clock()
        _forget(self._window, before=now - 10)
        _forget(self._searches, before=now - 1)
        if self._day_began is None or now - self._day_began >= day_s:
            self._day_began, self._day_used = now, 0
        a_day, a_window = DAY if day_limit is None else day_limit, TEN_SECONDLY_OAUTH if oauth else TEN_SECONDLY
        if self._day_used >= a_day:
            raise Limited("DAILY")
        if search and len(self._searches) >= SEARCHES_PER_SECOND:
            raise Limited("SECONDLY")
        if not search and len(self._window) >= a_window:
            raise Limited("TEN_SECONDLY_ROLLING")
        self._day_used += 1
        (self._searches if search else self._window).append(now)
        headers = {
            "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
            "X-HubSpot-RateLimit-Max": str(a_window),
            "X-HubSpot-RateLimit-Remaining": str(a_window - len(self._window)),
        }
        daily = {
            "X-HubSpot-RateLimit-Daily": str(a_day),
            "X-HubSpot-RateLimit-Daily-Remaining": str(a_day - self._day_used),
        }
        if search:
            return {}
        return headers if oauth else headers | daily


def _forget(times: deque[float], *, before: float) -> None:
    while times and times[0] <= before:
        times.popleft()
