"""What an address of the insights asks for: pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from console.heat_map import SENTIMENTS
from console.periods import Period, read_period
from store.insight_messages import LabelledMessage
from store.label_days import ALL_TOPICS, NO_TOPIC, LabelFilter

NARROWED = ("surface", "language", "channel")
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")


@dataclass(frozen=True)
class InsightQuery:
    """topic: ALL_TOPICS, NO_TOPIC or a name. sentiment and what it is narrowed to: None for all."""

    period: Period
    topic: str
    sentiment: str | None
    surface: str | None
    language: str | None
    channel: str | None

    @property
    def only(self) -> LabelFilter:
        """As the counts take it."""
        period = self.period
        return LabelFilter(period.first, period.last, self.channel, self.surface, self.language)

    @property
    def narrowed(self) -> dict[str, str]:
        """By what it is narrowed, as an address names it."""
        return {name: value for name in NARROWED if (value := getattr(self, name))}

    @property
    def in_address(self) -> dict[str, str]:
        """What the pages of one visit have in common."""
        return {**self.period.in_address, **self.narrowed}

    def cell(self, topic: str, sentiment: str | None) -> dict[str, str]:
        """The address of the messages behind a count: by dates, so that it means the same tomorrow."""
        chosen = {"topic": topic, "sentiment": sentiment or ""}
        return {**{name: value for name, value in chosen.items() if value}, **self.period.dates, **self.narrowed}

    def fits(self, message: LabelledMessage) -> bool:
        """Whether the message is still what is asked for: it may have been set right since it was counted."""
        has_topic = {ALL_TOPICS: True, NO_TOPIC: not message.topics}.get(self.topic, self.topic in message.topics)
        same = all(getattr(message, name) == value for name, value in self.narrowed.items())
        return has_topic and same and self.sentiment in {None, message.sentiment}


def read_insight_query(asked: Mapping[str, str], *, today: date) -> InsightQuery:
    """What means nothing is left out."""
    topic, sentiment = asked.get("topic", ""), asked.get("sentiment")
    surface, language, channel = (_code(asked.get(name)) for name in NARROWED)
    return InsightQuery(
        read_period(asked, today=today),
        topic if topic == NO_TOPIC or _code(topic) else ALL_TOPICS,
        sentiment if sentiment in SENTIMENTS else None,
        surface,
        language,
        channel,
    )


def _code(text: str | None) -> str | None:
    return text if text and _CODE.fullmatch(text) else None
