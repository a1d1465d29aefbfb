"""What a tenant's own endpoint is told about a decision: labels and ids, versioned. Shape: docs/actions.md."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

VERSION = 1
FIRST_WAIT_S = 5.0
LONGEST_WAIT_S = 3600.0


@dataclass(frozen=True)
class WebhookEvent:
    """A decision as it is told. text: the customer's words, only with the tenant's consent."""

    action_id: str
    conversation_id: str
    message_id: str
    customer_id: str
    channel: str
    surface: str
    sent_at: datetime
    decided_at: datetime
    priority: str
    queue: str
    rule: str
    reasons: tuple[str, ...]
    label: Mapping[str, Any] | None
    tags: tuple[str, ...]
    text: str | None = field(default=None, repr=False)


def webhook_payload(event: WebhookEvent, *, include_text: bool) -> dict[str, Any]:
    """The body as a JSON object. Times are ISO 8601 in UTC."""
    data: dict[str, Any] = {
        "action_id": event.action_id,
        "conversation_id": event.conversation_id,
        "message_id": event.message_id,
        "customer_id": event.customer_id,
        "channel": event.channel,
        "surface": event.surface,
        "sent_at": _utc(event.sent_at),
        "priority": event.priority,
        "queue": event.queue,
        "rule": event.rule,
        "reasons": list(event.reasons),
        "label": dict(event.label) if event.label else None,
        "tags": list(event.tags),
    }
    if include_text:
        data["text"] = event.text
    return {"type": "message.routed", "version": VERSION, "timestamp": _utc(event.decided_at), "data": data}


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()


def retry_wait_s(tries: int, *, asked_s: float | None, share: float) -> float:
    """Seconds until the next try after `tries` of them: a share (0.0 to 1.0, drawn by lot) of a pause that doubles up to an hour.

    asked_s: what the receiver asks to wait, at most an hour; None when it does not say.
    """
    if asked_s is not None:
        return min(max(asked_s, 1.0), LONGEST_WAIT_S) + share * FIRST_WAIT_S
    return max(1.0, share * min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**tries))
