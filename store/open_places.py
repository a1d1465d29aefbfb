"""Where open conversations stand, and what was decided about the messages that may place them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from store.db import Connection


@dataclass(frozen=True)
class OpenPlace:
    """An open conversation that a decision has placed."""

    conversation_id: str
    routed_message_id: str
    queue: str
    priority: str


def list_open_places(conn: Connection, tenant_id: int, *, after_id: str | None, limit: int) -> list[OpenPlace]:
    """Open conversations in the order of their ids, which is that in which they are locked."""
    rows = conn.execute(
        """
        SELECT id::text, routed_message_id::text, queue, priority
        FROM conversation
        WHERE tenant_id = %s AND state = 'open' AND routed_message_id IS NOT NULL AND priority IS NOT NULL
          AND (%s::uuid IS NULL OR id > %s::uuid)
        ORDER BY conversation.id
        LIMIT %s
        """,
        (tenant_id, after_id, after_id, limit),
    ).fetchall()
    return [OpenPlace(*row) for row in rows]


@dataclass(frozen=True)
class PlacingMessage:
    """A message with the facts of its newest decision."""

    message_id: str
    sent_at: datetime
    inputs: dict[str, Any]
    analysis_id: str | None


def list_placing_messages(conn: Connection, conversation_id: str) -> list[PlacingMessage]:
    """The message that has placed the conversation and those after it by the provider's time, oldest first.

    Messages without a decision, or with a provisional one alone, are not among them.
    """
    rows = conn.execute(
        """
        SELECT m.id::text, m.sent_at, d.inputs, d.analysis_id::text
        FROM conversation AS c
        JOIN message AS m ON m.conversation_id = c.id AND (m.sent_at, m.id) >= (c.routed_sent_at, c.routed_message_id)
        JOIN LATERAL (
            SELECT inputs, analysis_id
            FROM routing_decision
            WHERE message_id = m.id AND NOT provisional
            ORDER BY id DESC
            LIMIT 1
        ) AS d ON true
        WHERE c.id = %s AND m.direction = 'inbound'
        ORDER BY m.sent_at, m.id
        """,
        (conversation_id,),
    ).fetchall()
    return [PlacingMessage(*row) for row in rows]


@dataclass(frozen=True)
class DecidedPlace:
    """Where the newest decision about a message would have the conversation stand. wants_assign: it planned to give it to somebody."""

    message_id: str
    sent_at: datetime
    queue: str
    priority: str
    skill: str | None
    wants_assign: bool


def list_decided_places(conn: Connection, conversation_id: str) -> list[DecidedPlace]:
    """Of the message that has placed the conversation and those after it by the provider's time, oldest first.

    A keyword reading counts until the model has answered. A second look that came to nothing does not count, and neither does what
    was decided before a person transferred the conversation to another queue: that person's word is newer.
    """
    rows = conn.execute(
        """
        SELECT m.id::text, m.sent_at, d.queue, d.priority, d.skill,
               EXISTS (
                   SELECT FROM jsonb_array_elements(coalesce(d.actions, '[]')) AS planned
                   WHERE planned ->> 'kind' = 'assign' AND planned ->> 'state' = 'pending'
               )
        FROM conversation AS c
        JOIN message AS m ON m.conversation_id = c.id AND (m.sent_at, m.id) >= (c.routed_sent_at, c.routed_message_id)
        JOIN LATERAL (
            SELECT r.queue, r.priority, r.skill, r.actions, r.created_at
            FROM routing_decision AS r
            WHERE r.message_id = m.id
            ORDER BY r.provisional, CASE WHEN m.edits = 0 THEN r.inputs ->> 'outcome' <> 'analyzed' END, r.id DESC
            LIMIT 1
        ) AS d ON true
        WHERE c.id = %s AND m.direction = 'inbound' AND NOT m.is_history AND m.state <> 'erased'
          AND (m.id = c.routed_message_id OR NOT EXISTS (
              SELECT FROM conversation_event AS e
              WHERE e.conversation_id = c.id AND e.kind = 'transferred' AND e.assignee_id IS NULL AND e.at >= d.created_at
          ))
        ORDER BY m.sent_at, m.id
        """,
        (conversation_id,),
    ).fetchall()
    return [DecidedPlace(*row) for row in rows]


def is_in_somebodys_hands(conn: Connection, conversation_id: str) -> bool:
    """Whether an agent has the conversation. Asked in a way that also works before there are work queues."""
    row = conn.execute(
        "SELECT to_jsonb(c) ->> 'assignee_id' IS NOT NULL FROM conversation AS c WHERE c.id = %s", (conversation_id,)
    ).fetchone()
    return row is not None and row[0]
