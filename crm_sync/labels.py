"""What a CRM card says about a customer, computed from our own rows."""

from dataclasses import dataclass
from datetime import datetime

NEGATIVE_WINDOW_DAYS = 30


@dataclass(frozen=True)
class CustomerLabels:
    """The state of one customer, ready for any CRM. topics: newest first. summary: None when the tenant does not send it."""

    sentiment: str
    score: float
    intent: str
    topics: tuple[str, ...]
    summary: str | None
    negative_30d: int
    last_analyzed_at: datetime


def negative_label(count: int) -> str:
    """What an agent reads on the card: "4 negative messages in last 30 days"."""
    noun = "message" if count == 1 else "messages"
    return f"{count} negative {noun} in last {NEGATIVE_WINDOW_DAYS} days"
