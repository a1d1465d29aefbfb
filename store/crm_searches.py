"""Customers whom no CRM record is known of: looked for apart from writing, and shown to a person where it is not clear."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from psycopg.types.json import Jsonb

from crm_sync.base import Candidate
from store.db import Connection

# waiting: not looked for yet. nobody: no record. ambiguous: a person must pick. refused: the CRM refused the search.
# stopped: a person took the record away, so that the search would find the same one: nobody is looked for until it is asked for.
SearchOutcome = Literal["waiting", "nobody", "ambiguous", "refused", "stopped"]
NEVER = "100 years"


LOOK_FOR = """
    INSERT INTO crm_search AS s (customer_id, tenant_id, is_urgent)
    SELECT %(customer)s, %(tenant)s, %(urgent)s
    WHERE NOT EXISTS (SELECT FROM crm_link WHERE customer_id = %(customer)s)
      AND EXISTS (SELECT FROM crm_connection WHERE tenant_id = %(tenant)s)
    ON CONFLICT (customer_id) DO UPDATE SET
        is_urgent = s.is_urgent OR EXCLUDED.is_urgent,
        next_at = CASE WHEN EXCLUDED.is_urgent AND NOT s.is_urgent THEN now() ELSE s.next_at END
    WHERE s.outcome <> 'stopped'
"""


def look_for(conn: Connection, tenant_id: int, customer_id: str, *, is_urgent: bool) -> None:
    """Have the customer looked for unless the record is known. An urgent one is looked for at once, and before others."""
    conn.execute(LOOK_FOR, {"customer": customer_id, "tenant": tenant_id, "urgent": is_urgent})


def look_again(conn: Connection, tenant_id: int, customer_id: str) -> None:
    """The record is gone, or another mark of the customer became known: look now, before others where an urgent note waits."""
    conn.execute(
        """
        INSERT INTO crm_search AS s (customer_id, tenant_id, is_urgent)
        SELECT %(customer)s, %(tenant)s, EXISTS (
            SELECT FROM crm_event WHERE customer_id = %(customer)s AND state = 'pending' AND high_priority
        )
        WHERE NOT EXISTS (SELECT FROM crm_link WHERE customer_id = %(customer)s)
          AND EXISTS (SELECT FROM crm_connection WHERE tenant_id = %(tenant)s)
        ON CONFLICT (customer_id) DO UPDATE SET next_at = now(), tries = 0, is_urgent = s.is_urgent OR EXCLUDED.is_urgent
        WHERE s.outcome <> 'stopped'
        """,
        {"customer": customer_id, "tenant": tenant_id},
    )


def look_again_if_unclear(conn: Connection, customer_id: str) -> None:
    """Another mark of the customer is known: a search that came to nothing may find somebody now."""
    conn.execute(
        "UPDATE crm_search SET next_at = now(), tries = 0 WHERE customer_id = %s AND outcome <> 'stopped'",
        (customer_id,),
    )


def search_again(conn: Connection, tenant_id: int, customer_id: str) -> None:
    """A person asks for it: look now, also for one whose record a person took away."""
    conn.execute(
        """
        INSERT INTO crm_search AS s (customer_id, tenant_id, is_urgent)
        SELECT %(customer)s, %(tenant)s, true
        WHERE NOT EXISTS (SELECT FROM crm_link WHERE customer_id = %(customer)s)
        ON CONFLICT (customer_id) DO UPDATE SET
            next_at = now(), tries = 0, is_urgent = true, outcome = 'waiting', candidates = '[]'
        """,
        {"customer": customer_id, "tenant": tenant_id},
    )


def stop_searching(conn: Connection, tenant_id: int, customer_id: str) -> None:
    """Look for this customer only when a person asks."""
    conn.execute(
        """
        INSERT INTO crm_search (customer_id, tenant_id, outcome, next_at)
        VALUES (%s, %s, 'stopped', now() + %s::interval)
        ON CONFLICT (customer_id) DO UPDATE SET outcome = 'stopped', candidates = '[]', next_at = EXCLUDED.next_at
        """,
        (customer_id, tenant_id, NEVER),
    )


@dataclass(frozen=True)
class DueSearch:
    """A customer to look for."""

    customer_id: str
    tries: int


def list_due_searches(conn: Connection, tenant_id: int, *, limit: int) -> list[DueSearch]:
    """Urgent ones first, then the longest waiting."""
    rows = conn.execute(
        """
        SELECT customer_id::text, tries
        FROM crm_search
        WHERE tenant_id = %s AND next_at <= now()
        ORDER BY is_urgent DESC, next_at
        LIMIT %s
        """,
        (tenant_id, limit),
    ).fetchall()
    return [DueSearch(*row) for row in rows]


def settle_search(
    conn: Connection, customer_id: str, *, outcome: SearchOutcome, candidates: Sequence[Candidate] = (), seconds: float
) -> None:
    """Nobody was linked; looked for again after so long. candidates: of whom a person may pick."""
    conn.execute(
        """
        UPDATE crm_search
        SET outcome = %s, candidates = %s, tries = tries + 1, is_urgent = false, next_at = now() + make_interval(secs => %s)
        WHERE customer_id = %s
        """,
        (outcome, Jsonb([asdict(one) for one in candidates]), seconds, customer_id),
    )


@dataclass(frozen=True)
class OpenSearch:
    """A customer without a record, as an agent sees it. candidates: [{"record_id", "matched_on"}].

    conversation_id: the customer's newest conversation. next_at: when the customer is looked for again, None for never.
    """

    customer_id: str
    outcome: str
    candidates: list[dict[str, Any]]
    next_at: datetime | None
    conversation_id: str | None


def find_search(conn: Connection, customer_id: str) -> OpenSearch | None:
    """How the search for this customer stands; None when there is none."""
    row = conn.execute(
        """
        SELECT s.customer_id::text, s.outcome, s.candidates, CASE WHEN s.outcome <> 'stopped' THEN s.next_at END, c.id::text
        FROM crm_search AS s
        LEFT JOIN LATERAL (
            SELECT id FROM conversation WHERE customer_id = s.customer_id ORDER BY last_inbound_at DESC NULLS LAST, id LIMIT 1
        ) AS c ON true
        WHERE s.customer_id = %s
        """,
        (customer_id,),
    ).fetchone()
    return OpenSearch(*row) if row else None


def list_ambiguous(
    conn: Connection, tenant_id: int, *, after_customer_id: str | None = None, limit: int
) -> list[OpenSearch]:
    """Customers of whom a person must say which record is theirs, by id; after_customer_id: those that follow this one."""
    rows = conn.execute(
        """
        SELECT s.customer_id::text, s.outcome, s.candidates, s.next_at, c.id::text
        FROM crm_search AS s
        LEFT JOIN LATERAL (
            SELECT id FROM conversation WHERE customer_id = s.customer_id ORDER BY last_inbound_at DESC NULLS LAST, id LIMIT 1
        ) AS c ON true
        WHERE s.tenant_id = %(tenant)s AND s.outcome = 'ambiguous'
          AND (%(after)s::uuid IS NULL OR s.customer_id > %(after)s)
        ORDER BY s.customer_id
        LIMIT %(limit)s
        """,
        {"tenant": tenant_id, "after": after_customer_id, "limit": limit},
    ).fetchall()
    return [OpenSearch(*row) for row in rows]
