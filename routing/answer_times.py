"""How long customers wait for a person: waits from turns, and whether two times differ by more than chance. Pure.

A wait begins with the first message that nobody has answered, or with its first negative one where only those are asked for, and
ends with the first answer of a person after it. Automations end none. Times are the provider's, around the clock.
"""

import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import NormalDist
from typing import Literal

Verdict = Literal["faster", "slower", "no_difference", "not_enough"]

FEWEST_WAITS = 30
"""With fewer on either side nothing is claimed."""
UNANSWERED_AFTER = timedelta(days=7)
"""An answer later than this answers something else."""
MOST_CHANCE = 0.05
RESAMPLES = 2000
NEVER = math.inf


@dataclass(frozen=True)
class Turn:
    """One message of a conversation. by: the customer, or a person of the business. negative: None for a person's."""

    at: datetime
    by: Literal["customer", "person"]
    negative: bool | None = None


@dataclass(frozen=True)
class Wait:
    """One wait. minutes: until a person answered, NEVER when nobody did."""

    began_at: datetime
    minutes: float


def waits_of(turns: Iterable[Turn], *, only_negative: bool, now: datetime) -> list[Wait]:
    """The waits of one conversation, from its turns in any order. One that may still be answered in time is left out."""
    waits: list[Wait] = []
    began_at: datetime | None = None
    # A person's answer of the same second is one to the message.
    for turn in sorted(turns, key=lambda turn: (turn.at, turn.by == "person")):
        if turn.by == "customer":
            if began_at is None and (turn.negative or not only_negative):
                began_at = turn.at
        elif began_at is not None:
            waited = turn.at - began_at
            waits.append(Wait(began_at, waited / timedelta(minutes=1) if waited <= UNANSWERED_AFTER else NEVER))
            began_at = None
    if began_at is not None and now - began_at > UNANSWERED_AFTER:
        waits.append(Wait(began_at, NEVER))
    return waits


def quantile(values: Sequence[float], share: float) -> float | None:
    """The value that so much of them do not exceed, interpolated; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low, high = ordered[math.floor(place)], ordered[math.ceil(place)]
    if low == high or place == math.floor(place):
        return low
    return low + (high - low) * (place - math.floor(place))


@dataclass(frozen=True)
class SideFigures:
    """One side of a comparison. Minutes; median and p90 are NEVER when so many were not answered, None when there is nothing."""

    waits: int
    unanswered: int
    median: float | None
    p90: float | None


@dataclass(frozen=True)
class Comparison:
    """Two sides. interval: where 95 of 100 such samples have the difference of the medians (after minus before), in minutes.

    p_value: of Mann and Whitney's test, two-sided. Both are None when there is not enough.
    """

    before: SideFigures
    after: SideFigures
    difference: float | None
    interval: tuple[float, float] | None
    p_value: float | None
    verdict: Verdict


def side_figures(minutes: Sequence[float]) -> SideFigures:
    """Counts, median and p90. Who was never answered waited longest."""
    return SideFigures(len(minutes), sum(map(math.isinf, minutes)), quantile(minutes, 0.5), quantile(minutes, 0.9))


def compare(before: Sequence[float], after: Sequence[float], *, dice: random.Random) -> Comparison:
    """Whether people answer faster than before. Claims nothing with fewer than FEWEST_WAITS on a side, nor what chance explains."""
    sides = side_figures(before), side_figures(after)
    if min(len(before), len(after)) < FEWEST_WAITS:
        return Comparison(*sides, difference=None, interval=None, p_value=None, verdict="not_enough")
    p_value = mann_whitney(before, after)
    interval = bootstrap_difference(before, after, dice=dice)
    was, is_now = sides[0].median, sides[1].median
    assert was is not None and is_now is not None
    difference = is_now - was if math.isfinite(was) and math.isfinite(is_now) else None
    verdict: Verdict = "no_difference"
    if p_value < MOST_CHANCE and is_now != was and (interval is None or not interval[0] <= 0 <= interval[1]):
        verdict = "faster" if is_now < was else "slower"
    return Comparison(*sides, difference=difference, interval=interval, p_value=p_value, verdict=verdict)


def mann_whitney(one: Sequence[float], other: Sequence[float]) -> float:
    """Two-sided p-value that the two come from the same source: normal approximation, corrected for ties and continuity.

    Good from about twenty on each side. Source: Mann and Whitney 1947; the tie correction as in Lehmann, Nonparametrics, 1.2.
    """
    ranks, ties = _ranks([*one, *other])
    n, m = len(one), len(other)
    total = n + m
    u = sum(ranks[:n]) - n * (n + 1) / 2
    variance = n * m / 12 * (total + 1 - ties / (total * (total - 1)))
    if variance <= 0:
        return 1.0
    z = max(abs(u - n * m / 2) - 0.5, 0.0) / math.sqrt(variance)
    return 2 * (1 - NormalDist().cdf(z))


def _ranks(values: Sequence[float]) -> tuple[list[float], float]:
    """Mean ranks from 1, and the sum of t³ - t over groups of equal values."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    ties = 0.0
    start = 0
    while start < len(order):
        end = start
        while end + 1 < len(order) and values[order[end + 1]] == values[order[start]]:
            end += 1
        for place in range(start, end + 1):
            ranks[order[place]] = (start + end) / 2 + 1
        size = end - start + 1
        ties += size**3 - size
        start = end + 1
    return ranks, ties


def bootstrap_difference(
    before: Sequence[float], after: Sequence[float], *, dice: random.Random
) -> tuple[float, float] | None:
    """The middle 95 of 100 differences of medians between resamples; None when a median is NEVER in some of them."""
    draw: Callable[[Sequence[float]], float | None] = lambda values: quantile(dice.choices(values, k=len(values)), 0.5)  # noqa: E731
    # Large samples need fewer resamples: the whole stays quick.
    resamples = max(400, min(RESAMPLES, 4_000_000 // (len(before) + len(after))))
    differences: list[float] = []
    for _ in range(resamples):
        was, is_now = draw(before), draw(after)
        assert was is not None and is_now is not None
        if math.isinf(was) or math.isinf(is_now):
            return None
        differences.append(is_now - was)
    low, high = quantile(differences, 0.025), quantile(differences, 0.975)
    assert low is not None and high is not None
    return low, high
