"""A year of a tenant's hourly counts as they really come: weekdays, growth, scatter, seasons, sales; and regressions planted in it."""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from routing.trends import HOUR, OVERALL, Count, Series

START = datetime(2025, 1, 6, tzinfo=UTC)
# topic: (part of the messages, usual share of negatives)
TOPICS = {
    "shipping": (0.26, 0.14),
    "refund": (0.14, 0.22),
    "billing": (0.08, 0.12),
    "payment": (0.10, 0.09),
    "account": (0.08, 0.08),
    "app": (0.10, 0.15),
    "pricing": (0.12, 0.03),
    "checkout": (0.12, 0.045),
}
HOURS = [
    0.3,
    0.2,
    0.1,
    0.1,
    0.1,
    0.2,
    0.4,
    0.8,
    1.2,
    1.5,
    1.6,
    1.6,
    1.5,
    1.5,
    1.5,
    1.5,
    1.5,
    1.5,
    1.6,
    1.8,
    1.8,
    1.5,
    1.0,
    0.6,
]
WEEKDAYS = [1.15, 1.1, 1.05, 1.0, 1.0, 0.85, 0.85]
# What a weekday does to the share itself: parcels that did not come by Saturday are complained about on Monday.
WEEKDAY_SHARES = [1.12, 1.0, 0.98, 0.97, 0.98, 1.0, 1.05]


@dataclass(frozen=True)
class Planted:
    """A regression: from `begin` for some days the topic's share is `factor` times what it was."""

    topic: str
    begin: datetime
    days: int
    factor: float

    def covers(self, topic: str, at: datetime) -> bool:
        """Whether it is on."""
        return topic == self.topic and self.begin <= at < self.begin + timedelta(days=self.days)


def poisson(rng: random.Random, mean: float) -> int:
    """By inversion; by the normal curve where that is the same to the eye."""
    if mean > 60:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    limit, product, count = math.exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count


def binomial(rng: random.Random, n: int, p: float) -> int:
    """By inversion, in pieces small enough for it."""
    total = 0
    while n > 0:
        piece = min(n, 50)
        n -= piece
        term = (1 - p) ** piece
        draw, k = rng.random(), 0
        while draw > term and k < piece:
            draw -= term
            term *= (piece - k) / (k + 1) * p / (1 - p)
            k += 1
        total += k
    return total


def make_year(
    per_day: float,
    *,
    seed: int,
    planted: tuple[Planted, ...] = (),
    days: int = 365,
    scatter: float = 0.12,
    shares: Mapping[str, float] | None = None,
) -> dict[str, Series]:
    """Hourly series by topic and overall. scatter: by how much of itself each topic's share varies
    from day to day. shares: of topics whose usual share is to be another.
    """
    rng = random.Random(seed)  # noqa: S311
    sales = {rng.randrange(days) for _ in range(6)}
    phases = {topic: rng.random() * 2 * math.pi for topic in TOPICS}
    counts: dict[str, dict[datetime, Count]] = {topic: {} for topic in TOPICS}
    overall: dict[datetime, Count] = {}
    for day in range(days):
        date = START + timedelta(days=day)
        volume = per_day * WEEKDAYS[date.weekday()] * (1 + 0.4 * day / days) * rng.lognormvariate(0, 0.08)
        volume *= 4 if day in sales or day - 1 in sales else 1
        for topic, (part, usual) in TOPICS.items():
            usual = (shares or {}).get(topic, usual)  # noqa: PLW2901
            season = 1 + 0.25 * math.sin(2 * math.pi * day / 365 + phases[topic])
            share = min(usual * season * WEEKDAY_SHARES[date.weekday()], 0.9)
            today = share * rng.lognormvariate(-(scatter**2) / 2, scatter)
            for hour in range(24):
                at = date + HOUR * hour
                n = poisson(rng, volume * part * HOURS[hour] / sum(HOURS))
                if n == 0:
                    continue
                factor = next((one.factor for one in planted if one.covers(topic, at)), 1.0)
                negatives = binomial(rng, n, min(today * factor, 0.95))
                counts[topic][at] = Count(n, negatives)
                so_far = overall.get(at, Count(0, 0))
                overall[at] = Count(so_far.messages + n, so_far.negatives + negatives)
    last = START + timedelta(days=days)
    everything = {**counts, OVERALL: overall}
    return {topic: Series(hours, first=START, last=last) for topic, hours in everything.items()}


def plant(per_day: float, *, seed: int, days: int = 365) -> tuple[Planted, ...]:
    """Four regressions a year, ×2 to ×3 for two to eight days, on topics that have enough messages to show one."""
    rng = random.Random(seed + 7_000_000)  # noqa: S311
    # Enough: at the usual share ×2, two days hold at least 80 negatives.
    able = [topic for topic, (part, usual) in TOPICS.items() if per_day * part * usual * 2 * 2 >= 80]
    if not able:
        return ()
    begin_days = [rng.randrange(quarter * days // 4 + 20, (quarter + 1) * days // 4 - 20) for quarter in range(4)]
    return tuple(
        Planted(
            rng.choice(able),
            START + timedelta(days=day, hours=rng.randrange(24)),
            rng.randrange(2, 9),
            rng.uniform(2, 3),
        )
        for day in begin_days
    )
