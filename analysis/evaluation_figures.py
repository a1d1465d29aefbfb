"""The statistics of an evaluation: what a count says of the truth behind it. Pure; the only chance is a generator passed in."""

import math
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Z_95 = 1.959963984540054
BINS = 10
RESAMPLES = 1000
FEWEST_RESAMPLES = 200
MOST_DRAWS = 10_000_000
# Six changes in one direction are the fewest that McNemar's exact test calls more than chance: 2 * 0.5**6 = 0.031.
FEWEST_CHANGES = 6

Confusion = Mapping[tuple[str, str], int]
"""(label, answer) to how many."""


@dataclass(frozen=True)
class Interval:
    """Where the true value lies in 95 of 100 such samples."""

    low: float
    high: float


@dataclass(frozen=True)
class Share:
    """`right` of `n`. value and interval are None when there was nothing to count."""

    n: int
    right: int
    value: float | None
    interval: Interval | None


@dataclass(frozen=True)
class ClassFigures:
    """One label. None where nothing divides: precision of an answer never given."""

    label: str
    support: int
    answered: int
    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True)
class Bin:
    """Answers whose score is in [low, high); the last bin holds 1.0 too."""

    low: float
    high: float
    n: int
    mean_score: float | None
    right: float | None


@dataclass(frozen=True)
class Calibration:
    """Whether a score of 0.8 means 8 of 10 right. ece: mean gap between score and truth; brier: mean squared error of the score.

    brier_of_constant: what always saying the overall share of right labels would get; a useful score is below.
    """

    n: int
    ece: float | None
    brier: float | None
    brier_of_constant: float | None
    bins: tuple[Bin, ...]


@dataclass(frozen=True)
class McNemar:
    """Two runs over the same rows. p: how often chance alone would differ so much, were both equally good."""

    only_before: int
    only_now: int
    p: float


def wilson(right: int, n: int) -> Interval:
    """The 95 % score interval of a share (Wilson 1927): never empty, never outside 0 to 1. n is at least 1."""
    share, square = right / n, Z_95**2
    middle = _middle(right, n)
    reach = Z_95 * math.sqrt(share * (1 - share) / n + square / (4 * n**2)) / (1 + square / n)
    return Interval(max(0.0, middle - reach), min(1.0, middle + reach))


def _middle(right: int, n: int) -> float:
    square = Z_95**2
    return (right / n + square / (2 * n)) / (1 + square / n)


def share(right: int, n: int) -> Share:
    """`right` of `n`, with its interval."""
    return Share(n, right, right / n, wilson(right, n)) if n else Share(0, 0, None, None)


def detectable_difference(right: int, n: int) -> float:
    """The smallest difference in accuracy between two runs of this size that is more than chance, at 95 %.

    Two independent samples, around the middle of the Wilson interval so that a perfect run is not taken for certain; and never less
    than the six rows without which no two runs can be told apart. n is at least 1.
    """
    middle = _middle(right, n)
    return min(1.0, max(FEWEST_CHANGES / n, Z_95 * math.sqrt(2 * middle * (1 - middle) / n)))


def class_figures(confusion: Confusion) -> tuple[ClassFigures, ...]:
    """Every label that occurs as label or as answer, most frequent first, then by name."""
    support: Counter[str] = Counter()
    answered: Counter[str] = Counter()
    for (label, answer), count in confusion.items():
        support[label] += count
        answered[answer] += count
    figures: list[ClassFigures] = []
    for label in sorted(support | answered, key=lambda name: (-support[name], name)):
        right = confusion.get((label, label), 0)
        figures.append(
            ClassFigures(
                label=label,
                support=support[label],
                answered=answered[label],
                precision=right / answered[label] if answered[label] else None,
                recall=right / support[label] if support[label] else None,
                f1=2 * right / (support[label] + answered[label]) if support[label] else None,
            )
        )
    return tuple(figures)


def macro_f1(confusion: Confusion) -> float | None:
    """The mean F1 of the labels that occur in the file; None when there are none. An answer that is no label there has no F1."""
    scores = [figures.f1 for figures in class_figures(confusion) if figures.f1 is not None]
    return sum(scores) / len(scores) if scores else None


def bootstrap_interval(
    confusion: Confusion, *, statistic: Callable[[Confusion], float | None], rng: random.Random
) -> Interval | None:
    """The middle 95 % of the statistic over samples drawn anew from these answers.

    None when there are none, or when all samples are alike, as of a run without an error: then the method cannot see how sure it is.
    """
    cells = sorted(cell for cell, count in confusion.items() if count)
    n = sum(confusion.values())
    if not cells:
        return None
    weights = [confusion[cell] for cell in cells]
    drawn = [
        value
        for _ in range(max(FEWEST_RESAMPLES, min(RESAMPLES, MOST_DRAWS // n)))
        if (value := statistic(Counter(rng.choices(cells, weights, k=n)))) is not None
    ]
    if len(set(drawn)) < 2:
        return None
    return Interval(percentile(drawn, 0.025), percentile(drawn, 0.975))


def percentile(values: Sequence[float], part: float) -> float:
    """The smallest value that at least this part of the values does not exceed (nearest rank). Never of an empty sequence."""
    return sorted(values)[max(math.ceil(part * len(values)), 1) - 1]


def calibration(scored: Sequence[tuple[float, bool]]) -> Calibration:
    """How scores and truth agree. scored: (score from 0.0 to 1.0, whether the label was right)."""
    members: list[list[tuple[float, bool]]] = [[] for _ in range(BINS)]
    for score, right in scored:
        members[min(int(score * BINS), BINS - 1)].append((score, right))
    bins = tuple(_bin(position, inside) for position, inside in enumerate(members))
    n = len(scored)
    if not n:
        return Calibration(0, None, None, None, bins)
    rate = sum(right for _, right in scored) / n
    gaps = (
        one.n * abs(one.mean_score - one.right) for one in bins if one.mean_score is not None and one.right is not None
    )
    brier = sum((score - right) ** 2 for score, right in scored) / n
    return Calibration(n, sum(gaps) / n, brier, rate * (1 - rate), bins)


def _bin(position: int, inside: list[tuple[float, bool]]) -> Bin:
    n = len(inside)
    low, high = position / BINS, (position + 1) / BINS
    if not n:
        return Bin(low, high, 0, None, None)
    return Bin(low, high, n, sum(score for score, _ in inside) / n, sum(right for _, right in inside) / n)


def mcnemar(*, only_before: int, only_now: int) -> McNemar:
    """The exact two-sided test on the rows that only one of the two runs got right (McNemar 1947)."""
    n, fewer = only_before + only_now, min(only_before, only_now)
    tail = term = 1
    for k in range(1, fewer + 1):
        term = term * (n - k + 1) // k
        tail += term
    return McNemar(only_before, only_now, min(1.0, 2 * tail / 2**n))
