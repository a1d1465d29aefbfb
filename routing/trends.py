"""Whether a topic is worse than usual: its share of negatives against its own last two weeks. Pure: counts in, verdict out.

The base is the 14 days before the last 48 hours; whole weeks, so that each weekday stands in it twice. Shares of real topics vary from day
to day by more than chance: that is measured in the base and allowed for, so the test is beta-binomial and not binomial.
"""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate

OVERALL = ""
"""The topic that stands for all messages."""
BASE_DAYS = 14
WINDOWS_H = (24, 48)
HOUR = timedelta(hours=1)
LOOK_BACK = timedelta(days=BASE_DAYS, hours=max(WINDOWS_H))

# Less can't be told from chance, or is not worth anybody's night.
MIN_MESSAGES, MIN_NEGATIVES, MIN_BASE = 20, 8, 50
MIN_LIFT, MIN_POINTS = 1.5, 0.03
# A topic's own base counts for more than the tenant's as soon as it has more messages than this.
PRIOR_MESSAGES = 20
# By how much of itself a share varies from day to day before a topic's own days have said it, and as how many days that counts.
USUAL_SCATTER, USUAL_DAYS = 0.15, 10
# All that is looked at in a quarter, topics and both windows, gives a false alert in one of twenty quarters. A look at each hour
# shares most of its messages with the look before: eight a day are as good as independent.
FALSE_ALERTS, LOOKS_A_QUARTER = 0.05, 91 * 8
# Worse than the same weekdays of both weeks before by this much: a bad Monday every week is no trend.
MIN_WEEKDAY_LIFT = 1.25
# It is over when the rise has shrunk to a third; and a level that lasts two weeks is the new base.
END_SHARE_OF_RISE = 1 / 3
LONGEST = timedelta(days=BASE_DAYS)
COOL_DOWN = timedelta(hours=72)
JOIN_WITHIN = timedelta(hours=48)


@dataclass(frozen=True)
class Count:
    """Messages with a label, and the negative ones among them."""

    messages: int
    negatives: int

    @property
    def share(self) -> float:
        """Of negatives, 0 to 1; 0 when there are no messages."""
        return self.negatives / self.messages if self.messages else 0.0


class Series:
    """Hourly counts of one topic, summed ahead so that any span of hours is one subtraction."""

    def __init__(self, counts: Mapping[datetime, Count], *, first: datetime, last: datetime) -> None:
        """first, last: the hours it covers, the second not included; hours that are not in `counts` have no messages."""
        self.first = first
        hours = range(int((last - first) / HOUR))
        found = [counts.get(first + HOUR * number) for number in hours]
        self._messages = [0, *accumulate(one.messages if one else 0 for one in found)]
        self._negatives = [0, *accumulate(one.negatives if one else 0 for one in found)]

    def count(self, begin: datetime, end: datetime) -> Count:
        """Between two whole hours, the second not included."""
        last = len(self._messages) - 1
        low, high = (min(max(int((at - self.first) / HOUR), 0), last) for at in (begin, end))
        return Count(self._messages[high] - self._messages[low], self._negatives[high] - self._negatives[low])


@dataclass(frozen=True)
class Rise:
    """A topic that is worse than usual. base_share: what was expected, between the topic's own base and the tenant's."""

    topic: str
    window_h: int
    window: Count
    base: Count
    base_share: float
    chance: float
    """That this, or more, comes about by itself."""


@dataclass(frozen=True)
class OpenEpisode:
    """A topic that has risen and not fallen back yet."""

    topic: str
    began_at: datetime
    base_share: float
    peak_share: float


@dataclass(frozen=True)
class Verdict:
    """What one look says: topics that have risen now (most certain first), and those whose rise is over."""

    rises: tuple[Rise, ...]
    ended: tuple[str, ...]


def chance_of(negatives: int, *, messages: int, share: float, correlation: float) -> float:
    """That `negatives` or more of `messages` are negative, when each day's share scatters about `share`.

    Beta-binomial upper tail; correlation: intra-class, above 0 and below 1.
    """
    if negatives <= 0:
        return 1.0
    weight = 1 / correlation - 1
    a, b = share * weight, (1 - share) * weight
    log_term = (
        math.lgamma(messages + 1)
        - math.lgamma(negatives + 1)
        - math.lgamma(messages - negatives + 1)
        + math.lgamma(negatives + a)
        + math.lgamma(messages - negatives + b)
        - math.lgamma(messages + a + b)
        + math.lgamma(a + b)
        - math.lgamma(a)
        - math.lgamma(b)
    )
    term = total = math.exp(log_term)
    for k in range(negatives, messages):
        term *= (messages - k) / (k + 1) * (k + a) / (messages - k - 1 + b)
        total += term
        if term < total * 1e-9:
            break
    return min(total, 1.0)


def measure_correlation(days: Iterable[Count], *, share: float) -> float:
    """How far the shares of days scatter beyond chance, by moments, drawn towards what is usual; 0 < correlation < 1."""
    counted = [day for day in days if day.messages > 1]
    variance = share * (1 - share)
    weight = sum(day.messages for day in counted)
    usual = USUAL_SCATTER**2 * share / (1 - share) if share < 1 else 0.5
    if variance <= 0 or not counted:
        return min(max(usual, 1e-4), 0.5)
    surplus = sum((day.negatives - day.messages * share) ** 2 / variance - day.messages for day in counted)
    pairs = sum(day.messages * (day.messages - 1) for day in counted)
    own = max(surplus / pairs, 0.0) if pairs else 0.0
    # Days with few messages say little: what counts as a day grows with what its share is known to.
    said = len(counted) * min(1.0, weight / len(counted) / 50)
    return min(max((own * said + usual * USUAL_DAYS) / (said + USUAL_DAYS), 1e-4), 0.5)


def allowed_chance(topics: int) -> float:
    """The level of a single look at a single topic."""
    return FALSE_ALERTS / (LOOKS_A_QUARTER * len(WINDOWS_H) * max(topics, 1))


def judge_topic(series: Series, overall: Series, *, topic: str, end: datetime, level: float) -> Rise | None:
    """Whether the topic's newest hours are worse than usual. end: a whole hour, not included itself."""
    # Before the longer window, for both: the first bad day must not stand in the base of the second.
    base_end = end - HOUR * max(WINDOWS_H)
    base_begin = base_end - timedelta(days=BASE_DAYS)
    for window_h in WINDOWS_H:
        begin = end - HOUR * window_h
        window = series.count(begin, end)
        if window.messages < MIN_MESSAGES or window.negatives < MIN_NEGATIVES:
            continue
        base = series.count(base_begin, base_end)
        tenants = overall.count(base_begin, base_end)
        if tenants.messages < MIN_BASE:
            continue
        # 0 of 400 is not "never": half a negative more.
        share = (base.negatives + 0.5 + PRIOR_MESSAGES * tenants.share) / (base.messages + 1 + PRIOR_MESSAGES)
        if window.share < share * MIN_LIFT or window.share < share + MIN_POINTS:
            continue
        if not _is_worse_than_same_days(series, window, begin=begin, end=end):
            continue
        days = [
            series.count(base_begin + timedelta(days=day), base_begin + timedelta(days=day + 1))
            for day in range(BASE_DAYS)
        ]
        scatter = measure_correlation(days, share=share)
        # Two days in the window even each other out; and what is known of the base is not exact either.
        doubt = scatter * 24 / window_h + scatter / BASE_DAYS + 1 / (base.messages + PRIOR_MESSAGES)
        chance = chance_of(window.negatives, messages=window.messages, share=share, correlation=min(doubt, 0.5))
        if chance <= level:
            return Rise(topic, window_h, window, base, share, chance)
    return None


def _is_worse_than_same_days(series: Series, window: Count, *, begin: datetime, end: datetime) -> bool:
    weeks = [series.count(begin - timedelta(days=days), end - timedelta(days=days)) for days in (7, 14)]
    same = Count(sum(one.messages for one in weeks), sum(one.negatives for one in weeks))
    return same.messages < MIN_BASE or window.share >= same.share * MIN_WEEKDAY_LIFT


def is_over(series: Series, episode: OpenEpisode, *, end: datetime) -> bool:
    """Whether the share has come back towards the base, or has stayed up for so long that it is the base."""
    if end - episode.began_at >= LONGEST:
        return True
    window = series.count(end - HOUR * 24, end)
    if window.messages < MIN_MESSAGES:
        window = series.count(end - HOUR * 48, end)
    return window.share <= episode.base_share + (episode.peak_share - episode.base_share) * END_SHARE_OF_RISE


def judge(
    series: Mapping[str, Series],
    *,
    episodes: Collection[OpenEpisode],
    ended_at: Mapping[str, datetime],
    now: datetime,
    ignore: Collection[str] = (),
) -> Verdict:
    """One look at all topics of a tenant, OVERALL among them.

    ended_at: when the newest episode of a topic ended; within the cool-down it does not begin again.
    """
    end = now.replace(minute=0, second=0, microsecond=0)
    overall = series.get(OVERALL)
    if overall is None:
        return Verdict((), ())
    ended = tuple(one.topic for one in episodes if one.topic not in series or is_over(series[one.topic], one, end=end))
    closed = {one.topic for one in episodes} | set(ignore)
    level = allowed_chance(len(series))
    rises: list[Rise] = []
    for topic, counts in series.items():
        if topic in closed or (topic in ended_at and now - ended_at[topic] < COOL_DOWN):
            continue
        rise = judge_topic(counts, overall, topic=topic, end=end, level=level)
        if rise:
            rises.append(rise)
    return Verdict(tuple(sorted(rises, key=lambda one: one.chance)), ended)


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"


def describe(rises: Collection[Rise]) -> str:
    """One sentence for all that rose at once; most certain first."""
    named = [rise for rise in rises if rise.topic != OVERALL] or list(rises)
    first = named[0]
    told = (
        f"{first.topic or 'all topics'} negative {_percent(first.base_share)} → {_percent(first.window.share)}, "
        f"{first.window.negatives:,} of {first.window.messages:,} in {first.window_h} h "
        f"(base {BASE_DAYS} days: {first.base.negatives:,} of {first.base.messages:,})"
    )
    if len(named) > 1:
        others = ", ".join(
            f"{one.topic} {_percent(one.base_share)} → {_percent(one.window.share)}" for one in named[1:]
        )
        told = f"overall rise in {len(named)} topics: {told}; also {others}"
    return f"{told}; last release?"
