"""How much of a CRM account's allowance Earshot may use, and what the CRM says is left of it."""

from dataclasses import dataclass
from typing import Literal, Protocol

Lane = Literal["general", "search"]


@dataclass(frozen=True)
class RateLimit:
    """So many units within any such span of time."""

    units: int
    seconds: float


@dataclass(frozen=True)
class AccountLimits:
    """What a vendor allows an account of the smallest plan, in the vendor's own unit: requests, credits or tokens.

    Answers that tell more (Usage) replace these. day: None where the vendor publishes none.
    """

    day: int | None
    general: RateLimit | None = None
    search: RateLimit | None = None


@dataclass(frozen=True)
class Usage:
    """What an answer's headers say. None: they don't say. A day is the vendor's own, or its last 24 hours.

    window_left: units left in the vendor's short window, which ends in window_ends_in_s.
    """

    day_limit: int | None = None
    day_left: int | None = None
    window_left: int | None = None
    window_ends_in_s: float | None = None


class Meter(Protocol):
    """Asked before each request and told of each answer; shared by all workers of one CRM account."""

    def take(self, cost: int, *, lane: Lane) -> None:
        """Count `cost` units. Raises: CrmError "budget_used", not permanent, with retry_after_s, when they are not to be had."""
        ...

    def learn(self, usage: Usage) -> None:
        """Take over what the CRM says."""
        ...

    def rest(self, seconds: float) -> None:
        """The CRM refused for its limits: nobody asks it for so long."""
        ...


class Unmetered:
    """No limits: for a single command."""

    def take(self, cost: int, *, lane: Lane) -> None:
        """Always to be had."""

    def learn(self, usage: Usage) -> None:
        """Nothing to keep."""

    def rest(self, seconds: float) -> None:
        """Nobody else to hold back."""
