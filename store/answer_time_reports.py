"""Comparisons of answer times, made ahead: what people asked for, and what came out."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg.types.json import Jsonb

from store.db import Connection

MOST_ASKED = 20


@dataclass(frozen=True)
class AnswerTimeReport:
    """asked_at: when a person asked for this moment, None for the tenant's first decision. figures: None until they are counted."""

    split_at: datetime
    asked_at: datetime | None
    counted_at: datetime | None
    figures: dict[str, Any] | None


def find_report(conn: Connection, tenant_id: int, *, split_at: datetime | None) -> AnswerTimeReport | None:
    """Of this moment; split_at None: of the tenant's first decision. None: nobody has asked, or nothing was decided yet."""
    row = conn.execute(
        """
        SELECT split_at, asked_at, counted_at, figures
        FROM answer_time_report
        WHERE tenant_id = %s AND CASE WHEN %s::timestamptz IS NULL THEN asked_at IS NULL ELSE split_at = %s END
        ORDER BY split_at
        LIMIT 1
        """,
        (tenant_id, split_at, split_at),
    ).fetchone()
    return AnswerTimeReport(*row) if row else None


def ask_for_report(conn: Connection, tenant_id: int, *, split_at: datetime) -> None:
    """A person wants it; asking again makes nothing new. Of many, those that were asked for longest ago go."""
    conn.execute(
        """
        INSERT INTO answer_time_report AS r (tenant_id, split_at, asked_at)
        VALUES (%s, %s, now())
        ON CONFLICT (tenant_id, split_at) DO UPDATE SET asked_at = EXCLUDED.asked_at WHERE r.asked_at IS NOT NULL
        """,
        (tenant_id, split_at),
    )
    conn.execute(
        """
        DELETE FROM answer_time_report
        WHERE tenant_id = %s AND split_at IN (
            SELECT split_at FROM answer_time_report
            WHERE tenant_id = %s AND asked_at IS NOT NULL
            ORDER BY asked_at DESC
            OFFSET %s
        )
        """,
        (tenant_id, tenant_id, MOST_ASKED),
    )


def begin_standing_report(conn: Connection, tenant_id: int, *, split_at: datetime) -> None:
    """The one about the tenant's first decision."""
    conn.execute(
        """
        INSERT INTO answer_time_report (tenant_id, split_at)
        VALUES (%s, %s)
        ON CONFLICT (tenant_id, split_at) DO UPDATE SET asked_at = NULL
        """,
        (tenant_id, split_at),
    )


def list_due_reports(conn: Connection, tenant_id: int, *, older_than: timedelta, now: datetime) -> list[datetime]:
    """Moments whose figures are missing, or older than this; those asked for last first."""
    rows = conn.execute(
        """
        SELECT split_at
        FROM answer_time_report
        WHERE tenant_id = %s AND (counted_at IS NULL OR counted_at < %s)
        ORDER BY asked_at DESC NULLS LAST, split_at
        """,
        (tenant_id, now - older_than),
    ).fetchall()
    return [split_at for (split_at,) in rows]


def settle_report(
    conn: Connection, tenant_id: int, *, split_at: datetime, figures: dict[str, Any], counted_at: datetime
) -> None:
    """These are its figures."""
    conn.execute(
        "UPDATE answer_time_report SET figures = %s, counted_at = %s WHERE tenant_id = %s AND split_at = %s",
        (Jsonb(figures), counted_at, tenant_id, split_at),
    )
