"""What a CRM card says about a customer, computed from our own rows."""

from dataclasses import dataclass
from datetime import UTC, datetime

NEGATIVE_WINDOW_DAYS = 30
SENTIMENTS = ("positive", "neutral", "negative")
FIELDS = (
    "earshot_sentiment",
    "earshot_score",
    "earshot_last_intent",
    "earshot_topics",
    "earshot_negative_30d",
    "earshot_label",
    "earshot_last_analyzed_at",
    "earshot_last_summary",
)


@dataclass(frozen=True)
class CustomerLabels:
    """The state of one customer, ready for any CRM.

    topics: newest first. summary: None when the tenant does not send it.
    """

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


def field_values(labels: CustomerLabels | None, *, with_summary: bool = True) -> dict[str, str]:
    """Our CRM fields and their values as text, the same for every CRM. An empty text clears the field.

    A summary that is None clears the one on the card: a tenant that stopped sending summaries wants none to stay there.
    labels: None clears all fields. with_summary: False leaves the field out altogether.
    """
    if labels is None:
        return {name: "" for name in FIELDS if with_summary or name != "earshot_last_summary"}
    values = {
        "earshot_sentiment": labels.sentiment,
        "earshot_score": f"{labels.score:.2f}",
        "earshot_last_intent": labels.intent,
        "earshot_topics": "; ".join(labels.topics),
        "earshot_negative_30d": str(labels.negative_30d),
        "earshot_label": negative_label(labels.negative_30d),
        "earshot_last_analyzed_at": timestamp(labels.last_analyzed_at),
    }
    if with_summary:
        values["earshot_last_summary"] = labels.summary or ""
    return values


def timestamp(at: datetime) -> str:
    """ISO 8601 in UTC with milliseconds: "2026-11-23T12:00:00.000Z"."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
