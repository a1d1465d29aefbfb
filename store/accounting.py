"""What became of every message, by tenant and hour of receipt: counted from rows, kept, and compared with what was there before."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime

from store.db import Connection

# Where a message may be that is accounted for, and the ways in which one may not be.
FATES = (
    "analyzed", "unanalyzed", "without_text", "joined", "ignored", "dead", "in_flight", "erased", "expired",
)  # fmt: skip
LOSSES = ("message_missing", "run_missing", "analysis_missing", "decision_missing")
# Old hours that still change (something is in flight, parked or missing) are looked at again for so long.
UNSETTLED_DAYS = 35
KEPT_DAYS = 400


@dataclass(frozen=True)
class HourAccount:
    """Messages that came within one hour, by what became of them. hour: its beginning, UTC.

    received: all whose receipt was acknowledged; it never falls. analyzed: judged and decided. unanalyzed: the model refused or failed,
    a person has it. without_text: decided without a reading. joined: read with a later one of its burst. ignored: echoes and history,
    which are context. expired: the tenant's retention has dropped them. The rest should be 0: message_missing: a receipt without its
    message; run_missing: unfinished and nobody works on it; analysis_missing, decision_missing: finished, and what came of it is gone.
    """

    hour: datetime
    received: int = 0
    analyzed: int = 0
    unanalyzed: int = 0
    without_text: int = 0
    joined: int = 0
    ignored: int = 0
    dead: int = 0
    in_flight: int = 0
    erased: int = 0
    expired: int = 0
    message_missing: int = 0
    run_missing: int = 0
    analysis_missing: int = 0
    decision_missing: int = 0
    counted_at: datetime | None = None

    @property
    def losses(self) -> dict[str, int]:
        """What can't be accounted for, by kind; only what is not 0."""
        return {name: count for name in LOSSES if (count := getattr(self, name))}

    @property
    def unaccounted(self) -> int:
        """Received less all that is accounted for; 0 when the hour balances."""
        return self.received - sum(getattr(self, name) for name in FATES)


_COLUMNS = tuple(field.name for field in fields(HourAccount))

_CAME = """
SELECT FROM message_key
WHERE tenant_id = %(tenant)s AND message_id >= uuid_floor(%(since)s) AND message_id < uuid_floor(%(until)s)
LIMIT 1
"""
# One statement, so one snapshot: a message that moves meanwhile is seen before or after, never in between.
_COUNT = """
WITH receipt AS MATERIALIZED (
    SELECT DISTINCT message_id AS id
    FROM message_key
    WHERE tenant_id = %(tenant)s AND message_id >= uuid_floor(%(since)s) AND message_id < uuid_floor(%(until)s)
), known AS MATERIALIZED (
    SELECT r.id, m.id IS NOT NULL AS is_there,
           -- Ids of other versions say nothing of themselves to Postgres; their beginning is the time all the same.
           coalesce(
               uuid_extract_timestamp(r.id),
               to_timestamp(('x' || left(replace(r.id::text, '-', ''), 12))::bit(48)::bigint / 1000.0)
           ) AS came_at, m.state, m.joined_to, m.conversation_id,
           coalesce(m.text, '') !~ '[^[:space:]]' AS is_blank
    FROM receipt AS r
    LEFT JOIN message AS m
        ON m.id = r.id AND m.tenant_id = %(tenant)s AND m.id >= uuid_floor(%(since)s) AND m.id < uuid_floor(%(until)s)
), fate AS MATERIALIZED (
    -- Materialized, or Postgres would look up the fate of each message once for every count below.
    SELECT date_trunc('hour', k.came_at) AS hour,
           CASE
               WHEN NOT k.is_there THEN CASE
                   WHEN to_regclass('message_' || to_char(k.came_at AT TIME ZONE 'UTC', 'YYYYMM')) IS NULL
                   THEN 'expired' ELSE 'message_missing' END
               WHEN k.state = 'erased' THEN 'erased'
               WHEN k.state = 'ignored' THEN CASE
                   WHEN k.conversation_id IS NOT NULL OR EXISTS (SELECT FROM run WHERE message_id = k.id)
                   THEN 'ignored' ELSE 'run_missing' END
               WHEN k.state = 'dead' THEN CASE
                   WHEN EXISTS (SELECT FROM run WHERE message_id = k.id AND kind = 'initial' AND state = 'dead')
                   THEN 'dead' ELSE 'run_missing' END
               WHEN k.state NOT IN ('done', 'unanalyzed') THEN CASE
                   WHEN EXISTS (SELECT FROM run WHERE message_id = k.id AND kind = 'initial' AND state <> 'dead')
                   THEN 'in_flight' ELSE 'run_missing' END
               WHEN k.joined_to IS NOT NULL THEN 'joined'
               WHEN NOT EXISTS (SELECT FROM routing_decision WHERE message_id = k.id AND NOT provisional)
               THEN 'decision_missing'
               WHEN k.state = 'unanalyzed' THEN 'unanalyzed'
               -- No analysis has a smaller id than its message: months before it need no look.
               WHEN EXISTS (SELECT FROM message_analysis AS a WHERE a.message_id = k.id AND a.id >= k.id AND NOT a.provisional)
               THEN 'analyzed'
               WHEN k.is_blank THEN 'without_text'
               ELSE 'analysis_missing'
           END AS fate
    FROM known AS k
)
SELECT hour, count(*),
       count(*) FILTER (WHERE fate = 'analyzed'), count(*) FILTER (WHERE fate = 'unanalyzed'),
       count(*) FILTER (WHERE fate = 'without_text'), count(*) FILTER (WHERE fate = 'joined'),
       count(*) FILTER (WHERE fate = 'ignored'), count(*) FILTER (WHERE fate = 'dead'),
       count(*) FILTER (WHERE fate = 'in_flight'), count(*) FILTER (WHERE fate = 'erased'),
       count(*) FILTER (WHERE fate = 'expired'), count(*) FILTER (WHERE fate = 'message_missing'),
       count(*) FILTER (WHERE fate = 'run_missing'), count(*) FILTER (WHERE fate = 'analysis_missing'),
       count(*) FILTER (WHERE fate = 'decision_missing')
FROM fate
GROUP BY hour
ORDER BY hour
"""


def count_hours(conn: Connection, tenant_id: int, *, since: datetime, until: datetime) -> list[HourAccount]:
    """Hours in which something came, oldest first, from `since` up to but without `until`. Both are whole hours.

    The transaction must act for `tenant_id`.
    """
    hours = {"tenant": tenant_id, "since": since, "until": until}
    # To plan the count over all months takes a tenth of a second, once a minute for each tenant.
    if conn.execute(_CAME, hours, prepare=True).fetchone() is None:
        return []
    rows = conn.execute(_COUNT, hours).fetchall()
    return [HourAccount(*row) for row in rows]


def restart_lost(conn: Connection, tenant_id: int, *, since: datetime, until: datetime) -> int:
    """Give messages that are unfinished and that nobody works on a new run, from where their words are stripped. Returns how many.

    Doing a stage again is harmless: analyses and decisions are unique by run, actions by message. Must act for `tenant_id`.
    """
    return conn.execute(
        """
        WITH lost AS (
            UPDATE message AS m
            SET state = CASE WHEN m.minimized_text IS NULL THEN 'received' ELSE 'minimized' END
            WHERE m.tenant_id = %(tenant)s AND m.id >= uuid_floor(%(since)s) AND m.id < uuid_floor(%(until)s)
              AND m.direction = 'inbound' AND m.state IN ('received', 'minimized', 'analyzed', 'persisted', 'routed', 'dead')
              AND NOT EXISTS (SELECT FROM run WHERE message_id = m.id AND kind = 'initial')
            RETURNING m.id, m.tenant_id, m.state
        )
        INSERT INTO run (tenant_id, message_id, state, next_at)
        SELECT tenant_id, id, state, now() FROM lost ORDER BY id
        """,
        {"tenant": tenant_id, "since": since, "until": until},
    ).rowcount


def compare(counted: HourAccount, before: HourAccount | None) -> HourAccount:
    """What is counted now, with what was received before and has left no trace as missing."""
    gone = max(0, before.received - counted.received) if before else 0
    if not gone:
        return counted
    values = {name: getattr(counted, name) for name in _COLUMNS}
    values |= {"received": counted.received + gone, "message_missing": counted.message_missing + gone}
    return HourAccount(**values)


def account_for(conn: Connection, tenant_id: int, *, since: datetime, until: datetime) -> list[HourAccount]:
    """Count these hours anew and keep the figures. Returns them, oldest first. The transaction must act for `tenant_id`."""
    counted = {one.hour: one for one in count_hours(conn, tenant_id, since=since, until=until)}
    before = {one.hour: one for one in list_hours(conn, tenant_id, since=since, until=until)}
    accounts = [compare(counted.get(hour, HourAccount(hour)), before.get(hour)) for hour in sorted({*counted, *before})]
    _keep(conn, tenant_id, accounts)
    return accounts


def _keep(conn: Connection, tenant_id: int, accounts: Sequence[HourAccount]) -> None:
    with conn.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO hour_account (
                tenant_id, hour, received, analyzed, unanalyzed, without_text, joined, ignored, dead, in_flight, erased, expired,
                message_missing, run_missing, analysis_missing, decision_missing
            )
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
            ON CONFLICT (tenant_id, hour) DO UPDATE
                SET received = EXCLUDED.received, analyzed = EXCLUDED.analyzed, unanalyzed = EXCLUDED.unanalyzed,
                    without_text = EXCLUDED.without_text, joined = EXCLUDED.joined, ignored = EXCLUDED.ignored,
                    dead = EXCLUDED.dead, in_flight = EXCLUDED.in_flight, erased = EXCLUDED.erased, expired = EXCLUDED.expired,
                    message_missing = EXCLUDED.message_missing, run_missing = EXCLUDED.run_missing,
                    analysis_missing = EXCLUDED.analysis_missing, decision_missing = EXCLUDED.decision_missing, counted_at = now()
            """,
            [
                (tenant_id, one.hour, one.received, *(getattr(one, name) for name in (*FATES, *LOSSES)))
                for one in accounts
            ],
        )


def list_hours(conn: Connection, tenant_id: int, *, since: datetime, until: datetime) -> list[HourAccount]:
    """What was last counted, oldest hour first."""
    rows = conn.execute(
        """
        SELECT hour, received, analyzed, unanalyzed, without_text, joined, ignored, dead, in_flight, erased, expired,
               message_missing, run_missing, analysis_missing, decision_missing, counted_at
        FROM hour_account
        WHERE tenant_id = %s AND hour >= %s AND hour < %s
        ORDER BY hour
        """,
        (tenant_id, since, until),
    ).fetchall()
    return [HourAccount(*row) for row in rows]


def list_unbalanced(conn: Connection, tenant_id: int) -> list[HourAccount]:
    """Hours of which something can't be accounted for, oldest first."""
    rows = conn.execute(
        """
        SELECT hour, received, analyzed, unanalyzed, without_text, joined, ignored, dead, in_flight, erased, expired,
               message_missing, run_missing, analysis_missing, decision_missing, counted_at
        FROM hour_account
        WHERE tenant_id = %s AND message_missing + run_missing + analysis_missing + decision_missing > 0
        ORDER BY hour
        """,
        (tenant_id,),
    ).fetchall()
    return [HourAccount(*row) for row in rows]


def list_unsettled_hours(conn: Connection, tenant_id: int, *, before: datetime, limit: int) -> list[datetime]:
    """Older hours whose figures may still change, those first that were counted longest ago."""
    return [
        hour
        for (hour,) in conn.execute(
            """
            SELECT hour
            FROM hour_account
            WHERE tenant_id = %s AND hour < %s AND hour > now() - make_interval(days => %s)
              AND in_flight + dead + message_missing + run_missing + analysis_missing + decision_missing > 0
            ORDER BY counted_at
            LIMIT %s
            """,
            (tenant_id, before, UNSETTLED_DAYS, limit),
        ).fetchall()
    ]


def forget_old_hours(conn: Connection) -> None:
    """Figures that nobody will ask for. Needs the system scope."""
    conn.execute("DELETE FROM hour_account WHERE hour < now() - make_interval(days => %s)", (KEPT_DAYS,))


def list_tenants_to_count(conn: Connection) -> list[int]:
    """All tenants, those first that were counted longest ago. Needs the system scope."""
    rows = conn.execute(
        """
        SELECT t.id
        FROM tenant AS t
        LEFT JOIN LATERAL (
            SELECT counted_at FROM hour_account WHERE tenant_id = t.id ORDER BY hour DESC LIMIT 1
        ) AS newest ON true
        ORDER BY newest.counted_at NULLS FIRST, t.id
        """
    ).fetchall()
    return [tenant_id for (tenant_id,) in rows]


@dataclass(frozen=True)
class Imbalance:
    """Of one tenant, everything that can't be accounted for. since: the oldest hour of it."""

    tenant: str
    messages: int
    hours: int
    since: datetime


def list_imbalances(conn: Connection) -> list[Imbalance]:
    """By tenant. Needs the system scope."""
    rows = conn.execute(
        """
        SELECT t.slug, sum(message_missing + run_missing + analysis_missing + decision_missing)::int, count(*), min(hour)
        FROM hour_account AS h JOIN tenant AS t ON t.id = h.tenant_id
        WHERE message_missing + run_missing + analysis_missing + decision_missing > 0
        GROUP BY t.slug
        ORDER BY t.slug
        """
    ).fetchall()
    return [Imbalance(*row) for row in rows]
