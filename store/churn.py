"""What a customer's mood is judged by: labelled messages, the alerts there are about it, and the story so far."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from routing.churn import LabelledMessage
from store.db import Connection

# Whoever writes more than this within the time looked at is judged by the newest.
MAX_MESSAGES = 100


def list_labelled(conn: Connection, customer_id: str, *, since: datetime) -> list[LabelledMessage]:
    """The customer's live messages with a label, over all conversations, oldest first by provider time.

    Without those that are analyzed with another one, history, groups, survey scores and what was taken back.
    """
    rows = conn.execute(
        """
        SELECT m.id::text, m.conversation_id::text, m.sent_at, reads.sentiment
        FROM (
            SELECT id, conversation_id, sent_at
            FROM message
            WHERE customer_id = %(customer)s AND sent_at >= %(since)s
              -- No month before or after these is looked through.
              AND id >= uuid_floor(%(since)s::timestamptz - interval '1 day') AND id < uuid_floor(now() + interval '1 day')
              AND direction = 'inbound' AND NOT is_history AND NOT is_survey_answer
              AND joined_to IS NULL AND state NOT IN ('erased', 'ignored') AND conversation_id IS NOT NULL
            ORDER BY sent_at DESC, id DESC
            LIMIT %(most)s
        ) AS m
        CROSS JOIN LATERAL effective_label(m.id) AS reads
        ORDER BY m.sent_at, m.id
        """,
        {"customer": customer_id, "since": since, "most": MAX_MESSAGES},
    ).fetchall()
    return [LabelledMessage(*row) for row in rows]


@dataclass(frozen=True)
class ChurnAlert:
    """An alert about a customer's mood. message_ids: the episode as it was last seen."""

    id: str
    message_ids: frozenset[str]
    is_open: bool


def list_churn_alerts(conn: Connection, customer_id: str, *, since: datetime) -> list[ChurnAlert]:
    """Alerts whose episode was seen since then, oldest first."""
    rows = conn.execute(
        """
        SELECT id::text, details -> 'messages', resolved_at IS NULL
        FROM alert
        WHERE customer_id = %s AND kind = 'churn' AND seen_at >= %s
        ORDER BY id
        """,
        (customer_id, since),
    ).fetchall()
    return [ChurnAlert(alert_id, frozenset(one["id"] for one in told), is_open) for alert_id, told, is_open in rows]


def describe_messages(conn: Connection, message_ids: list[str]) -> list[dict[str, Any]]:
    """What the alert keeps of each message, in the given order: time, label, intent, topics. No text."""
    rows = conn.execute(
        """
        SELECT m.id::text, m.sent_at, m.channel, m.surface, reads.sentiment, reads.score, reads.intent, reads.topics
        FROM unnest(%s::uuid[]) WITH ORDINALITY AS given (id, place)
        -- Each by itself: without statistics all messages of the tenant would be read for these few.
        CROSS JOIN LATERAL (
            SELECT id, sent_at, channel, surface FROM message WHERE id = given.id OFFSET 0
        ) AS m
        CROSS JOIN LATERAL effective_label(m.id) AS reads
        ORDER BY given.place
        """,
        (message_ids,),
    ).fetchall()
    return [
        {
            "id": message_id,
            "sent_at": sent_at.isoformat(),
            "channel": channel,
            "surface": surface,
            "sentiment": sentiment,
            "score": round(score, 3),
            "intent": intent,
            "topics": topics,
        }
        for message_id, sent_at, channel, surface, sentiment, score, intent, topics in rows
    ]


def is_high_value(conn: Connection, customer_id: str) -> bool:
    """What the CRM says about the customer's value."""
    row = conn.execute("SELECT high_value FROM customer WHERE id = %s", (customer_id,)).fetchone()
    return bool(row and row[0])


@dataclass(frozen=True)
class StoryLine:
    """One thing that happened. who: customer, human, bot or earshot. summary: the analysis's, '' when it is erased.

    done: automations of this message and what became of them, like "send_refund_form sent".
    """

    message_id: str
    sent_at: datetime
    channel: str
    who: str
    sentiment: str | None
    score: float | None
    intent: str | None
    topics: list[str]
    summary: str | None
    queue: str | None
    priority: str | None
    done: list[str]


def list_story(
    conn: Connection, customer_id: str, *, until: datetime | None = None, limit: int = 30
) -> list[StoryLine]:
    """The story so far of one customer, oldest first: messages of both sides, labels, summaries, what was done. Built from rows when
    it is read, so that corrections and erasures show.

    limit: of the newest messages. until: by provider time; None: up to now.
    """
    rows = conn.execute(
        """
        SELECT m.id::text, m.sent_at, m.channel, m.author, reads.sentiment, reads.score, reads.intent, coalesce(reads.topics, '{}'),
               reads.summary, decided.queue, decided.priority,
               array(SELECT a.kind || ' ' || a.state FROM action AS a WHERE a.message_id = m.id ORDER BY a.id)
        FROM (
            SELECT id, sent_at, channel, author
            FROM message
            WHERE customer_id = %s AND (%s::timestamptz IS NULL OR sent_at <= %s) AND state NOT IN ('erased', 'ignored')
              AND joined_to IS NULL
            ORDER BY sent_at DESC, id DESC
            LIMIT %s
        ) AS m
        LEFT JOIN LATERAL effective_label(m.id) AS reads ON true
        LEFT JOIN LATERAL (
            SELECT d.queue, d.priority
            FROM routing_decision AS d
            WHERE d.message_id = m.id AND NOT d.provisional
            ORDER BY d.id DESC
            LIMIT 1
        ) AS decided ON true
        ORDER BY m.sent_at, m.id
        """,
        (customer_id, until, until, limit),
    ).fetchall()
    return [StoryLine(*row) for row in rows]
