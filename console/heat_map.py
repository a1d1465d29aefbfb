"""Topics by sentiment as a table of counts, what stands out in it, and each topic's days: pure."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from store.label_days import ALL_TOPICS, NO_TOPIC, DayCount

SENTIMENTS = ("negative", "neutral", "positive")
LEVELS = 5


@dataclass(frozen=True)
class Cell:
    """One count. share: of the topic's messages. level: 0 for none, else 1 to 5 of the most in its column."""

    sentiment: str
    messages: int
    share: float
    level: int


@dataclass(frozen=True)
class TopicRow:
    """One topic, or all messages (ALL_TOPICS), or those without a topic (NO_TOPIC). cells: in the order of SENTIMENTS."""

    topic: str
    messages: int
    cells: tuple[Cell, ...]

    @property
    def negatives(self) -> int:
        """Its negative messages."""
        return self.cells[0].messages


@dataclass(frozen=True)
class HeatMap:
    """whole: all messages, each once. rows: topics with most negatives first; messages with several topics stand in several."""

    whole: TopicRow
    rows: tuple[TopicRow, ...]

    @property
    def leading(self) -> TopicRow | None:
        """The topic that most negatives are about; None when no negative has a topic."""
        named = [row for row in self.rows if row.topic != NO_TOPIC and row.negatives]
        return named[0] if named else None


def draw_heat_map(counts: Iterable[DayCount]) -> HeatMap:
    """All days together."""
    sums: dict[str, dict[str, int]] = {ALL_TOPICS: {}}
    for one in counts:
        of_topic = sums.setdefault(one.topic, {})
        of_topic[one.sentiment] = of_topic.get(one.sentiment, 0) + one.messages
    whole = sums.pop(ALL_TOPICS)
    most = {name: max((of_topic.get(name, 0) for of_topic in sums.values()), default=0) for name in SENTIMENTS}
    rows = [_row(topic, of_topic, most) for topic, of_topic in sums.items()]
    rows.sort(key=lambda row: (row.topic == NO_TOPIC, -row.negatives, -row.messages, row.topic))
    # The whole is no place on the scale.
    return HeatMap(_row(ALL_TOPICS, whole, dict.fromkeys(SENTIMENTS, 0)), tuple(rows))


def _row(topic: str, counts: dict[str, int], most: dict[str, int]) -> TopicRow:
    messages = sum(counts.values())
    cells = tuple(
        Cell(
            name,
            count := counts.get(name, 0),
            count / messages if messages else 0.0,
            math.ceil(LEVELS * count / most[name]) if count and most[name] else 0,
        )
        for name in SENTIMENTS
    )
    return TopicRow(topic, messages, cells)


@dataclass(frozen=True)
class TopicDays:
    """One topic day by day, oldest first. early, late: the share of negatives in each half, None without messages.

    points: of a line of negatives a day, as an SVG of WIDTH by HEIGHT takes them.
    """

    topic: str
    first: date
    messages: tuple[int, ...]
    negatives: tuple[int, ...]
    early: float | None
    late: float | None
    points: str

    @property
    def most(self) -> tuple[int, date]:
        """The most negatives of a day, and the first such day."""
        top = max(self.negatives)
        return top, self.first + timedelta(days=self.negatives.index(top))


WIDTH, HEIGHT = 160, 32
_EDGE = 2


def draw_days(counts: Iterable[DayCount], *, first: date, last: date, topics: Sequence[str]) -> list[TopicDays]:
    """These topics, in this order, with a value for every day."""
    days = (last - first).days + 1
    messages = {topic: [0] * days for topic in topics}
    negatives = {topic: [0] * days for topic in topics}
    for one in counts:
        if one.topic in messages:
            place = (one.day - first).days
            messages[one.topic][place] += one.messages
            if one.sentiment == "negative":
                negatives[one.topic][place] += one.messages
    half = days // 2
    return [
        TopicDays(
            topic,
            first,
            tuple(messages[topic]),
            tuple(negatives[topic]),
            _share(negatives[topic][:half], messages[topic][:half]),
            _share(negatives[topic][half:], messages[topic][half:]),
            line_points(negatives[topic]),
        )
        for topic in topics
    ]


def _share(part: Sequence[int], whole: Sequence[int]) -> float | None:
    return sum(part) / sum(whole) if sum(whole) else None


def line_points(values: Sequence[int], *, top: int | None = None) -> str:
    """Points from left to right, higher for more; one value is a level line. top: what stands highest, else the most."""
    if len(values) == 1:
        values = [values[0], values[0]]
    top = top or max(values) or 1
    step = (WIDTH - 2 * _EDGE) / (len(values) - 1)
    return " ".join(
        f"{_EDGE + number * step:.1f},{HEIGHT - _EDGE - (HEIGHT - 2 * _EDGE) * value / top:.1f}"
        for number, value in enumerate(values)
    )
