"""What customers answered to surveys: one row per message that answers, the newest score stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from channels.base import DeliveryStatus
from config.surveys import SurveyKind
from routing.actions import INVITATIONS
from store.db import Connection
from store.outbound import as_uuid


@dataclass(frozen=True)
class SurveyAnswer:
    """One message's answer. score: None when it is only words about the score before it."""

    invitation_id: str
    survey: SurveyKind
    score: int | None
    has_comment: bool
    sent_at: datetime


def find_answer(conn: Connection, message_id: str) -> SurveyAnswer | None:
    """What this message answers, None when it answers no survey."""
    row = conn.execute(
        "SELECT invitation_id::text, survey, score, has_comment, sent_at FROM survey_answer WHERE message_id = %s",
        (message_id,),
    ).fetchone()
    return SurveyAnswer(*row) if row else None


def find_standing_score(conn: Connection, invitation_id: str, *, until: datetime) -> SurveyAnswer | None:
    """The newest score of the invitation that was given no later than this."""
    row = conn.execute(
        """
        SELECT invitation_id::text, survey, score, has_comment, sent_at
        FROM survey_answer
        WHERE invitation_id = %s AND score IS NOT NULL AND sent_at <= %s
        ORDER BY sent_at DESC, message_id DESC
        LIMIT 1
        """,
        (invitation_id, until),
    ).fetchone()
    return SurveyAnswer(*row) if row else None


def has_other_comment(conn: Connection, invitation_id: str, *, message_id: str) -> bool:
    """Whether another message has given the reason already."""
    return (
        conn.execute(
            "SELECT FROM survey_answer WHERE invitation_id = %s AND has_comment AND message_id <> %s LIMIT 1",
            (invitation_id, message_id),
        ).fetchone()
        is not None
    )


def put_answer(conn: Connection, tenant_id: int, message_id: str, answer: SurveyAnswer, *, customer_id: str) -> None:
    """Keep the answer; the same message again, or with new words, replaces its own."""
    conn.execute(
        """
        INSERT INTO survey_answer (message_id, tenant_id, invitation_id, customer_id, survey, score, has_comment, sent_at)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
        ON CONFLICT (message_id) DO UPDATE SET
            invitation_id = EXCLUDED.invitation_id, survey = EXCLUDED.survey, score = EXCLUDED.score,
            has_comment = EXCLUDED.has_comment
        """,
        (
            message_id,
            tenant_id,
            answer.invitation_id,
            customer_id,
            answer.survey,
            answer.score,
            answer.has_comment,
            answer.sent_at,
        ),
    )
    _mark(conn, message_id, is_score_alone=not answer.has_comment)


def drop_answer(conn: Connection, message_id: str) -> None:
    """The message's new words are no answer any more."""
    if conn.execute("DELETE FROM survey_answer WHERE message_id = %s", (message_id,)).rowcount:
        _mark(conn, message_id, is_score_alone=False)


def _mark(conn: Connection, message_id: str, *, is_score_alone: bool) -> None:
    conn.execute("UPDATE message SET is_survey_answer = %s WHERE id = %s", (is_score_alone, message_id))


def forget_answers(conn: Connection, message_ids: Sequence[str]) -> None:
    """These messages were taken back, and with them what they answered."""
    conn.execute("DELETE FROM survey_answer WHERE message_id = ANY(%s::uuid[])", (list(message_ids),))
    conn.execute(
        "UPDATE message SET choice_id = NULL WHERE id = ANY(%s::uuid[]) AND choice_id IS NOT NULL", (list(message_ids),)
    )


def is_settled(conn: Connection, conversation_id: str, *, since: datetime) -> bool:
    """Whether the customer has written nothing but scores and their reasons since then."""
    return (
        conn.execute(
            """
            SELECT
            FROM message AS m
            WHERE m.conversation_id = %s AND m.direction = 'inbound' AND m.sent_at > %s AND m.state <> 'erased'
              AND NOT EXISTS (SELECT FROM survey_answer AS s WHERE s.message_id = m.id)
            LIMIT 1
            """,
            (conversation_id, since),
        ).fetchone()
        is None
    )


def note_deliveries(conn: Connection, tenant_id: int, statuses: Sequence[DeliveryStatus]) -> None:
    """Which invitations have reached their customers. The transaction must act for `tenant_id`."""
    reached = [status for status in statuses if status.state in {"delivered", "read"}]
    if not reached:
        return
    conn.execute(
        """
        UPDATE action AS a
        SET delivered_at = now()
        WHERE a.tenant_id = %s AND a.kind = ANY(%s) AND a.delivered_at IS NULL
          AND (a.id = ANY(%s::uuid[]) OR a.provider_message_id = ANY(%s::text[]))
        """,
        (
            tenant_id,
            list(INVITATIONS),
            [one for status in reached if (one := as_uuid(status.callback))],
            [status.provider_message_id for status in reached],
        ),
    )
