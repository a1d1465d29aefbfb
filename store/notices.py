"""What channels say about people beyond what can be applied while a webhook's sender waits: kept, and applied by a worker."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from psycopg.types.json import Jsonb

from channels.base import ChannelKind, Identity, IdentityChange, MarketingChoice
from store.db import Connection

Notice = IdentityChange | MarketingChoice


def put_off(conn: Connection, tenant_id: int, notices: Sequence[Notice]) -> None:
    """Keep them in their order. The transaction must act for `tenant_id`."""
    if not notices:
        return
    conn.execute(
        "INSERT INTO channel_notice (tenant_id, notice) SELECT %s, given FROM unnest(%s::jsonb[]) AS given",
        (tenant_id, [Jsonb(_as_json(one)) for one in notices]),
    )


def take_notices(conn: Connection, tenant_id: int, *, limit: int) -> list[Notice]:
    """The oldest waiting notices, gone when the caller's transaction commits. It must act for `tenant_id`."""
    rows = conn.execute(
        """
        DELETE FROM channel_notice
        WHERE id IN (
            SELECT id FROM channel_notice WHERE tenant_id = %s ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
        )
        RETURNING id, notice
        """,
        (tenant_id, limit),
    ).fetchall()
    return [_from_json(notice) for _, notice in sorted(rows)]


def list_tenants_with_notices(conn: Connection) -> list[int]:
    """Tenants for whom some wait. Needs the system scope."""
    rows = conn.execute("SELECT DISTINCT tenant_id FROM channel_notice ORDER BY tenant_id").fetchall()
    return [row[0] for row in rows]


def _pairs(identities: Sequence[Identity]) -> list[list[str]]:
    return [[one.kind, one.value] for one in identities]


def _identities(pairs: list[list[str]]) -> tuple[Identity, ...]:
    return tuple(Identity(cast("Any", kind), value) for kind, value in pairs)


def _time(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _as_json(notice: Notice) -> dict[str, Any]:
    common = {"channel": notice.channel, "account_id": notice.account_id}
    if isinstance(notice, MarketingChoice):
        people, at = _pairs(notice.identities), _time(notice.chosen_at)
        return {**common, "people": people, "accepts": notice.accepts, "at": at}
    before, after, at = _pairs(notice.before), _pairs(notice.after), _time(notice.changed_at)
    return {**common, "before": before, "after": after, "at": at, "replaces": notice.replaces}


def _from_json(stored: dict[str, Any]) -> Notice:
    channel: ChannelKind = stored["channel"]
    at = datetime.fromisoformat(stored["at"]) if stored["at"] else None
    if "people" in stored:
        people = _identities(stored["people"])
        return MarketingChoice(channel, stored["account_id"], people, accepts=stored["accepts"], chosen_at=at)
    return IdentityChange(
        channel,
        stored["account_id"],
        _identities(stored["before"]),
        _identities(stored["after"]),
        changed_at=at,
        replaces=stored["replaces"],
    )
