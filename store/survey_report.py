"""Invitations with the answers that stand, as reports read them."""

from datetime import datetime

from config.surveys import SurveyKind
from routing.actions import INVITATIONS
from routing.survey_figures import Asked
from store.db import Connection


def list_asked(
    conn: Connection,
    tenant_id: int,
    survey: SurveyKind,
    *,
    since: datetime | None,
    until: datetime | None,
    time_zone: str,
    with_topics: bool = True,
) -> list[Asked]:
    """The survey's invitations that left from `since` up to, and without, `until`, oldest first.

    Topics are those that now count for the message that led to the invitation; they take most of the time.
    """
    rows = conn.execute(
        """
        SELECT a.sent_at, to_char(a.sent_at AT TIME ZONE %s, 'YYYY-MM'), a.channel, coalesce(reads.topics, '{}'),
               a.state = 'failed', a.delivered_at IS NOT NULL, stands.score, coalesce(said.has_comment, false), stands.sent_at
        FROM action AS a
        LEFT JOIN LATERAL effective_label(a.message_id) AS reads ON %s
        LEFT JOIN LATERAL (
            SELECT score, sent_at
            FROM survey_answer
            WHERE invitation_id = a.id AND score IS NOT NULL
            ORDER BY sent_at DESC, message_id DESC
            LIMIT 1
        ) AS stands ON true
        LEFT JOIN LATERAL (
            SELECT bool_or(has_comment) AS has_comment FROM survey_answer WHERE invitation_id = a.id
        ) AS said ON true
        WHERE a.tenant_id = %s AND a.kind = ANY(%s) AND a.state IN ('sending', 'sent', 'uncertain', 'failed')
          AND a.sent_at IS NOT NULL
          AND (%s::timestamptz IS NULL OR a.sent_at >= %s) AND (%s::timestamptz IS NULL OR a.sent_at < %s)
        ORDER BY a.sent_at, a.id
        """,
        (
            time_zone,
            with_topics,
            tenant_id,
            [kind for kind, of_survey in INVITATIONS.items() if of_survey == survey],
            since,
            since,
            until,
            until,
        ),
    ).fetchall()
    return [Asked(row[0], row[1], row[2], tuple(row[3]), *row[4:]) for row in rows]
