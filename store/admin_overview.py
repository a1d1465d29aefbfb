"""How a tenant stands, in numbers, for the first page of its administration."""

from dataclasses import dataclass

from store.db import Connection


@dataclass(frozen=True)
class Overview:
    """calls, cost_microusd: what left for the AI provider within 24 hours."""

    alerts: int
    unapproved: int
    uncertain: int
    parked: int
    members: int
    api_keys: int
    calls: int
    cost_microusd: int


def read_overview(conn: Connection, tenant_id: int) -> Overview:
    """The numbers of this moment."""
    row = conn.execute(
        """
        SELECT (
                   SELECT count(*) FROM alert
                   WHERE tenant_id = %(tenant)s AND resolved_at IS NULL AND acknowledged_at IS NULL
                     AND coalesce(snoozed_until, '-infinity') <= now()
               ),
               (
                   SELECT count(*) FROM action
                   WHERE tenant_id = %(tenant)s AND state = 'pending' AND needs_approval AND approved_at IS NULL
               ),
               (SELECT count(*) FROM action WHERE tenant_id = %(tenant)s AND state = 'uncertain'),
               (SELECT count(*) FROM run WHERE tenant_id = %(tenant)s AND state = 'dead'),
               (
                   SELECT count(*) FROM membership AS m JOIN app_user AS u ON u.id = m.user_id AND u.disabled_at IS NULL
                   WHERE m.tenant_id = %(tenant)s
               ),
               (SELECT count(*) FROM api_key WHERE tenant_id = %(tenant)s AND revoked_at IS NULL),
               e.calls, e.cost
        FROM (
            SELECT count(*) AS calls, coalesce(sum(cost_microusd), 0)::bigint AS cost
            FROM egress
            WHERE tenant_id = %(tenant)s AND id >= uuid_floor(now() - interval '1 day') AND purpose <> 'canary'
        ) AS e
        """,
        {"tenant": tenant_id},
    ).fetchone()
    assert row is not None
    return Overview(*row)
