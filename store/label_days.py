"""Labels counted by day, for figures that must not look at messages; and which messages each count is made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from analysis.accuracy import BANDS, band_of
from store.audits import CorrectedShare
from store.db import Connection
from store.topic_counts import COUNTED, LATE_DAYS

ALL_TOPICS = ""
NO_TOPIC = "-"
"""Stands for messages that are about no topic; no topic can be named so."""


def recount_day(conn: Connection, tenant_id: int, day: date, *, begin: datetime, end: datetime) -> int:
    """Count anew what was sent on a day of the tenant, which lasts from `begin` to `end`; returns how many messages there are."""
    row = conn.execute(
        """
        WITH labelled AS (
            SELECT id, channel, surface, language, sentiment, topics, model_score,
                   sentiment <> model_sentiment AND 'sentiment' = ANY(corrected)
                   OR intent <> model_intent AND 'intent' = ANY(corrected) AS is_corrected
            FROM ("""  # noqa: S608 -- a constant of ours
        + COUNTED
        + """) AS counts
        ), alike AS (
            SELECT channel, surface, language, sentiment, topics, array_agg(id) AS ids
            FROM labelled
            GROUP BY channel, surface, language, sentiment, topics
        ), counted AS (
            SELECT topic, channel, surface, language, sentiment, count(*) AS messages,
                   array_sort(array_agg(id), descending => true) AS message_ids
            FROM alike
            CROSS JOIN LATERAL (SELECT DISTINCT unnest('{""}' || CASE WHEN topics = '{}' THEN '{-}' ELSE topics END)) AS t (topic)
            CROSS JOIN LATERAL unnest(ids) AS m (id)
            GROUP BY topic, channel, surface, language, sentiment
        ), gone AS (
            DELETE FROM label_day AS d
            WHERE d.tenant_id = %(tenant)s AND d.day = %(day)s
              AND NOT EXISTS (
                  SELECT FROM counted AS c
                  WHERE (c.topic, c.channel, c.surface, c.language, c.sentiment)
                        = (d.topic, d.channel, d.surface, d.language, d.sentiment)
              )
        ), kept AS (
            INSERT INTO label_day AS d (tenant_id, day, topic, channel, surface, language, sentiment, messages, message_ids)
            SELECT %(tenant)s, %(day)s, topic, channel, surface, language, sentiment, messages, message_ids
            FROM counted
            ORDER BY topic, channel, surface, language, sentiment
            ON CONFLICT (tenant_id, day, topic, channel, surface, language, sentiment) DO UPDATE
                SET messages = EXCLUDED.messages, message_ids = EXCLUDED.message_ids
                WHERE d.message_ids <> EXCLUDED.message_ids
        ), judged AS (
            SELECT language, width_bucket(model_score, %(edges)s::float8[]) AS band,
                   count(*) AS analyzed, count(*) FILTER (WHERE is_corrected) AS corrected
            FROM labelled
            GROUP BY 1, 2
        ), unjudged AS (
            DELETE FROM correction_day AS d
            WHERE d.tenant_id = %(tenant)s AND d.day = %(day)s
              AND NOT EXISTS (SELECT FROM judged AS j WHERE j.language = d.language AND j.band = d.band)
        ), corrections AS (
            INSERT INTO correction_day AS d (tenant_id, day, language, band, analyzed, corrected)
            SELECT %(tenant)s, %(day)s, language, band, analyzed, corrected FROM judged ORDER BY language, band
            ON CONFLICT (tenant_id, day, language, band) DO UPDATE
                SET analyzed = EXCLUDED.analyzed, corrected = EXCLUDED.corrected
                WHERE (d.analyzed, d.corrected) <> (EXCLUDED.analyzed, EXCLUDED.corrected)
        )
        INSERT INTO counted_day (tenant_id, day, messages, counted_at, is_stale)
        SELECT %(tenant)s, %(day)s, count(*), now(), false FROM labelled
        ON CONFLICT (tenant_id, day) DO UPDATE
            SET messages = EXCLUDED.messages, counted_at = EXCLUDED.counted_at, is_stale = false
        RETURNING messages
        """,
        {
            "tenant": tenant_id,
            "day": day,
            "begin": begin,
            "end": end,
            "late": LATE_DAYS,
            "edges": list(BANDS[1:]),
        },
    ).fetchone()
    assert row is not None
    return row[0]


@dataclass(frozen=True)
class LabelFilter:
    """Which labelled messages are looked at: days of the tenant, both included, and what they are narrowed to; None: all."""

    first: date
    last: date
    channel: str | None = None
    surface: str | None = None
    language: str | None = None

    def as_parameters(self, tenant_id: int) -> dict[str, object]:
        """For the queries of this module."""
        return {"tenant": tenant_id, **vars(self)}


@dataclass(frozen=True)
class DayCount:
    """How many messages of a day had a topic (or ALL_TOPICS, NO_TOPIC) and a sentiment."""

    topic: str
    day: date
    sentiment: str
    messages: int


def list_day_counts(conn: Connection, tenant_id: int, only: LabelFilter) -> list[DayCount]:
    """In no order; days without any are left out."""
    rows = conn.execute(
        """
        SELECT topic, day, sentiment, sum(messages)::int
        FROM label_day
        WHERE tenant_id = %(tenant)s AND day BETWEEN %(first)s AND %(last)s
          AND (%(channel)s::text IS NULL OR channel = %(channel)s)
          AND (%(surface)s::text IS NULL OR surface = %(surface)s)
          AND (%(language)s::text IS NULL OR language = %(language)s)
        GROUP BY topic, day, sentiment
        """,
        only.as_parameters(tenant_id),
    ).fetchall()
    return [DayCount(*row) for row in rows]


@dataclass(frozen=True)
class FilterChoices:
    """What occurs in some days, each in alphabetical order."""

    channels: list[str]
    surfaces: list[str]
    languages: list[str]


def list_choices(conn: Connection, tenant_id: int, *, first: date, last: date) -> FilterChoices:
    """By what the days may be narrowed."""
    row = conn.execute(
        """
        SELECT coalesce(array_agg(DISTINCT channel), '{}'), coalesce(array_agg(DISTINCT surface), '{}'),
               coalesce(array_agg(DISTINCT language), '{}')
        FROM label_day
        WHERE tenant_id = %s AND day BETWEEN %s AND %s AND topic = ''
        """,
        (tenant_id, first, last),
    ).fetchone()
    assert row is not None
    return FilterChoices(*row)


@dataclass(frozen=True)
class CountedMessage:
    """One message behind a count: when it was counted as sent (day), and its id; both make its place in the list."""

    day: date
    message_id: str


def list_counted_messages(
    conn: Connection,
    tenant_id: int,
    only: LabelFilter,
    *,
    topic: str,
    sentiment: str | None,
    after: tuple[date, str] | None,
    limit: int,
) -> list[CountedMessage]:
    """The messages that the counts are made of: newest day first, then newest first by receipt, from behind `after`."""
    rows = conn.execute(
        """
        SELECT d.day, ids.id::text
        FROM label_day AS d CROSS JOIN LATERAL unnest(d.message_ids) AS ids (id)
        WHERE d.tenant_id = %(tenant)s AND d.topic = %(topic)s
          AND d.day BETWEEN %(enough)s AND least(%(last)s, coalesce(%(after_day)s::date, %(last)s))
          AND (%(channel)s::text IS NULL OR d.channel = %(channel)s)
          AND (%(surface)s::text IS NULL OR d.surface = %(surface)s)
          AND (%(language)s::text IS NULL OR d.language = %(language)s)
          AND (%(sentiment)s::text IS NULL OR d.sentiment = %(sentiment)s)
          AND (%(after_day)s::date IS NULL OR (d.day, ids.id) < (%(after_day)s, %(after_id)s::uuid))
        ORDER BY d.day DESC, ids.id DESC
        LIMIT %(limit)s
        """,
        {
            **only.as_parameters(tenant_id),
            "topic": topic,
            "sentiment": sentiment,
            "after_day": after[0] if after else None,
            "after_id": after[1] if after else None,
            "limit": limit,
            "enough": _enough(conn, tenant_id, only, topic=topic, sentiment=sentiment, after=after, limit=limit),
        },
    ).fetchall()
    return [CountedMessage(*row) for row in rows]


def _enough(
    conn: Connection,
    tenant_id: int,
    only: LabelFilter,
    *,
    topic: str,
    sentiment: str | None,
    after: tuple[date, str] | None,
    limit: int,
) -> date:
    """The newest day from which on there are so many messages: no older one needs to be opened."""
    row = conn.execute(
        """
        SELECT max(day)
        FROM (
            SELECT day, sum(sum(messages)) OVER (ORDER BY day DESC) AS so_far
            FROM label_day
            WHERE tenant_id = %(tenant)s AND topic = %(topic)s AND day BETWEEN %(first)s AND %(last)s
              -- The day that the page before ended on may be used up.
              AND (%(after_day)s::date IS NULL OR day < %(after_day)s)
              AND (%(channel)s::text IS NULL OR channel = %(channel)s)
              AND (%(surface)s::text IS NULL OR surface = %(surface)s)
              AND (%(language)s::text IS NULL OR language = %(language)s)
              AND (%(sentiment)s::text IS NULL OR sentiment = %(sentiment)s)
            GROUP BY day
        ) AS days
        WHERE so_far >= %(limit)s
        """,
        {
            **only.as_parameters(tenant_id),
            "topic": topic,
            "sentiment": sentiment,
            "after_day": after[0] if after else None,
            "limit": limit,
        },
    ).fetchone()
    assert row is not None
    return row[0] or only.first


def list_corrected_days(conn: Connection, tenant_id: int, *, first: date, last: date) -> list[CorrectedShare]:
    """By language and band of confidence, over these days, both included. Not an accuracy: people correct what they stumble over."""
    rows = conn.execute(
        """
        SELECT language, band, sum(analyzed)::int, sum(corrected)::int
        FROM correction_day
        WHERE tenant_id = %s AND day BETWEEN %s AND %s
        GROUP BY language, band
        ORDER BY language, band
        """,
        (tenant_id, first, last),
    ).fetchall()
    return [
        CorrectedShare(language, band_of(BANDS[band]), analyzed, corrected)
        for language, band, analyzed, corrected in rows
    ]


@dataclass(frozen=True)
class CountState:
    """How current the counts of some days are. counted_at: the newest count, None: never. uncounted: days that wait for their first."""

    counted_at: datetime | None
    uncounted: int


def get_count_state(conn: Connection, tenant_id: int, *, first: date, last: date) -> CountState:
    """Of these days, both included."""
    row = conn.execute(
        """
        SELECT max(counted_at), count(*) FILTER (WHERE counted_at IS NULL)
        FROM counted_day
        WHERE tenant_id = %s AND day BETWEEN %s AND %s
        """,
        (tenant_id, first, last),
    ).fetchone()
    assert row is not None
    return CountState(*row)


def remove_days(conn: Connection, tenant_id: int, *, before: date) -> None:
    """Drop the counts of all days before this one."""
    for statement in (
        "DELETE FROM label_day WHERE tenant_id = %s AND day < %s",
        "DELETE FROM correction_day WHERE tenant_id = %s AND day < %s",
        "DELETE FROM counted_day WHERE tenant_id = %s AND day < %s",
    ):
        conn.execute(statement, (tenant_id, before))


def mark_days(conn: Connection, tenant_id: int, days: Sequence[date]) -> None:
    """These are to be counted, again or for the first time."""
    conn.execute(
        """
        INSERT INTO counted_day (tenant_id, day)
        SELECT %s, day FROM unnest(%s::date[]) AS given (day) ORDER BY day
        ON CONFLICT (tenant_id, day) DO UPDATE SET is_stale = true
        """,
        (tenant_id, list(days)),
    )
