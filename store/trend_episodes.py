"""Topics that have risen, from the hour it was noticed until they have fallen back, and the alerts that told of them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from routing.trends import OpenEpisode
from store.db import Connection


def lock_trends(conn: Connection, tenant_id: int) -> bool:
    """Take the tenant's turn until the transaction ends; False when another worker has it."""
    row = conn.execute(
        "SELECT pg_try_advisory_xact_lock(hashtextextended('trends:' || %s, 0))", (tenant_id,)
    ).fetchone()
    return bool(row and row[0])


def list_open_episodes(conn: Connection, tenant_id: int) -> list[OpenEpisode]:
    """Topics whose rise goes on, by topic."""
    rows = conn.execute(
        """
        SELECT e.topic, e.began_at, e.base_share, coalesce((a.details #>> ARRAY['topics', e.topic, 'share'])::float8, e.base_share)
        FROM trend_episode AS e JOIN alert AS a ON a.id = e.alert_id
        WHERE e.tenant_id = %s AND e.ended_at IS NULL
        ORDER BY e.topic
        """,
        (tenant_id,),
    ).fetchall()
    return [OpenEpisode(*row) for row in rows]


def list_ends(conn: Connection, tenant_id: int, *, since: datetime) -> dict[str, datetime]:
    """When the newest ended episode of each topic ended."""
    rows = conn.execute(
        """
        SELECT topic, max(ended_at)
        FROM trend_episode
        WHERE tenant_id = %s AND ended_at >= %s
        GROUP BY topic
        """,
        (tenant_id, since),
    ).fetchall()
    return dict(rows)


def end_episodes(conn: Connection, tenant_id: int, topics: list[str], *, at: datetime) -> None:
    """These have fallen back; an alert none of whose topics is up any more is resolved."""
    conn.execute(
        "UPDATE trend_episode SET ended_at = %s WHERE tenant_id = %s AND topic = ANY(%s) AND ended_at IS NULL",
        (at, tenant_id, topics),
    )
    conn.execute(
        """
        UPDATE alert AS a
        SET resolved_at = now(), snoozed_until = NULL
        WHERE a.tenant_id = %s AND a.kind = 'trend' AND a.resolved_at IS NULL
          AND NOT EXISTS (SELECT FROM trend_episode AS e WHERE e.alert_id = a.id AND e.ended_at IS NULL)
        """,
        (tenant_id,),
    )


def begin_episode(
    conn: Connection, tenant_id: int, *, topic: str, at: datetime, base_share: float, alert_id: str
) -> None:
    """This one rose."""
    conn.execute(
        """
        INSERT INTO trend_episode (tenant_id, topic, began_at, base_share, alert_id)
        VALUES (%s, %s, %s, %s, %s)
        ON CONFLICT DO NOTHING
        """,
        (tenant_id, topic, at, base_share, alert_id),
    )


@dataclass(frozen=True)
class OpenTrend:
    """A trend alert that other topics may still join."""

    alert_id: str
    details: dict[str, Any]


def find_recent_trend(conn: Connection, tenant_id: int, *, since: datetime) -> OpenTrend | None:
    """The newest trend alert raised since then that still goes on."""
    row = conn.execute(
        """
        SELECT a.id::text, a.details
        FROM alert AS a
        WHERE a.tenant_id = %s AND a.kind = 'trend' AND a.resolved_at IS NULL
          AND (SELECT min(e.began_at) FROM trend_episode AS e WHERE e.alert_id = a.id) >= %s
        ORDER BY a.id DESC
        LIMIT 1
        """,
        (tenant_id, since),
    ).fetchone()
    return OpenTrend(*row) if row else None
