"""How many actions of each kind came to what, so that a tenant sees what would leave before it lets it."""

from collections import Counter
from datetime import datetime
from uuid import UUID

from store.db import Connection


def count_actions(conn: Connection, tenant_id: int, *, since: datetime) -> dict[str, Counter[str]]:
    """By kind, then by state, of what was planned since then."""
    rows = conn.execute(
        """
        SELECT kind, state, count(*)
        FROM action
        WHERE tenant_id = %s AND id >= %s
        GROUP BY kind, state
        """,
        (tenant_id, _first_id(since)),
    ).fetchall()
    counts: dict[str, Counter[str]] = {}
    for kind, state, number in rows:
        counts.setdefault(kind, Counter())[state] = number
    return counts


def _first_id(at: datetime) -> UUID:
    """The smallest id that is made from then on: ids begin with the milliseconds of their time, so the key itself is the index."""
    return UUID(int=int(at.timestamp() * 1000) << 80)
