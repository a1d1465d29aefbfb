"""Judged messages that a person does not want as examples."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from store.db import Connection


@dataclass(frozen=True)
class Rejection:
    """A message that is left out. text: stripped, None when it is erased. by: the person's e-mail, None for a program."""

    message_id: str
    text: str | None = field(repr=False)
    by: str | None
    rejected_at: datetime


def reject_examples(conn: Connection, tenant_id: int, message_ids: Sequence[str], *, by: int | None) -> int:
    """Leave judged messages out from now on. Returns how many were not left out before; others than judged ones are ignored."""
    return conn.execute(
        """
        INSERT INTO example_rejection (tenant_id, message_id, rejected_by)
        SELECT m.tenant_id, m.id, %s
        FROM message AS m
        WHERE m.tenant_id = %s AND m.id = ANY(%s::uuid[]) AND (
            EXISTS (SELECT FROM correction AS c WHERE c.message_id = m.id AND c.undone_at IS NULL)
            OR EXISTS (SELECT FROM audit_sample AS s WHERE s.message_id = m.id AND s.judged_at IS NOT NULL)
        )
        ON CONFLICT (tenant_id, message_id) DO NOTHING
        """,
        (by, tenant_id, sorted(message_ids)),
    ).rowcount


def readmit_example(conn: Connection, tenant_id: int, message_id: str) -> bool:
    """Let it be chosen again. False when it was not left out."""
    done = conn.execute(
        "DELETE FROM example_rejection WHERE tenant_id = %s AND message_id = %s", (tenant_id, message_id)
    )
    return done.rowcount == 1


def list_rejections(conn: Connection, tenant_id: int, *, limit: int) -> list[Rejection]:
    """Newest first."""
    rows = conn.execute(
        """
        SELECT r.message_id::text, left(m.minimized_text, 200), u.email, r.rejected_at
        FROM example_rejection AS r
        JOIN message AS m ON m.id = r.message_id
        LEFT JOIN app_user AS u ON u.id = r.rejected_by
        WHERE r.tenant_id = %s
        ORDER BY r.rejected_at DESC, r.message_id
        LIMIT %s
        """,
        (tenant_id, limit),
    ).fetchall()
    return [Rejection(*row) for row in rows]
