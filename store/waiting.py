"""Since when a customer waits for a person."""

from collections.abc import Sequence

from store.db import Connection


def find_who_waits(conn: Connection, conversation_ids: Sequence[str]) -> None:
    """A conversation whose waiting began before a person's last answer waits since the customer's first message after it, if any."""
    conn.execute(
        """
        UPDATE conversation AS c
        SET waiting_since = first.sent_at
        FROM conversation AS o CROSS JOIN LATERAL (
            SELECT min(m.sent_at) AS sent_at
            FROM message AS m
            WHERE m.conversation_id = o.id AND m.sent_at > o.last_human_answer_at AND m.direction = 'inbound'
              AND NOT m.is_history AND m.state <> 'erased'
        ) AS first
        WHERE o.id = ANY(%s::uuid[]) AND o.waiting_since <= o.last_human_answer_at AND c.id = o.id
          AND first.sent_at IS NOT NULL
        """,
        (list(conversation_ids),),
    )
