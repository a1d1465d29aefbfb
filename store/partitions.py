"""Monthly partitions, made ahead."""

from datetime import date
from typing import Any

MONTHS_AHEAD = 4


def ensure_partitions(conn: Any, *, today: date) -> int:
    """Partitions from last month (an id may be made just before midnight) to MONTHS_AHEAD ahead. Returns how many were made."""
    row = conn.execute(
        "SELECT ensure_month_partitions((%s::date - interval '1 month')::date, %s)",
        (today.replace(day=1), MONTHS_AHEAD + 2),
    ).fetchone()
    return int(row[0])
