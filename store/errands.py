"""What a person asked a worker to look at now: a pasted message, a token, a CRM, an alert target; and what came out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from psycopg.types.json import Jsonb

from store.db import Connection

ErrandKind = Literal["reading", "token", "crm", "alert", "sample"]
KEPT_H = 1
RING_AGAIN_S = 5
# Longer than any of them takes: its worker died, or there is none.
GIVEN_UP_S = 60


@dataclass(frozen=True)
class Errand:
    """result: see worker.errands; None until it is done. is_late: nobody has done it for a minute."""

    id: str
    kind: ErrandKind
    input: dict[str, Any] = field(repr=False)
    state: Literal["waiting", "running", "done"]
    result: dict[str, Any] | None = field(repr=False)
    created_at: datetime
    is_late: bool

    @property
    def is_over(self) -> bool:
        """Nothing more comes of it."""
        return self.state == "done" or self.is_late


def add_errand(conn: Connection, tenant_id: int, kind: ErrandKind, given: Mapping[str, object]) -> str:
    """Returns its id."""
    row = conn.execute(
        "INSERT INTO errand (tenant_id, kind, input) VALUES (%s, %s, %s) RETURNING id::text",
        (tenant_id, kind, Jsonb(dict(given))),
    ).fetchone()
    assert row is not None
    return row[0]


def take_errand(conn: Connection, tenant_id: int, errand_id: str) -> tuple[ErrandKind, dict[str, Any]] | None:
    """(kind, input) for the one worker that does it; None when another has it, or it is gone."""
    row = conn.execute(
        """
        UPDATE errand
        SET state = 'running'
        WHERE tenant_id = %s AND id = %s AND state = 'waiting'
        RETURNING kind, input
        """,
        (tenant_id, errand_id),
    ).fetchone()
    return (row[0], row[1]) if row else None


def settle_errand(conn: Connection, tenant_id: int, errand_id: str, result: Mapping[str, object]) -> None:
    """What came out. Codes, counts and our own words; of a reading also the stripped words."""
    conn.execute(
        "UPDATE errand SET state = 'done', result = %s, done_at = now() WHERE tenant_id = %s AND id = %s",
        (Jsonb(dict(result)), tenant_id, errand_id),
    )


def find_errand(conn: Connection, tenant_id: int, errand_id: str) -> Errand | None:
    """None when the tenant has no such errand (any more)."""
    row = conn.execute(
        """
        SELECT id::text, kind, input, state, result, created_at,
               state <> 'done' AND created_at < now() - make_interval(secs => %s)
        FROM errand
        WHERE tenant_id = %s AND id = %s
        """,
        (GIVEN_UP_S, tenant_id, errand_id),
    ).fetchone()
    return Errand(*row) if row else None


def forget_old_errands(conn: Connection, tenant_id: int) -> int:
    """What is older than an hour goes: a pasted message must not stay. Returns how many."""
    return conn.execute(
        "DELETE FROM errand WHERE tenant_id = %s AND created_at < now() - make_interval(hours => %s)",
        (tenant_id, KEPT_H),
    ).rowcount


def take_ring(conn: Connection, tenant_id: int, errand_id: str) -> bool:
    """Whether a worker should be told of it again: the first word may have been lost with the broker."""
    return (
        conn.execute(
            """
            UPDATE errand
            SET rung_at = now()
            WHERE tenant_id = %s AND id = %s AND state = 'waiting' AND rung_at < now() - make_interval(secs => %s)
            """,
            (tenant_id, errand_id, RING_AGAIN_S),
        ).rowcount
        == 1
    )
