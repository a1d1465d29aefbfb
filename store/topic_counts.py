"""How many messages each topic had by hour, and how many of them were negative: kept equal to the rows they are counted from."""

from collections.abc import Mapping
from datetime import datetime
from typing import LiteralString

from routing.trends import Count
from store.db import Connection

# Meta tries a webhook again for days: a message may come so long after it was sent.
LATE_DAYS = 8

COUNTED: LiteralString = """
    SELECT r.id, r.sent_at, r.channel, r.surface, r.language, coalesce(c.sentiment, r.sentiment) AS sentiment,
           coalesce(c.intent, r.intent) AS intent, coalesce(c.topics, r.topics) AS topics, coalesce(c.corrected, '{}') AS corrected,
           r.sentiment AS model_sentiment, r.score AS model_score, r.intent AS model_intent
    FROM (
        SELECT DISTINCT ON (m.id) m.id, m.sent_at, m.channel, m.surface, a.language, a.sentiment, a.score, a.intent, a.topics,
               m.id IN (
                   SELECT message_id FROM correction
                   WHERE tenant_id = %(tenant)s AND undone_at IS NULL
                     AND message_id >= uuid_floor(%(begin)s - interval '1 hour')
                     AND message_id < uuid_floor(%(end)s + make_interval(days => %(late)s))
               ) AS is_corrected
        FROM message AS m JOIN message_analysis AS a ON a.message_id = m.id AND a.id > m.id
        WHERE m.tenant_id = %(tenant)s AND m.sent_at >= %(begin)s AND m.sent_at < %(end)s
          -- Ids carry the time of receipt, which is after sending, and by these the index and the partitions go.
          AND m.id >= uuid_floor(%(begin)s - interval '1 hour')
          AND m.id < uuid_floor(%(end)s + make_interval(days => %(late)s))
          AND m.direction = 'inbound' AND NOT m.is_history AND NOT m.is_survey_answer AND m.joined_to IS NULL
          AND m.state NOT IN ('erased', 'ignored')
          AND a.tenant_id = %(tenant)s AND a.id >= uuid_floor(%(begin)s - interval '1 hour') AND NOT a.provisional
          -- All but those of sweeps count; to ask the function of each would take longer than the rest.
          AND (a.run_kind <> 'sweep' OR analysis_counts(a.run_kind, a.run_id))
        ORDER BY m.id, a.id DESC
    ) AS r
    -- OFFSET: or Postgres looks for corrections of every message, and drops them afterwards.
    LEFT JOIN LATERAL (SELECT * FROM active_correction(r.id) WHERE r.is_corrected OFFSET 0) AS c ON true
"""
"""The messages that count in figures, with their labels: those sent from `begin` up to, and without, `end`; `late` is LATE_DAYS.

The labels are those of the function effective_label, found for all messages together: a third of the work of asking it of each. Whatever
Postgres knows of the tables, the work grows with the messages and no faster: of a flood it has no statistics yet.
"""


def recount_hours(conn: Connection, tenant_id: int, *, begin: datetime, end: datetime) -> int:
    """Count anew what was sent between two whole hours (the second not included); returns how many rows changed.

    Late messages, corrections, sweeps and erasures change the past, so it is counted and not added to. A message counts by its
    label that counts now; one analyzed together with another, history, survey scores and what was taken back do not count.
    """
    row = conn.execute(
        """
        WITH labelled AS (
            SELECT date_trunc('hour', sent_at) AS hour, sentiment = 'negative' AS is_negative, topics
            FROM ("""  # noqa: S608 -- a constant of ours
        + COUNTED
        + """) AS counts
        ), alike AS (
            SELECT hour, topics, count(*) AS messages, count(*) FILTER (WHERE is_negative) AS negatives FROM labelled GROUP BY hour, topics
        ), counted AS (
            SELECT hour, topic, sum(messages)::int AS messages, sum(negatives)::int AS negatives
            FROM alike CROSS JOIN LATERAL (SELECT DISTINCT unnest('{""}' || topics)) AS t (topic)
            GROUP BY hour, topic
        ), gone AS (
            DELETE FROM topic_hour AS h
            WHERE h.tenant_id = %(tenant)s AND h.hour >= %(begin)s AND h.hour < %(end)s
              AND NOT EXISTS (SELECT FROM counted AS c WHERE c.hour = h.hour AND c.topic = h.topic)
            RETURNING 1
        ), kept AS (
            INSERT INTO topic_hour AS h (tenant_id, hour, topic, messages, negatives)
            SELECT %(tenant)s, hour, topic, messages, negatives FROM counted ORDER BY hour, topic
            ON CONFLICT (tenant_id, hour, topic) DO UPDATE
                SET messages = EXCLUDED.messages, negatives = EXCLUDED.negatives
                WHERE (h.messages, h.negatives) <> (EXCLUDED.messages, EXCLUDED.negatives)
            RETURNING 1
        )
        SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM kept)
        """,
        {"tenant": tenant_id, "begin": begin, "end": end, "late": LATE_DAYS},
    ).fetchone()
    return row[0] if row else 0


def list_topic_hours(
    conn: Connection, tenant_id: int, *, begin: datetime, end: datetime
) -> Mapping[str, dict[datetime, Count]]:
    """Counts by topic and hour between two whole hours; the topic '' is all messages."""
    rows = conn.execute(
        """
        SELECT topic, hour, messages, negatives
        FROM topic_hour
        WHERE tenant_id = %s AND hour >= %s AND hour < %s
        """,
        (tenant_id, begin, end),
    ).fetchall()
    found: dict[str, dict[datetime, Count]] = {}
    for topic, hour, messages, negatives in rows:
        found.setdefault(topic, {})[hour] = Count(messages, negatives)
    return found


def forget_old_hours(conn: Connection, tenant_id: int, *, before: datetime) -> int:
    """Drop what no trend looks at any more."""
    return conn.execute("DELETE FROM topic_hour WHERE tenant_id = %s AND hour < %s", (tenant_id, before)).rowcount
