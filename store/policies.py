"""The policies that decisions were made under, each version once a tenant."""

from typing import Any

from routing.facts import RoutingPolicy
from routing.policy_snapshot import PolicySnapshot, take_snapshot
from store.db import Connection

# The last policy of each tenant with its snapshot. Compared by value: what is cached is a computation, not what is stored.
_last: dict[int, tuple[RoutingPolicy, PolicySnapshot]] = {}


def snapshot_of(tenant_id: int, policy: RoutingPolicy) -> PolicySnapshot:
    """The policy's snapshot, computed once per version of the tenant's settings and process."""
    known = _last.get(tenant_id)
    if known and known[0] == policy:
        return known[1]
    snapshot = take_snapshot(policy)
    _last[tenant_id] = (policy, snapshot)
    return snapshot


def remember_policy(conn: Connection, tenant_id: int, snapshot: PolicySnapshot) -> None:
    """Store the policy unless it is there."""
    conn.execute(
        """
        INSERT INTO routing_policy (tenant_id, policy_hash, policy)
        VALUES (%s, %s, %s::jsonb)
        ON CONFLICT DO NOTHING
        """,
        (tenant_id, snapshot.policy_hash, snapshot.text),
    )


def find_policy(conn: Connection, tenant_id: int, policy_hash: str) -> dict[str, Any] | None:
    """The policy of that hash as JSON, or None."""
    row = conn.execute(
        "SELECT policy FROM routing_policy WHERE tenant_id = %s AND policy_hash = %s", (tenant_id, policy_hash)
    ).fetchone()
    return row[0] if row else None


def list_policies(conn: Connection, tenant_id: int) -> dict[str, dict[str, Any]]:
    """All policies of the tenant by hash."""
    rows = conn.execute(
        "SELECT policy_hash, policy FROM routing_policy WHERE tenant_id = %s ORDER BY created_at", (tenant_id,)
    ).fetchall()
    return dict(rows)
