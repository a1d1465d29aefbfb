"""What surveys say: rates and scores with their intervals, and nothing where there are too few. Pure."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Literal

from analysis.accuracy import MIN_SHOWN, Z_95, Rate, rate
from config.surveys import SurveyKind
from routing.survey_answers import SCALES
from routing.surveys import group_of

# Three answers more, spread over the scale, so that thirty tens don't claim to be certain ("adjusted Wald").
_PSEUDO_OUTER, _PSEUDO_MIDDLE = 0.75, 1.5


@dataclass(frozen=True)
class Asked:
    """One invitation that left. month: "2026-11" in the tenant's time zone. score: the one that stands, None: no answer."""

    asked_at: datetime
    month: str
    channel: str
    topics: tuple[str, ...]
    has_failed: bool
    is_delivered: bool
    score: int | None
    has_comment: bool
    answered_at: datetime | None


@dataclass(frozen=True)
class NetScore:
    """Promoters minus detractors, from -100 to 100, with its 95 % interval; None when there are too few answers to say."""

    n: int
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class SurveyFigures:
    """One survey over some invitations.

    invited: left, or may have; failed ones are not among them. delivered: known to have arrived (the channel said so, or an
    answer came). still_open: without an answer, and their time is not over. response: answered of invited. nps: of NPS only.
    csat: the share of 4 and 5, of CSAT only. distribution: score to how many, lowest first. median_hours: to the answer.
    """

    survey: SurveyKind
    invited: int
    failed: int
    delivered: int
    answered: int
    commented: int
    still_open: int
    response: Rate
    nps: NetScore | None
    csat: Rate | None
    distribution: dict[int, int]
    median_hours: float | None


@dataclass(frozen=True)
class Tally:
    """What some invitations of one survey came to, counted. See SurveyFigures. scores: score to how many; median_hours: None without any."""

    invited: int
    failed: int
    delivered: int
    commented: int
    still_open: int
    scores: Mapping[int, int]
    median_hours: float | None


def tally_of(asked: Sequence[Asked], *, open_since: datetime) -> Tally:
    """Count them. open_since: whoever was asked after it has time left to answer."""
    left = [one for one in asked if not one.has_failed or one.score is not None]
    hours = [(one.answered_at - one.asked_at).total_seconds() / 3600 for one in left if one.answered_at]
    return Tally(
        invited=len(left),
        failed=len(asked) - len(left),
        delivered=sum(one.is_delivered or one.score is not None for one in left),
        commented=sum(one.has_comment for one in left),
        still_open=sum(one.score is None and one.asked_at > open_since for one in left),
        scores=Counter(one.score for one in left if one.score is not None),
        median_hours=median(hours) if hours else None,
    )


def measure(survey: SurveyKind, tally: Tally) -> SurveyFigures:
    """The figures of what was counted of one survey's invitations."""
    low, high = SCALES[survey]
    answered = sum(tally.scores.values())
    groups = Counter[str]()
    for score, count in tally.scores.items():
        groups[group_of(survey, score)] += count
    return SurveyFigures(
        survey=survey,
        invited=tally.invited,
        failed=tally.failed,
        delivered=tally.delivered,
        answered=answered,
        commented=tally.commented,
        still_open=tally.still_open,
        response=rate(answered, tally.invited),
        nps=net_score(groups["promoter"], groups["detractor"], n=answered) if survey == "nps" else None,
        csat=rate(groups["promoter"], answered) if survey == "csat" else None,
        distribution={score: tally.scores.get(score, 0) for score in range(low, high + 1)},
        median_hours=(
            round(max(tally.median_hours, 0.0), 2) if tally.median_hours is not None and answered >= MIN_SHOWN else None
        ),
    )


def net_score(promoters: int, detractors: int, *, n: int) -> NetScore:
    """NPS of n answers with its interval, hidden below 30."""
    if n < MIN_SHOWN:
        return NetScore(n, None, None, None)
    value, spread_from, variance = _moments(promoters, detractors, n=n)
    half = Z_95 * math.sqrt(variance)
    low, high = min(spread_from - half, value), max(spread_from + half, value)
    return NetScore(n, 100 * value, 100 * max(low, -1.0), 100 * min(high, 1.0))


def _moments(promoters: int, detractors: int, *, n: int) -> tuple[float, float, float]:
    """(NPS, the middle of its interval, the middle's variance), -1.0 to 1.0."""
    total = n + 2 * _PSEUDO_OUTER + _PSEUDO_MIDDLE
    up, down = (promoters + _PSEUDO_OUTER) / total, (detractors + _PSEUDO_OUTER) / total
    middle = up - down
    return (promoters - detractors) / n, middle, (up + down - middle * middle) / total


def split_by(asked: Iterable[Asked], part: Literal["channel", "topic", "month"]) -> dict[str, list[Asked]]:
    """The invitations by channel, month or topic, in alphabetical order; one with two topics counts for both."""
    found: dict[str, list[Asked]] = {}
    for one in asked:
        names = {"channel": (one.channel,), "month": (one.month,), "topic": one.topics or ("none",)}[part]
        for name in names:
            found.setdefault(name, []).append(one)
    return dict(sorted(found.items()))


@dataclass(frozen=True)
class Change:
    """One survey before and after a date.

    ratio: of the response rates, with its 95 % interval; None when there are too few. verdict: what may be said of it.
    """

    before: SurveyFigures
    after: SurveyFigures
    ratio: float | None
    low: float | None
    high: float | None
    verdict: Literal["not enough", "at least doubled", "higher", "lower", "no difference can be told"]


def compare(before: SurveyFigures, after: SurveyFigures) -> Change:
    """Whether customers answer more often than before. It says nothing about why."""
    if min(before.answered, after.answered) < MIN_SHOWN:
        return Change(before, after, None, None, None, "not enough")
    first, second = before.answered / before.invited, after.answered / after.invited
    # The interval of a ratio of two shares, on the logarithm's scale (Katz et al., 1978).
    error = math.sqrt((1 - first) / before.answered + (1 - second) / after.answered)
    ratio = second / first
    low, high = ratio * math.exp(-Z_95 * error), ratio * math.exp(Z_95 * error)
    return Change(before, after, ratio, low, high, _verdict(low, high))


def _verdict(low: float, high: float) -> Literal["at least doubled", "higher", "lower", "no difference can be told"]:
    if low > 1:
        return "at least doubled" if low >= 2 else "higher"
    return "lower" if high < 1 else "no difference can be told"
