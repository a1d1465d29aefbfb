"""What the API answers about insights. Shares lie between 0 and 1; None where there are too few messages to say."""

from datetime import date, datetime
from typing import Any, Self

from pydantic import BaseModel

from console.api.answers import AgentAnswer
from console.heat_map import TopicDays, TopicRow
from console.periods import Period


class Days(BaseModel):
    """Whole days of the tenant, both included."""

    first: date
    last: date

    @classmethod
    def of(cls, period: Period) -> Self:
        """From what was asked for."""
        return cls(first=period.first, last=period.last)


class TopicCount(BaseModel):
    """Messages of one topic by sentiment. topic: "" for all messages, "-" for those without a topic."""

    topic: str
    messages: int
    negative: int
    neutral: int
    positive: int
    negative_share: float | None

    @classmethod
    def of(cls, row: TopicRow) -> Self:
        """From a row of the heat map."""
        counts = {cell.sentiment: cell.messages for cell in row.cells}
        share = row.negatives / row.messages if row.messages else None
        return cls(topic=row.topic, messages=row.messages, negative_share=share, **counts)


class TopicCourse(BaseModel):
    """A topic day by day, from the first day on. early_share, late_share: negatives in each half of the days."""

    topic: str
    messages: list[int]
    negatives: list[int]
    early_share: float | None
    late_share: float | None

    @classmethod
    def of(cls, days: TopicDays) -> Self:
        """From the counts."""
        return cls(
            topic=days.topic,
            messages=list(days.messages),
            negatives=list(days.negatives),
            early_share=days.early,
            late_share=days.late,
        )


class Trend(BaseModel):
    """A topic that is worse than usual. base_share: its usual share of negatives."""

    topic: str
    since: datetime
    base_share: float
    share: float
    negatives: int
    messages: int
    window_h: int


class InsightsAnswer(BaseModel):
    """Topics by mood. sentence: what stands out, None without messages. whole: all messages, each once. topics: most negatives first.
    channels, surfaces, languages: what the days may be narrowed to. uncounted_days: days whose first count is under way.
    """

    days: Days
    sentence: str | None
    whole: TopicCount
    topics: list[TopicCount]
    courses: list[TopicCourse]
    trends: list[Trend]
    channels: list[str]
    surfaces: list[str]
    languages: list[str]
    counted_at: datetime | None
    uncounted_days: int


class CountedMessage(BaseModel):
    """A customer's message behind a count, with the label that counts now. text: its beginning."""

    id: str
    conversation_id: str | None
    customer_name: str | None
    text: str | None
    message_type: str
    channel: str
    surface: str
    sent_at: datetime
    sentiment: str
    score: float
    intent: str
    topics: list[str]
    language: str


class CountedMessagePage(BaseModel):
    """Newest day first. changed: messages of this page that were set right since they were counted, and left out."""

    messages: list[CountedMessage]
    changed: int
    next_cursor: str | None


class AnswerTimes(BaseModel):
    """state: "nothing_decided", "not_asked" (POST asks), "being_counted", or "counted". claim: waits for a person's answer before and
    after, in minutes, for negatives and for all messages. weeks: promises kept and missed, newest week first.
    """

    state: str
    split_at: datetime | None
    counted_at: datetime | None
    claim: dict[str, Any] | None
    weeks: list[dict[str, Any]]


class QueueLoadAnswer(BaseModel):
    """A queue as it stands now, without what is snoozed. urgent: of priority P1."""

    queue: str
    urgent: int
    open: int
    unassigned: int
    waiting: int
    snoozed: int
    oldest_waiting_since: datetime | None


class OpenClocks(BaseModel):
    """Open promises of one queue, priority and kind. soon: past their warning. late: past their due time."""

    queue: str
    priority: str
    clock: str
    fine: int
    soon: int
    late: int
    paused: int
    next_due_at: datetime


class LoadAnswer(BaseModel):
    """Queues, promises and people, as they stand now."""

    queues: list[QueueLoadAnswer]
    clocks: list[OpenClocks]
    team: list[AgentAnswer]


class DayCost(BaseModel):
    """One day in UTC. usd: of live messages; sweeps_usd: of sweeps, beside it."""

    day: date
    calls: int
    second_readings: int
    usd: float
    sweeps_usd: float


class CostAnswer(BaseModel):
    """What calls to the AI provider cost; days on which something was spent, newest first."""

    days: Days
    spent: list[DayCost]
    usd: float
    sweeps_usd: float
