"""The weekly sample as people work through it: the next one to judge, and how far a week is."""

from dataclasses import dataclass, field
from datetime import date, datetime

from store.db import Connection


@dataclass(frozen=True)
class SampledMessage:
    """A message of a sample. sentiment, intent, topics, score, summary: as the model judged it. said_*: what a person says, when one has.

    text: None when it was taken back. judged_by: an e-mail; None for a program.
    """

    message_id: str
    period: date
    conversation_id: str | None
    channel: str
    surface: str
    sent_at: datetime
    text: str | None = field(repr=False)
    language: str
    sentiment: str
    score: float
    intent: str
    topics: list[str]
    summary: str = field(repr=False)
    judged_at: datetime | None
    judged_by: str | None
    said_sentiment: str | None
    said_intent: str | None
    said_topics: list[str] | None


def find_sampled(conn: Connection, tenant_id: int, message_id: str) -> SampledMessage | None:
    """One message of the tenant's samples, judged or not."""
    row = conn.execute(
        """
        SELECT m.id::text, s.period, m.conversation_id::text, m.channel, m.surface, m.sent_at, m.text, a.language, a.sentiment,
               a.score, a.intent, a.topics, a.summary, s.judged_at, u.email, s.sentiment, s.intent, s.topics
        FROM audit_sample AS s
        JOIN message AS m ON m.id = s.message_id
        JOIN message_analysis AS a ON a.id = s.analysis_id
        LEFT JOIN app_user AS u ON u.id = s.judged_by
        WHERE s.tenant_id = %s AND s.message_id = %s
        """,
        (tenant_id, message_id),
    ).fetchone()
    return SampledMessage(*row) if row else None


def list_sampled(
    conn: Connection, tenant_id: int, *, judged: bool, limit: int, after: str | None = None
) -> list[SampledMessage]:
    """Open ones of the oldest week first, judged ones newest first; after: those behind this message. Without what was taken back."""
    rows = conn.execute(
        """
        SELECT m.id::text, s.period, m.conversation_id::text, m.channel, m.surface, m.sent_at, m.text, a.language, a.sentiment,
               a.score, a.intent, a.topics, a.summary, s.judged_at, u.email, s.sentiment, s.intent, s.topics
        FROM audit_sample AS s
        JOIN message AS m ON m.id = s.message_id
        JOIN message_analysis AS a ON a.id = s.analysis_id
        LEFT JOIN app_user AS u ON u.id = s.judged_by
        LEFT JOIN audit_sample AS passed ON passed.tenant_id = s.tenant_id AND passed.message_id = %(after)s::uuid
        WHERE s.tenant_id = %(tenant)s AND (s.judged_at IS NOT NULL) = %(judged)s AND m.state <> 'erased' AND m.text IS NOT NULL
          AND (%(after)s::uuid IS NULL OR CASE
              WHEN %(judged)s THEN (s.judged_at, s.id) < (passed.judged_at, passed.id)
              ELSE (s.period, s.id) > (passed.period, passed.id)
          END)
        ORDER BY CASE WHEN %(judged)s THEN s.judged_at END DESC, CASE WHEN %(judged)s THEN s.id END DESC, s.period, s.id
        LIMIT %(limit)s
        """,
        {"tenant": tenant_id, "judged": judged, "after": after, "limit": limit},
    ).fetchall()
    return [SampledMessage(*row) for row in rows]


def find_next_to_judge(conn: Connection, tenant_id: int, *, after: str | None = None) -> str | None:
    """The message to judge next, of the oldest week first; after: behind this one, and from the beginning when it was the last."""
    row = conn.execute(
        """
        SELECT s.message_id::text
        FROM audit_sample AS s
        JOIN message AS m ON m.id = s.message_id
        LEFT JOIN audit_sample AS passed ON passed.tenant_id = s.tenant_id AND passed.message_id = %s::uuid
        WHERE s.tenant_id = %s AND s.judged_at IS NULL AND m.state <> 'erased' AND m.text IS NOT NULL
        ORDER BY (s.period, s.id) <= (passed.period, passed.id), s.period, s.id
        LIMIT 1
        """,
        (after, tenant_id),
    ).fetchone()
    return row[0] if row else None


def lock_sampled(conn: Connection, tenant_id: int, message_id: str) -> datetime | None:
    """Hold off others who judge the same message. Returns when it was judged, None when it was not (or is in no sample)."""
    row = conn.execute(
        "SELECT judged_at FROM audit_sample WHERE tenant_id = %s AND message_id = %s FOR UPDATE",
        (tenant_id, message_id),
    ).fetchone()
    return row[0] if row else None


@dataclass(frozen=True)
class WeekProgress:
    """A week's sample. Messages that were taken back since are not counted."""

    period: date
    judged: int
    total: int


def list_weeks(conn: Connection, tenant_id: int, *, limit: int) -> list[WeekProgress]:
    """Newest week first."""
    rows = conn.execute(
        """
        SELECT s.period, count(*) FILTER (WHERE s.judged_at IS NOT NULL), count(*)
        FROM audit_sample AS s JOIN message AS m ON m.id = s.message_id
        WHERE s.tenant_id = %s AND (m.state <> 'erased' OR s.judged_at IS NOT NULL)
        GROUP BY s.period
        ORDER BY s.period DESC
        LIMIT %s
        """,
        (tenant_id, limit),
    ).fetchall()
    return [WeekProgress(*row) for row in rows]


@dataclass(frozen=True)
class JudgedBefore:
    """What was judged lately. was_right: whether the person agreed with the model in everything."""

    message_id: str
    text: str | None = field(repr=False)
    by: str | None
    judged_at: datetime
    was_right: bool


def list_judged_lately(conn: Connection, tenant_id: int, *, limit: int) -> list[JudgedBefore]:
    """Newest first."""
    rows = conn.execute(
        """
        SELECT s.message_id::text, left(m.text, 120), u.email, s.judged_at,
               s.sentiment = a.sentiment AND s.intent = a.intent
               AND s.topics @> a.topics AND a.topics @> s.topics
        FROM audit_sample AS s
        JOIN message AS m ON m.id = s.message_id
        JOIN message_analysis AS a ON a.id = s.analysis_id
        LEFT JOIN app_user AS u ON u.id = s.judged_by
        WHERE s.tenant_id = %s AND s.judged_at IS NOT NULL
        ORDER BY s.judged_at DESC, s.id
        LIMIT %s
        """,
        (tenant_id, limit),
    ).fetchall()
    return [JudgedBefore(*row) for row in rows]
