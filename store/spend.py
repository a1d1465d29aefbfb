"""What a tenant's calls have cost, by day in UTC, and the alerts about it."""

from dataclasses import dataclass
from datetime import date

from store.alerts import NewAlert, raise_alert
from store.db import Connection


@dataclass(frozen=True)
class Spent:
    """Today's calls and second readings, and the cost of today and of this month in millionths of a dollar."""

    calls: int
    escalations: int
    today_microusd: int
    month_microusd: int


def get_spent(conn: Connection, tenant_id: int) -> Spent:
    """Today and this month by the database's clock, in UTC."""
    row = conn.execute(
        """
        SELECT coalesce(sum(calls) FILTER (WHERE day = current_date), 0)::int,
               coalesce(sum(escalations) FILTER (WHERE day = current_date), 0)::int,
               coalesce(sum(cost_microusd) FILTER (WHERE day = current_date), 0)::bigint,
               coalesce(sum(cost_microusd), 0)::bigint
        FROM spend
        WHERE tenant_id = %s AND day >= date_trunc('month', current_date)::date
        """,
        (tenant_id,),
    ).fetchone()
    assert row is not None
    return Spent(*row)


@dataclass(frozen=True)
class DaySpend:
    """One day in UTC; costs in millionths of a dollar. bulk: of sweeps, which is not part of cost."""

    day: date
    calls: int
    escalations: int
    cost_microusd: int
    bulk_microusd: int


def list_day_spend(conn: Connection, tenant_id: int, *, first: date, last: date) -> list[DaySpend]:
    """Days on which something was spent, both ends included, newest first."""
    rows = conn.execute(
        """
        SELECT day, calls, escalations, cost_microusd, bulk_microusd
        FROM spend
        WHERE tenant_id = %s AND day BETWEEN %s AND %s
        ORDER BY day DESC
        """,
        (tenant_id, first, last),
    ).fetchall()
    return [DaySpend(*row) for row in rows]


def add_bulk_spend(conn: Connection, tenant_id: int, *, cost_microusd: int) -> None:
    """Count a sweep's call, which no cap for live messages looks at. The transaction must act for `tenant_id`."""
    conn.execute(
        """
        INSERT INTO spend AS s (tenant_id, day, bulk_microusd)
        VALUES (%s, current_date, %s)
        ON CONFLICT (tenant_id, day) DO UPDATE SET bulk_microusd = s.bulk_microusd + EXCLUDED.bulk_microusd
        """,
        (tenant_id, cost_microusd),
    )


def add_spend(conn: Connection, tenant_id: int, *, cost_microusd: int, calls: int = 1, escalations: int = 0) -> None:
    """Count a call. The transaction must act for `tenant_id`."""
    conn.execute(
        """
        INSERT INTO spend AS s (tenant_id, day, calls, escalations, cost_microusd)
        VALUES (%s, current_date, %s, %s, %s)
        ON CONFLICT (tenant_id, day) DO UPDATE
            SET calls = s.calls + EXCLUDED.calls, escalations = s.escalations + EXCLUDED.escalations,
                cost_microusd = s.cost_microusd + EXCLUDED.cost_microusd
        """,
        (tenant_id, calls, escalations, cost_microusd),
    )


def update_quiet_tenants(conn: Connection, tenant_id: int, *, calls_per_day: float) -> None:
    """Judge by the last seven whole days whether the tenant is quiet; one that is younger is not. Must act for `tenant_id`."""
    conn.execute(
        """
        UPDATE tenant
        SET is_quiet = judged.is_quiet
        FROM (
            SELECT t.id, t.created_at < current_date - 7
                   AND coalesce((
                       SELECT sum(s.calls) FROM spend AS s
                       WHERE s.tenant_id = t.id AND s.day BETWEEN current_date - 7 AND current_date - 1
                   ), 0) < 7 * %s AS is_quiet
            FROM tenant AS t
            WHERE t.id = %s
        ) AS judged
        WHERE tenant.id = judged.id AND tenant.is_quiet IS DISTINCT FROM judged.is_quiet
        """,
        (calls_per_day, tenant_id),
    )


def is_quiet(conn: Connection, tenant_id: int) -> bool:
    """See `update_quiet_tenants`."""
    row = conn.execute("SELECT is_quiet FROM tenant WHERE id = %s", (tenant_id,)).fetchone()
    return bool(row and row[0])


def alert_about_provider(conn: Connection, tenant_id: int, *, code: str) -> None:
    """Tell the tenant's people that analyses wait for somebody to act: once a day and code. One that was over goes on."""
    row = conn.execute("SELECT current_date::text").fetchone()
    assert row is not None
    key = f"analysis_paused:{code}:{row[0]}"
    new = NewAlert(kind="analysis_paused", key=key, details={"code": code})
    if raise_alert(conn, tenant_id, new) is None:
        conn.execute(
            """
            UPDATE alert
            SET resolved_at = NULL, seen_at = now(), times_seen = times_seen + 1
            -- Every message that waits comes by here.
            WHERE tenant_id = %s AND key = %s AND (resolved_at IS NOT NULL OR seen_at < now() - interval '10 s')
            """,
            (tenant_id, key),
        )


def list_paused_tenants(conn: Connection, *, limit: int) -> list[int]:
    """Some of those with an open alert of this kind, others each time. Needs the system scope."""
    rows = conn.execute(
        """
        SELECT tenant_id
        FROM (SELECT DISTINCT tenant_id FROM alert WHERE kind = 'analysis_paused' AND resolved_at IS NULL)
        ORDER BY random()
        LIMIT %s
        """,
        (limit,),
    ).fetchall()
    return [tenant_id for (tenant_id,) in rows]


def end_provider_alerts(conn: Connection, tenant_id: int) -> None:
    """What was asked for a live message since the alert has been answered, so it is over. Must act for `tenant_id`."""
    conn.execute(
        """
        UPDATE alert AS a
        SET resolved_at = now(), snoozed_until = NULL
        WHERE a.tenant_id = %s AND a.kind = 'analysis_paused' AND a.resolved_at IS NULL AND EXISTS (
            SELECT FROM egress AS e
            WHERE e.tenant_id = a.tenant_id AND e.id > a.id AND e.created_at > a.seen_at AND e.purpose = 'live' AND e.outcome = 'answered'
        )
        """,
        (tenant_id,),
    )
