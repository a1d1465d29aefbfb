"""Whether the AI provider may be called now: its breaker, the requests a minute that all workers share, models that are gone."""

import threading
import time
from dataclasses import dataclass, field

from analysis.base import MODEL_NOT_FOUND, AnalysisError
from worker.circuit_breaker import CircuitBreaker
from worker.rate_budget import Bucket, RateBudget

# Of what the provider allows; the rest is for whoever else uses the key.
SHARE_OF_LIMIT = 0.8
# Bulk work stops at this share of ours, so that a live message always finds room.
BULK_SHARE = 0.5
# A shorter wait for one's turn is slept here; a longer one frees the thread.
MAX_SLEEP_S = 1.0
# A name that the provider did not know is tried again after this long.
MISSING_FOR_S = 300.0


@dataclass
class ProviderGate:
    """One per process; what it knows of breaker and budget is shared through the broker's server."""

    breaker: CircuitBreaker
    budget: RateBudget
    fixed_per_min: int | None = None
    """What the operator has set for every model: what answers say does not count then."""
    _said_per_min: dict[str, int] = field(default_factory=dict[str, int])
    _missing: dict[str, float] = field(default_factory=dict[str, float])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait_s(self, model: str, *, bulk: bool = False) -> float:
        """0 when the model may be called now (a turn is taken then), else how long to leave it alone.

        A wait of under a second for one's turn is slept through.
        """
        away_s = self.breaker.wait_s(model)
        if away_s > 0:
            return away_s
        give_up_at = time.monotonic() + MAX_SLEEP_S
        while (turn_s := self.budget.take(self._buckets(model, bulk=bulk))) > 0:
            if time.monotonic() + turn_s > give_up_at:
                self.give_back(model)
                return turn_s
            time.sleep(turn_s)
        return 0.0

    def take_now(self, model: str, *, bulk: bool = False) -> bool:
        """Whether the model may be called at once: a turn is taken then, and nothing otherwise. Never sleeps."""
        if self.breaker.wait_s(model) > 0:
            return False
        if self.budget.take(self._buckets(model, bulk=bulk)) > 0:
            self.give_back(model)
            return False
        return True

    def _buckets(self, model: str, *, bulk: bool) -> list[Bucket]:
        per_min = self.fixed_per_min or self._said_per_min.get(model)
        if per_min is None:  # until the provider has said
            return []
        per_s = per_min * SHARE_OF_LIMIT / 60
        buckets = [Bucket(f"model:{model}", per_s=per_s, burst=max(1, round(per_s * 5)))]
        if bulk:
            share = per_s * BULK_SHARE
            buckets.append(Bucket(f"model:{model}:bulk", per_s=share, burst=max(1, round(share))))
        return buckets

    def note_answer(self, model: str, *, requests_per_min: int | None) -> bool:
        """The model answered, and said perhaps how often it may be asked. True when it was away: what waits may go on."""
        if requests_per_min:
            self._said_per_min[model] = requests_per_min
        return self.breaker.report(model, failed=False)

    def note_failure(self, model: str, error: AnalysisError) -> bool:
        """What a failure says about calls to come. True when it shows that the provider, which was away, works: it refused, or
        named a limit.
        """
        if error.code == MODEL_NOT_FOUND:
            with self._lock:
                self._missing[model] = time.monotonic() + MISSING_FOR_S
            return self.breaker.report(model, failed=True, pause_s=MISSING_FOR_S)
        if error.needs_person:
            return self.breaker.report(model, failed=True, pause_s=error.retry_after_s or MISSING_FOR_S)
        return self.breaker.report(model, failed=error.trips_breaker)

    def give_back(self, model: str) -> None:
        """The call was not made after all."""
        self.breaker.give_back(model)

    def choose(self, wanted: str, *, instead: str | None) -> str:
        """The wanted model, or the other one while the provider knows only that."""
        now = time.monotonic()
        with self._lock:
            known = [model for model in (wanted, instead) if model and self._missing.get(model, 0.0) <= now]
        return known[0] if known else wanted
