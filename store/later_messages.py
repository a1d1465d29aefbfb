"""What has come since the message that an action answers: the customer's later words, and a person's correction."""

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


def is_contradicted(conn: Connection, action: ClaimedAction) -> bool:
    """Whether a later message of the conversation reads the other way (no thanks to somebody who is angry by now), or a person
    has said since that the message means something else than the action was planned on.
    """
    return (
        conn.execute(
            """
            SELECT
            FROM message AS m CROSS JOIN LATERAL effective_label(m.id) AS reads
            WHERE m.id = %s
              AND (
                  reads.sentiment <> 'negative' AND EXISTS (
                      SELECT
                      FROM message AS later CROSS JOIN LATERAL effective_label(later.id) AS now
                      WHERE later.conversation_id = m.conversation_id AND (later.sent_at, later.id) > (m.sent_at, m.id)
                        AND now.sentiment = 'negative' AND NOT later.is_survey_answer
                  )
                  OR reads.corrected_at > %s AND EXISTS (
                      SELECT
                      FROM message_analysis AS was
                      WHERE was.message_id = m.id AND was.id > m.id AND was.run_kind = 'initial' AND NOT was.provisional
                        AND (was.sentiment, was.intent) <> (reads.sentiment, reads.intent)
                  )
              )
            """,
            (action.message_id, action.created_at),
        ).fetchone()
        is not None
    )
