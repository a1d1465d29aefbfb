"""What a tenant's endpoint is told, read from the decision that planned the action."""

from routing.webhook_payload import WebhookEvent
from store.actions import ClaimedAction
from store.db import Connection
from store.internal_actions import list_tags


def get_webhook_event(conn: Connection, action: ClaimedAction) -> WebhookEvent:
    """The message, its decision and its label, as they stand."""
    row = conn.execute(
        """
        SELECT m.channel, m.surface, m.sent_at, m.text, d.created_at, d.priority, d.queue, d.rule, d.reasons,
               reads.sentiment, reads.score, reads.intent, reads.topics, reads.language
        FROM message AS m
        JOIN LATERAL (
            SELECT *
            FROM routing_decision
            WHERE message_id = m.id AND NOT provisional AND created_at <= %s
            ORDER BY id DESC
            LIMIT 1
        ) AS d ON true
        LEFT JOIN LATERAL effective_label(m.id) AS reads ON true
        WHERE m.id = %s
        """,
        (action.created_at, action.message_id),
    ).fetchone()
    assert row is not None, "an action is planned with a decision"
    channel, surface, sent_at, text, decided_at, priority, queue, rule, reasons, *label = row
    names = ("sentiment", "score", "intent", "topics", "language")
    return WebhookEvent(
        action_id=action.id,
        conversation_id=action.conversation_id,
        message_id=action.message_id,
        customer_id=action.customer_id,
        channel=channel,
        surface=surface,
        sent_at=sent_at,
        decided_at=decided_at,
        priority=priority,
        queue=queue,
        rule=rule,
        reasons=tuple(reasons),
        label=dict(zip(names, label, strict=True)) if label[0] else None,
        tags=tuple(list_tags(conn, action.conversation_id)),
        text=text,
    )
