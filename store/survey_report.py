"""Invitations with the answers that stand, as reports read them."""

from collections import Counter
from datetime import datetime, timedelta

from config.surveys import SurveyKind
from routing.actions import INVITATIONS
from routing.survey_figures import Asked, Tally
from store.db import Connection

ALL = "all"
# An answer is younger than its invitation; the provider's clock tells when it was written, and ours when the invitation left.
CLOCKS_DIFFER_AT_MOST = timedelta(days=1)


def _kinds(survey: SurveyKind) -> list[str]:
    return [kind for kind, of_survey in INVITATIONS.items() if of_survey == survey]


def list_asked(
    conn: Connection,
    tenant_id: int,
    survey: SurveyKind,
    *,
    since: datetime | None,
    until: datetime | None,
    time_zone: str,
) -> list[Asked]:
    """The survey's invitations that left from `since` up to, and without, `until`, oldest first.

    Topics are those that now count for the message that led to the invitation.
    """
    rows = conn.execute(
        """
        SELECT a.sent_at, to_char(a.sent_at AT TIME ZONE %s, 'YYYY-MM'), a.channel, coalesce(reads.topics, '{}'),
               a.state = 'failed', a.delivered_at IS NOT NULL, stands.score, coalesce(said.has_comment, false), stands.sent_at
        FROM action AS a
        LEFT JOIN LATERAL effective_label(a.message_id) AS reads ON true
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
            tenant_id,
            _kinds(survey),
            since,
            since,
            until,
            until,
        ),
    ).fetchall()
    return [Asked(row[0], row[1], row[2], tuple(row[3]), *row[4:]) for row in rows]


def tally_by_channel(
    conn: Connection,
    tenant_id: int,
    survey: SurveyKind,
    *,
    since: datetime,
    until: datetime,
    open_since: datetime,
) -> dict[str, Tally]:
    """What `tally_of` counts of the invitations that `list_asked` gives, without fetching them: of ALL, then of each channel by name."""
    rows = conn.execute(
        """
        WITH stands AS (
            SELECT invitation_id, bool_or(has_comment) AS has_comment,
                   (array_agg(score ORDER BY sent_at DESC, message_id DESC) FILTER (WHERE score IS NOT NULL))[1] AS score,
                   max(sent_at) FILTER (WHERE score IS NOT NULL) AS answered_at
            FROM survey_answer
            WHERE tenant_id = %(tenant)s AND survey = %(survey)s AND sent_at >= %(answers_since)s
            GROUP BY invitation_id
        ), asked AS (
            SELECT a.channel, a.sent_at, a.delivered_at, stands.score, stands.answered_at, stands.has_comment,
                   a.state <> 'failed' OR stands.score IS NOT NULL AS has_left
            FROM action AS a LEFT JOIN stands ON stands.invitation_id = a.id
            WHERE a.tenant_id = %(tenant)s AND a.kind = ANY(%(kinds)s) AND a.state IN ('sending', 'sent', 'uncertain', 'failed')
              AND a.sent_at >= %(since)s AND a.sent_at < %(until)s
        )
        SELECT CASE WHEN grouping(channel) = 0 THEN channel END,
               count(*) FILTER (WHERE has_left),
               count(*) FILTER (WHERE NOT has_left),
               count(*) FILTER (WHERE has_left AND (delivered_at IS NOT NULL OR score IS NOT NULL)),
               count(*) FILTER (WHERE has_left AND has_comment),
               count(*) FILTER (WHERE has_left AND score IS NULL AND sent_at > %(open_since)s),
               array_agg(score) FILTER (WHERE score IS NOT NULL),
               extract(epoch FROM percentile_cont(0.5) WITHIN GROUP (ORDER BY answered_at - sent_at))::float8 / 3600
        FROM asked
        GROUP BY GROUPING SETS ((), (channel))
        ORDER BY grouping(channel) DESC, channel
        """,
        {
            "tenant": tenant_id,
            "survey": survey,
            "kinds": _kinds(survey),
            "since": since,
            "until": until,
            "answers_since": since - CLOCKS_DIFFER_AT_MOST,
            "open_since": open_since,
        },
    ).fetchall()
    return {
        channel or ALL: Tally(*counts, scores=Counter(scores or ()), median_hours=median_hours)
        for channel, *counts, scores, median_hours in rows
    }
