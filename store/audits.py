"""Small random samples of analyzed messages that people confirm or correct: what the accuracy of the model is measured on."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from analysis.accuracy import Auditable, Audited, band_of
from store.db import Connection


def list_auditable(conn: Connection, tenant_id: int, *, first: date, last: date) -> list[Auditable]:
    """Inbound messages received from `first` to the day before `last` (UTC) whose newest valid analysis people may judge."""
    rows = conn.execute(
        """
        SELECT m.id::text, e.analysis_id::text, e.language, e.model_score
        FROM message AS m CROSS JOIN LATERAL effective_label(m.id) AS e
        WHERE m.tenant_id = %s AND m.id >= uuid_floor(%s::date::timestamp AT TIME ZONE 'UTC')
          AND m.id < uuid_floor(%s::date::timestamp AT TIME ZONE 'UTC')
          AND m.direction = 'inbound' AND m.text IS NOT NULL AND m.state <> 'erased' AND m.joined_to IS NULL
        ORDER BY m.id
        """,
        (tenant_id, first, last),
    ).fetchall()
    return [Auditable(*row) for row in rows]


def has_sample(conn: Connection, tenant_id: int, *, period: date) -> bool:
    """Whether the week's sample is picked already."""
    return (
        conn.execute(
            "SELECT FROM audit_sample WHERE tenant_id = %s AND period = %s LIMIT 1", (tenant_id, period)
        ).fetchone()
        is not None
    )


def add_sample(conn: Connection, tenant_id: int, picked: Sequence[Auditable], *, period: date) -> int:
    """Keep a sample. Returns how many messages are new in it."""
    return conn.execute(
        """
        INSERT INTO audit_sample (tenant_id, period, message_id, analysis_id)
        SELECT %s, %s, given.message_id, given.analysis_id
        FROM unnest(%s::uuid[], %s::uuid[]) AS given (message_id, analysis_id)
        ON CONFLICT (tenant_id, message_id) DO NOTHING
        """,
        (tenant_id, period, [one.message_id for one in picked], [one.analysis_id for one in picked]),
    ).rowcount


@dataclass(frozen=True)
class OpenAudit:
    """A message of a sample that nobody has judged yet, as the model judged it."""

    message_id: str
    period: date
    text: str | None = field(repr=False)
    language: str
    sentiment: str
    score: float
    intent: str
    topics: list[str]


def list_open_audits(conn: Connection, tenant_id: int) -> list[OpenAudit]:
    """Oldest week first. Messages that were taken back since are left out."""
    rows = conn.execute(
        """
        SELECT s.message_id::text, s.period, m.text, a.language, a.sentiment, a.score, a.intent, a.topics
        FROM audit_sample AS s JOIN message AS m ON m.id = s.message_id JOIN message_analysis AS a ON a.id = s.analysis_id
        WHERE s.tenant_id = %s AND s.judged_at IS NULL AND m.state <> 'erased'
        ORDER BY s.period, s.id
        """,
        (tenant_id,),
    ).fetchall()
    return [OpenAudit(*row) for row in rows]


@dataclass(frozen=True)
class AuditedReading:
    """What the model said of a message in a sample."""

    sentiment: str
    intent: str
    topics: tuple[str, ...]


def find_audit(conn: Connection, tenant_id: int, message_id: str) -> AuditedReading | None:
    """The reading to judge, None when the message is in no sample of this tenant."""
    row = conn.execute(
        """
        SELECT a.sentiment, a.intent, a.topics
        FROM audit_sample AS s JOIN message_analysis AS a ON a.id = s.analysis_id
        WHERE s.tenant_id = %s AND s.message_id::text = %s
        """,
        (tenant_id, message_id),
    ).fetchone()
    return AuditedReading(row[0], row[1], tuple(row[2])) if row else None


def settle_audit(
    conn: Connection,
    tenant_id: int,
    message_id: str,
    *,
    sentiment: str,
    intent: str,
    topics: Sequence[str],
    by: int | None,
) -> None:
    """What a person says of the message; saying it again replaces it."""
    conn.execute(
        """
        UPDATE audit_sample
        SET sentiment = %s, intent = %s, topics = %s, judged_by = %s, judged_at = now()
        WHERE tenant_id = %s AND message_id = %s
        """,
        (sentiment, intent, list(topics), by, tenant_id, message_id),
    )


def list_audited(conn: Connection, tenant_id: int, *, days: int, until: datetime | None = None) -> list[Audited]:
    """All judged messages of samples that were picked within so many days before `until`; None: now."""
    rows = conn.execute(
        """
        SELECT a.language, a.score, a.sentiment, a.intent, a.topics, s.sentiment, s.intent, s.topics
        FROM audit_sample AS s
        -- OFFSET 0: one look-up a sample instead of reading every month's analyses to join them.
        CROSS JOIN LATERAL (
            SELECT language, score, sentiment, intent, topics FROM message_analysis WHERE id = s.analysis_id OFFSET 0
        ) AS a
        WHERE s.tenant_id = %s AND s.judged_at IS NOT NULL
          AND s.picked_at > coalesce(%s, now()) - make_interval(days => %s) AND s.picked_at <= coalesce(%s, now())
        ORDER BY s.id
        """,
        (tenant_id, until, days, until),
    ).fetchall()
    return [
        Audited(language, score, sentiment, intent, tuple(topics), said, meant, tuple(about))
        for language, score, sentiment, intent, topics, said, meant, about in rows
    ]


@dataclass(frozen=True)
class CorrectedShare:
    """How many messages have an analysis, and of how many of them people have corrected the sentiment or the intent."""

    language: str
    band: str
    analyzed: int
    corrected: int


def list_corrected_shares(conn: Connection, tenant_id: int, *, days: int) -> list[CorrectedShare]:
    """By language and band of confidence. Not an accuracy: people correct what they stumble over."""
    rows = conn.execute(
        """
        SELECT e.language, e.model_score, count(*),
               count(*) FILTER (
                   WHERE e.sentiment <> e.model_sentiment AND 'sentiment' = ANY(e.corrected)
                      OR e.intent <> e.model_intent AND 'intent' = ANY(e.corrected)
               )
        FROM message AS m CROSS JOIN LATERAL effective_label(m.id) AS e
        WHERE m.tenant_id = %s AND m.id >= uuid_floor(now() - make_interval(days => %s)) AND m.direction = 'inbound'
        GROUP BY e.language, e.model_score
        """,
        (tenant_id, days),
    ).fetchall()
    totals: dict[tuple[str, str], tuple[int, int]] = {}
    for language, score, analyzed, corrected in rows:
        key = (language, band_of(score))
        before = totals.get(key, (0, 0))
        totals[key] = (before[0] + analyzed, before[1] + corrected)
    return [CorrectedShare(*key, *counts) for key, counts in sorted(totals.items())]
