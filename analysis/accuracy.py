"""How often the model is right for one tenant: from audited messages, with intervals, and silent where there are too few. Pure."""

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

MIN_SHOWN = 30
TOO_FEW = "too few to say"
# Where the bands of confidence begin; the last one ends at 1.0.
BANDS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9)
Z_95 = 1.959964


@dataclass(frozen=True)
class Audited:
    """A message that was picked at random and judged by a person. score: the model's confidence in its sentiment."""

    language: str
    score: float
    model_sentiment: str
    model_intent: str
    model_topics: tuple[str, ...]
    sentiment: str
    intent: str
    topics: tuple[str, ...]


@dataclass(frozen=True)
class Rate:
    """A share with its 95 % Wilson interval, all from 0.0 to 1.0; None when there are too few to say."""

    n: int
    share: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class BandRate:
    """Messages of one band of confidence. mean_score: what the model promised; right: what came of it."""

    band: str
    mean_score: float | None
    right: Rate


@dataclass(frozen=True)
class Accuracy:
    """confusion: (model's label, person's label) to how many; empty when there are too few. calibration: by band, lowest first."""

    sentiment: Rate
    intent: Rate
    topics: Rate
    by_language: dict[str, Rate]
    calibration: tuple[BandRate, ...]
    sentiment_confusion: dict[tuple[str, str], int]
    intent_confusion: dict[tuple[str, str], int]


def rate(right: int, n: int) -> Rate:
    """A share of n with its interval, hidden below 30."""
    if n < MIN_SHOWN:
        return Rate(n, None, None, None)
    low, high = wilson(right, n)
    return Rate(n, right / n, low, high)


def wilson(right: int, n: int) -> tuple[float, float]:
    """The 95 % Wilson score interval of a share (E. B. Wilson, 1927). n must be above 0."""
    share, z2 = right / n, Z_95 * Z_95
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, middle - half), min(1.0, middle + half)


def band_of(score: float) -> str:
    """The band of confidence that a score lies in: "0.7-0.8". The last one holds 1.0 too."""
    start = max(edge for edge in BANDS if score >= edge)
    end = BANDS[BANDS.index(start) + 1] if start != BANDS[-1] else 1.0
    return f"{start:.1f}-{end:.1f}"


def measure(audited: Sequence[Audited]) -> Accuracy:
    """The accuracy of the model on messages that were picked at random."""
    enough = len(audited) >= MIN_SHOWN
    languages = sorted({one.language for one in audited})
    return Accuracy(
        sentiment=_share(audited, _sentiment_is_right),
        intent=_share(audited, lambda one: one.model_intent == one.intent),
        topics=_share(audited, lambda one: set(one.model_topics) == set(one.topics)),
        by_language={
            language: _share([one for one in audited if one.language == language], _sentiment_is_right)
            for language in languages
        },
        calibration=_calibrate(audited),
        sentiment_confusion=dict(Counter((one.model_sentiment, one.sentiment) for one in audited)) if enough else {},
        intent_confusion=dict(Counter((one.model_intent, one.intent) for one in audited)) if enough else {},
    )


def _sentiment_is_right(one: Audited) -> bool:
    return one.model_sentiment == one.sentiment


def _share(audited: Sequence[Audited], is_right: Callable[[Audited], bool]) -> Rate:
    return rate(sum(map(is_right, audited)), len(audited))


def _calibrate(audited: Sequence[Audited]) -> tuple[BandRate, ...]:
    rows: list[BandRate] = []
    for start in BANDS:
        band = band_of(start)
        members = [one for one in audited if band_of(one.score) == band]
        mean = sum(one.score for one in members) / len(members) if members else None
        rows.append(BandRate(band, mean, _share(members, _sentiment_is_right)))
    return tuple(rows)


@dataclass(frozen=True)
class Auditable:
    """A message that an audit may pick."""

    message_id: str
    analysis_id: str
    language: str
    score: float


def pick_sample(messages: Sequence[Auditable], *, size: int, seed: str) -> list[Auditable]:
    """A random sample in which every message has the same chance, and every language and band its share.

    Systematic sampling: sorted by language and band, in random order within, every k-th from a random start. The same seed
    picks the same messages.
    """
    if len(messages) <= size:
        return sorted(messages, key=lambda one: one.message_id)
    ordered = sorted(messages, key=lambda one: (one.language, band_of(one.score), _dice(seed, one.message_id)))
    step = len(ordered) / size
    start = _dice(seed, "start") * step
    return [ordered[min(int(start + number * step), len(ordered) - 1)] for number in range(size)]


def _dice(seed: str, name: str) -> float:
    """From 0 up to 1, the same for the same words."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{name}".encode()).digest()[:6]) / 2**48
