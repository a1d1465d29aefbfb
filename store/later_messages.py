"""What the customer has written since the message that an action answers."""

from routing.contradictions import LaterMessage
from store.actions import ClaimedAction
from store.db import Connection

MOST = 50


def list_later_messages(conn: Connection, action: ClaimedAction) -> list[LaterMessage]:
    """The customer's later messages of the conversation as they are read now, oldest first; at most MOST."""
    rows = conn.execute(
        """
        SELECT later.message_type, reads.sentiment, reads.intent,
               later.text IS NOT NULL AND EXISTS (
                   SELECT FROM run AS r WHERE r.message_id = later.id AND r.state IN ('received', 'minimized', 'analyzed', 'persisted')
               )
        FROM message AS m
        JOIN message AS later
          ON later.conversation_id = m.conversation_id AND (later.sent_at, later.id) > (m.sent_at, m.id)
        LEFT JOIN LATERAL effective_label(later.id) AS reads ON true
        WHERE m.id = %s AND later.direction = 'inbound' AND NOT later.is_history AND NOT later.is_survey_answer
          AND later.state <> 'erased'
        ORDER BY later.sent_at, later.id
        LIMIT %s
        """,
        (action.message_id, MOST),
    ).fetchall()
    return [LaterMessage(*row) for row in rows]
