"""Monthly partitions, made ahead."""

from datetime import date, timedelta
from typing import Any

from psycopg.errors import CheckViolation

# Each is looked at by whatever asks for a conversation's messages. An upkeep that makes none for a month is noticed before one is missing.
MONTHS_AHEAD = 2


def ensure_partitions(conn: Any, *, today: date) -> int:
    """Partitions from last month (an id may be made just before midnight) to MONTHS_AHEAD ahead. Returns how many were made.

    A month that was missing when its messages came has them in the default partition and stays there, or no month after it would be made.
    """
    month, made = (today.replace(day=1) - timedelta(days=1)).replace(day=1), 0
    for _ in range(MONTHS_AHEAD + 2):
        try:
            with conn.transaction():
                row = conn.execute("SELECT ensure_month_partitions(%s, 1)", (month,)).fetchone()
            made += int(row[0])
        except CheckViolation:
            pass
        month = (month + timedelta(days=32)).replace(day=1)
    return made
