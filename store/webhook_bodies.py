"""What a webhook says, read from the rows at the moment it leaves: what was erased meanwhile can't leave any more."""

from typing import Any

from config.webhook_subscriptions import TEST_EVENT
from routing.alerts import sentence
from routing.webhook_events import (
    AlertData,
    AlertOver,
    AlertRaised,
    AnalyzedData,
    ConversationResolved,
    CorrectedData,
    DecidedData,
    Event,
    Label,
    LabelCorrected,
    MessageAnalyzed,
    MessageDecided,
    PlannedAction,
    ResolvedData,
    TrialData,
    WebhookTest,
)
from store.db import Connection
from store.webhook_turns import Claimed


def read_event(conn: Connection, tenant_id: int, claimed: Claimed, *, include_text: bool) -> Event | None:
    """The event as it is told; None when what it was about is gone. include_text: with minimized words and summary."""
    at, subject = claimed.happened_at, claimed.subject_id
    match claimed.kind:
        case "message.analyzed":
            analyzed = _read_analysis(conn, tenant_id, subject, include_text=include_text)
            return MessageAnalyzed(timestamp=at, data=analyzed) if analyzed else None
        case "message.decided":
            decided = _read_decision(conn, tenant_id, subject, include_text=include_text)
            return MessageDecided(timestamp=at, data=decided) if decided else None
        case "alert.raised" | "alert.over":
            alert = _read_alert(conn, tenant_id, subject)
            made = AlertRaised if claimed.kind == "alert.raised" else AlertOver
            return made(timestamp=at, data=alert) if alert else None
        case "conversation.resolved":
            resolved = _read_conversation(conn, tenant_id, claimed)
            return ConversationResolved(timestamp=at, data=resolved) if resolved else None
        case "label.corrected":
            corrected = _read_correction(conn, tenant_id, subject)
            return LabelCorrected(timestamp=at, data=corrected) if corrected else None
        case _:
            assert claimed.kind == TEST_EVENT
            return WebhookTest(timestamp=at, data=TrialData(subscription_id=subject))


_MESSAGE = ("message_id", "conversation_id", "customer_id", "channel", "surface", "sent_at")
_ANALYSIS = (
    "analysis_id",
    "run_kind",
    "sentiment",
    "score",
    "intent",
    "topics",
    "suggested_action",
    "language",
    "analyzer",
    "model",
    "prompt_version",
)
_LABEL = ("sentiment", "score", "intent", "topics", "language", "corrected")


def _read_analysis(conn: Connection, tenant_id: int, analysis_id: str, *, include_text: bool) -> AnalyzedData | None:
    row = conn.execute(
        """
        SELECT m.id::text, m.conversation_id::text, m.customer_id::text, m.channel, m.surface, m.sent_at,
               a.id::text, a.run_kind, a.sentiment, a.score, a.intent, a.topics, a.suggested_action, a.language, a.analyzer,
               a.model, a.prompt_version,
               CASE WHEN %s THEN m.minimized_text END, CASE WHEN %s THEN nullif(a.summary, '') END
        FROM message_analysis AS a JOIN message AS m ON m.id = a.message_id
        WHERE a.tenant_id = %s AND a.id = %s
        """,
        (include_text, include_text, tenant_id, analysis_id),
    ).fetchone()
    if row is None:
        return None
    return AnalyzedData(**dict(zip((*_MESSAGE, *_ANALYSIS, "text", "summary"), row, strict=True)))


def _read_decision(conn: Connection, tenant_id: int, decision_id: str, *, include_text: bool) -> DecidedData | None:
    row = conn.execute(
        """
        SELECT m.id::text, m.conversation_id::text, m.customer_id::text, m.channel, m.surface, m.sent_at,
               d.id::text, d.analysis_id::text, d.priority, d.queue, d.rule, d.reasons, d.tags, d.skill, d.applied,
               coalesce(d.actions, '[]'),
               CASE WHEN %s THEN m.minimized_text END, CASE WHEN %s THEN nullif(a.summary, '') END,
               reads.sentiment, reads.score, reads.intent, reads.topics, reads.language, reads.corrected
        FROM routing_decision AS d
        JOIN message AS m ON m.id = d.message_id
        LEFT JOIN message_analysis AS a ON a.id = d.analysis_id
        LEFT JOIN LATERAL effective_label(m.id) AS reads ON true
        WHERE d.tenant_id = %s AND d.id = %s
        """,
        (include_text, include_text, tenant_id, decision_id),
    ).fetchone()
    if row is None:
        return None
    names = (
        *_MESSAGE,
        "decision_id",
        "analysis_id",
        "priority",
        "queue",
        "rule",
        "reasons",
        "tags",
        "skill",
        "applied",
    )
    planned = row[len(names)]
    return DecidedData(
        **dict(zip(names, row[: len(names)], strict=True)),
        actions=[PlannedAction(kind=one["kind"], state=one["state"]) for one in planned],
        text=row[-8],
        summary=row[-7],
        label=_label(row[-6:]),
    )


def _label(row: tuple[Any, ...]) -> Label | None:
    return Label(**dict(zip(_LABEL, row, strict=True))) if row[0] else None


def _read_alert(conn: Connection, tenant_id: int, alert_id: str) -> AlertData | None:
    row = conn.execute(
        """
        SELECT id::text, kind, severity, queue, details, conversation_id::text, customer_id::text, message_id::text, created_at,
               resolved_at
        FROM alert
        WHERE tenant_id = %s AND id = %s
        """,
        (tenant_id, alert_id),
    ).fetchone()
    if row is None:
        return None
    alert_id, kind, severity, queue, details, *rest = row
    names = ("conversation_id", "customer_id", "message_id", "raised_at", "resolved_at")
    return AlertData(
        alert_id=alert_id,
        kind=kind,
        severity=severity,
        queue=queue,
        sentence=sentence(kind, details),
        **dict(zip(names, rest, strict=True)),
    )


def _read_conversation(conn: Connection, tenant_id: int, claimed: Claimed) -> ResolvedData | None:
    row = conn.execute(
        """
        SELECT id::text, customer_id::text, channel, queue, priority
        FROM conversation
        WHERE tenant_id = %s AND id = %s
        """,
        (tenant_id, claimed.subject_id),
    ).fetchone()
    if row is None:
        return None
    names = ("conversation_id", "customer_id", "channel", "queue", "priority")
    return ResolvedData(**dict(zip(names, row, strict=True)), resolved_at=claimed.happened_at)


def _read_correction(conn: Connection, tenant_id: int, correction_id: str) -> CorrectedData | None:
    row = conn.execute(
        """
        SELECT k.id::text, k.message_id::text, m.conversation_id::text, k.field, k.old_value, k.new_value, k.corrected_by,
               k.created_at, k.undone_at,
               reads.sentiment, reads.score, reads.intent, reads.topics, reads.language, reads.corrected
        FROM correction AS k
        JOIN message AS m ON m.id = k.message_id
        LEFT JOIN LATERAL effective_label(m.id) AS reads ON true
        WHERE k.tenant_id = %s AND k.id = %s
        """,
        (tenant_id, correction_id),
    ).fetchone()
    if row is None:
        return None
    names = (
        "correction_id",
        "message_id",
        "conversation_id",
        "field",
        "old_value",
        "new_value",
        "corrected_by",
        "corrected_at",
        "undone_at",
    )
    return CorrectedData(**dict(zip(names, row[: len(names)], strict=True)), label=_label(row[-6:]))
