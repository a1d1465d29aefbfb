"""Cards whose labels may have changed: one row a customer, dirty while its version is ahead of what was written."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from psycopg.types.json import Jsonb

from store.crm_searches import LOOK_FOR
from store.db import Connection

# A burst of one customer becomes one write.
DEBOUNCE_S = 1.0

Because = Literal["message", "correction", "reanalyze", "sweep", "merge", "nightly", "backfill", "erasure", "link"]
# These may wait for cards that changed because somebody wrote.
BULK: frozenset[Because] = frozenset({"sweep", "nightly", "backfill"})


_FIRST, _THEN = "WITH sought AS (", ")"
_MARK = """
    INSERT INTO crm_state AS s (customer_id, tenant_id, next_at, because, is_bulk)
    VALUES (%(customer)s, %(tenant)s, now() + make_interval(secs => %(in_s)s), %(because)s, %(bulk)s)
    ON CONFLICT (customer_id) DO UPDATE SET
        version = s.version + 1,
        because = CASE WHEN s.version > s.written_version AND NOT s.is_bulk THEN s.because ELSE EXCLUDED.because END,
        is_bulk = EXCLUDED.is_bulk AND (s.is_bulk OR s.version = s.written_version),
        next_at = CASE WHEN s.version > s.written_version THEN least(s.next_at, EXCLUDED.next_at) ELSE EXCLUDED.next_at END
"""
_MARK_AND_LOOK = _FIRST + LOOK_FOR + _THEN + _MARK


def mark_dirty(conn: Connection, tenant_id: int, customer_id: str, *, because: Because) -> None:
    """The customer's labels may have changed; written after a short pause, in a batch."""
    values = {
        "customer": customer_id,
        "tenant": tenant_id,
        "in_s": DEBOUNCE_S,
        "because": because,
        "bulk": because in BULK,
    }
    conn.execute(_MARK_AND_LOOK, {**values, "urgent": False})


def mark_counts_dirty(conn: Connection) -> int:
    """Every customer whose card shows negatives: the count falls with time, without a new message. Needs the system scope."""
    return conn.execute(
        """
        UPDATE crm_state
        SET version = version + 1, next_at = now(), because = 'nightly', is_bulk = true
        WHERE negative_30d > 0 AND version = written_version
        """
    ).rowcount


def mark_all_dirty(conn: Connection, tenant_id: int) -> int:
    """Every customer of the tenant who has an analysis, for a first or a repeated fill of the CRM. Returns how many."""
    rows = conn.execute(
        """
        INSERT INTO crm_state AS s (customer_id, tenant_id, next_at, because, is_bulk)
        SELECT c.id, c.tenant_id, now(), 'backfill', true
        FROM customer AS c
        WHERE c.tenant_id = %s AND EXISTS (
            SELECT FROM message AS m JOIN message_analysis AS a ON a.message_id = m.id
            WHERE m.customer_id = c.id AND NOT a.provisional
        )
        ON CONFLICT (customer_id) DO UPDATE SET
            version = s.version + 1,
            because = CASE WHEN s.version > s.written_version THEN s.because ELSE 'backfill' END,
            is_bulk = s.is_bulk OR s.version = s.written_version,
            next_at = least(s.next_at, now()),
            written_hash = NULL
        RETURNING customer_id::text
        """,
        (tenant_id,),
    ).fetchall()
    conn.execute(
        """
        INSERT INTO crm_search (customer_id, tenant_id)
        SELECT s.customer_id, s.tenant_id
        FROM crm_state AS s
        WHERE s.tenant_id = %s AND NOT EXISTS (SELECT FROM crm_link AS l WHERE l.customer_id = s.customer_id)
        ON CONFLICT (customer_id) DO UPDATE SET next_at = now()
        WHERE crm_search.outcome <> 'stopped'
        """,
        (tenant_id,),
    )
    return len(rows)


@dataclass(frozen=True)
class DirtyState:
    """A card to be written. written_hash: of what stands there, None when nothing of ours does."""

    customer_id: str
    record_id: str
    version: int
    tries: int
    written_hash: str | None
    because: str
    is_bulk: bool


def list_dirty_states(conn: Connection, tenant_id: int, *, limit: int) -> list[DirtyState]:
    """Linked customers whose cards are due, live ones before bulk, oldest first. Only one worker a tenant asks at a time."""
    rows = conn.execute(
        """
        SELECT s.customer_id::text, l.record_id, s.version, s.tries, s.written_hash, s.because, s.is_bulk
        FROM crm_state AS s
        JOIN crm_link AS l ON l.customer_id = s.customer_id
        JOIN crm_connection AS c ON c.tenant_id = s.tenant_id
        WHERE s.tenant_id = %s AND s.version > s.written_version AND s.next_at <= now()
          AND coalesce(c.cards_held_until, '-infinity') <= now()
          AND (NOT s.is_bulk OR coalesce(c.bulk_held_until, '-infinity') <= now())
        ORDER BY s.is_bulk, s.next_at
        LIMIT %s
        """,
        (tenant_id, limit),
    ).fetchall()
    return [DirtyState(*row) for row in rows]


@dataclass(frozen=True)
class WrittenState:
    """What stands on a card now. fields: as they were written, without the summary; None when it was right already."""

    customer_id: str
    record_id: str
    version: int
    because: str
    written_hash: str
    negative_30d: int
    fields: dict[str, str] | None


def lock_states(conn: Connection, customer_ids: Sequence[str]) -> None:
    """Hold these cards' rows until the transaction ends, in the order in which everybody who holds many takes them."""
    conn.execute(
        "SELECT FROM crm_state WHERE customer_id = ANY(%s::uuid[]) ORDER BY customer_id FOR UPDATE",
        (list(customer_ids),),
    )


def settle_states(conn: Connection, tenant_id: int, written: list[WrittenState]) -> None:
    """The labels of these versions stand in the CRM. A newer version that came meanwhile stays dirty.

    Where the customer's record is another one by now, or another worker wrote a newer version meanwhile, nobody knows what
    stands there: the card is written again.
    """
    conn.execute(
        """
        UPDATE crm_state AS s
        SET version = CASE WHEN s.written_version <= w.version AND l.record_id = w.record_id THEN s.version ELSE s.version + 1 END,
            written_version = greatest(s.written_version, w.version),
            written_hash = CASE WHEN s.written_version <= w.version AND l.record_id = w.record_id THEN w.written_hash END,
            negative_30d = w.negative_30d, tries = 0, error_code = NULL,
            written_at = CASE WHEN w.has_changed THEN now() ELSE s.written_at END
        FROM unnest(%s::uuid[], %s::text[], %s::bigint[], %s::text[], %s::int[], %s::boolean[])
          AS w (customer_id, record_id, version, written_hash, negative_30d, has_changed)
        LEFT JOIN crm_link AS l ON l.customer_id = w.customer_id
        WHERE s.customer_id = w.customer_id
        """,
        (
            [one.customer_id for one in written],
            [one.record_id for one in written],
            [one.version for one in written],
            [one.written_hash for one in written],
            [one.negative_30d for one in written],
            [one.fields is not None for one in written],
        ),
    )
    changed = [one for one in written if one.fields is not None]
    if changed:
        # The customer may have been erased while the CRM was writing: then there is nobody to keep a record of.
        conn.execute(
            """
            INSERT INTO crm_write (tenant_id, customer_id, record_id, because, version, fields)
            SELECT %s, w.customer_id, w.record_id, w.because, w.version, w.fields
            FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::bigint[], %s::jsonb[])
              AS w (customer_id, record_id, because, version, fields)
            JOIN customer AS c ON c.id = w.customer_id
            """,
            (
                tenant_id,
                [one.customer_id for one in changed],
                [one.record_id for one in changed],
                [one.because for one in changed],
                [one.version for one in changed],
                [Jsonb(one.fields) for one in changed],
            ),
        )


def settle_clean(conn: Connection, customer_id: str, *, version: int) -> None:
    """There is nothing to say of this customer, and nothing of ours stands on the card."""
    conn.execute(
        """
        UPDATE crm_state
        SET written_version = greatest(written_version, %s), written_hash = NULL, negative_30d = NULL, tries = 0, error_code = NULL
        WHERE customer_id = %s
        """,
        (version, customer_id),
    )


def postpone_state(conn: Connection, customer_id: str, *, seconds: float, error_code: str) -> None:
    """Not written: again later."""
    conn.execute(
        """
        UPDATE crm_state
        SET next_at = now() + make_interval(secs => %s), tries = tries + 1, error_code = %s
        WHERE customer_id = %s
        """,
        (seconds, error_code, customer_id),
    )


def check_card(conn: Connection, customer_id: str) -> bool:
    """The record seems to be gone: write the card, whatever stands there. That finds out what became of the record.

    False when the customer has no card to write.
    """
    checked = conn.execute(
        """
        UPDATE crm_state
        SET version = version + 1, written_hash = 'unknown', next_at = now(), because = 'link', is_bulk = false
        WHERE customer_id = %s
        """,
        (customer_id,),
    )
    return checked.rowcount > 0


def write_anew(conn: Connection, customer_id: str) -> None:
    """Whatever stood on the card is gone: write it again."""
    conn.execute(
        """
        UPDATE crm_state
        SET version = version + 1, written_hash = NULL, next_at = now(), because = 'erasure', is_bulk = false
        WHERE customer_id = %s
        """,
        (customer_id,),
    )


def prune_writes(conn: Connection, *, older_than_days: int) -> int:
    """Forget old records of what was written. Needs the system scope."""
    return conn.execute(
        "DELETE FROM crm_write WHERE written_at < now() - make_interval(days => %s)", (older_than_days,)
    ).rowcount
