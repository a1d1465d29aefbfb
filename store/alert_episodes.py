"""Alerts about a state of things: raised once when it begins, renewed while it goes on, resolved when it is over."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from store.alerts import NewAlert, raise_alert, see_again
from store.db import Connection


def keep_episodes(
    conn: Connection, tenant_id: int, *, kind: str, going_on: Mapping[str, dict[str, Any]], now: datetime
) -> list[str]:
    """Make the open alerts of this kind those of `going_on` (details by what each is about). Returns what is new.

    The transaction must act for `tenant_id`.
    """
    rows = conn.execute(
        "SELECT id::text, key FROM alert WHERE tenant_id = %s AND kind = %s AND resolved_at IS NULL ORDER BY id",
        (tenant_id, kind),
    ).fetchall()
    known = {key.split("|")[1]: alert_id for alert_id, key in rows if key.count("|") == 2}
    new: list[str] = []
    for about, details in going_on.items():
        if about in known:
            see_again(conn, known[about], details=details)
        elif raise_alert(conn, tenant_id, NewAlert(kind, f"{kind}|{about}|{now:%Y%m%dT%H%M%S}", details)):
            new.append(about)
    over = [alert_id for about, alert_id in known.items() if about not in going_on]
    conn.execute(
        "UPDATE alert SET resolved_at = now(), snoozed_until = NULL WHERE id = ANY(%s::uuid[]) AND resolved_at IS NULL",
        (over,),
    )
    return new
