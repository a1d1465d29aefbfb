"""The messages of a sweep: claimed before their words leave, settled once with what came back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from store.db import Connection

ItemState = Literal["waiting", "calling", "in_batch", "done", "failed", "skipped", "dropped"]
# Tries that brought no usable answer.
MAX_TRIES = 3
# Workers that died while they held the item.
MAX_CRASHES = 10


@dataclass(frozen=True)
class SweepItem:
    """One message of a sweep, its row locked."""

    id: str
    message_id: str
    run_id: str
    state: ItemState
    batch_id: str | None
    lease_token: str | None
    egress_id: str | None
    tries: int
    error_code: str | None


def list_waiting(conn: Connection, sweep_id: str, *, limit: int) -> list[tuple[str, str]]:
    """(item_id, message_id) of what waits, in the order of the plan."""
    rows = conn.execute(
        """
        SELECT id::text, message_id::text
        FROM sweep_item
        WHERE sweep_id = %s AND state = 'waiting'
        ORDER BY sweep_item.id
        LIMIT %s
        """,
        (sweep_id, limit),
    ).fetchall()
    return [(item_id, message_id) for item_id, message_id in rows]


def count_answered(conn: Connection, sweep_id: str) -> int:
    """Items that are paid and settled."""
    row = conn.execute(
        "SELECT count(*) FROM sweep_item WHERE sweep_id = %s AND state IN ('done', 'failed', 'dropped')", (sweep_id,)
    ).fetchone()
    assert row is not None
    return row[0]


def lock_items(conn: Connection, item_ids: Sequence[str]) -> list[SweepItem]:
    """The items, locked until the transaction ends, in the order of the plan."""
    rows = conn.execute(
        """
        SELECT id::text, message_id::text, run_id::text, state, batch_id::text, lease_token::text, egress_id::text, tries,
               error_code
        FROM sweep_item
        WHERE id = ANY(%s::uuid[])
        ORDER BY id
        FOR UPDATE
        """,
        (list(item_ids),),
    ).fetchall()
    return [SweepItem(*row) for row in rows]


@dataclass(frozen=True)
class Claim:
    """How an item's words are about to leave. sent_hash: SHA-256 of the user turn in the ledger. edits: of the message."""

    egress_id: str
    sent_hash: bytes
    edits: int
    lease_token: str | None = None
    batch_id: str | None = None


def claim_item(conn: Connection, item_id: str, claim: Claim) -> None:
    """Mark a waiting item as under way: in a batch, or in a single call of the worker that holds the sweep."""
    conn.execute(
        """
        UPDATE sweep_item
        SET state = %s, egress_id = %s, sent_hash = %s, edits = %s, lease_token = %s, batch_id = %s
        WHERE id = %s
        """,
        (
            "in_batch" if claim.batch_id else "calling",
            claim.egress_id,
            claim.sent_hash,
            claim.edits,
            claim.lease_token,
            claim.batch_id,
            item_id,
        ),
    )


@dataclass(frozen=True)
class SentPrompt:
    """With what an item was asked, by the ledger."""

    prompt_version: str
    prompt_hash: str
    model: str
    minimizer_version: str | None


def find_sent_prompt(conn: Connection, item_id: str) -> SentPrompt | None:
    """With what the item was asked. None when the words that left no longer stand: they, a part of their burst or their
    context were erased, or the message was edited.
    """
    row = conn.execute(
        """
        SELECT e.prompt_version, e.prompt_hash, e.model, m.minimizer_version
        FROM sweep_item AS i
        JOIN egress AS e ON e.id = i.egress_id
        JOIN message AS m ON m.id = i.message_id
        WHERE i.id = %s AND sha256(convert_to(e.minimized_text, 'UTF8')) = i.sent_hash AND m.state <> 'erased'
          AND m.edits = i.edits
        """,
        (item_id,),
    ).fetchone()
    return SentPrompt(*row) if row else None


def list_message_ids(conn: Connection, item_ids: Sequence[str]) -> list[str]:
    """The messages of some items, to be shared before the items are locked."""
    rows = conn.execute(
        "SELECT message_id::text FROM sweep_item WHERE id = ANY(%s::uuid[])", (list(item_ids),)
    ).fetchall()
    return [row[0] for row in rows]


def settle_item(
    conn: Connection,
    item_id: str,
    *,
    state: Literal["done", "failed", "skipped", "dropped"],
    error_code: str | None = None,
    analysis_id: str | None = None,
    before_analysis_id: str | None = None,
) -> None:
    """The item's end. dropped: it was answered and paid, but the answer no longer counts."""
    conn.execute(
        """
        UPDATE sweep_item
        SET state = %s, error_code = %s, analysis_id = %s, before_analysis_id = %s, lease_token = NULL
        WHERE id = %s
        """,
        (state, error_code, analysis_id, before_analysis_id, item_id),
    )


def try_again(conn: Connection, item: SweepItem, *, error_code: str, counts: bool) -> None:
    """Back among those that wait; failed when it has been tried often enough. counts: whether this was a try."""
    conn.execute(
        """
        UPDATE sweep_item
        SET state = CASE WHEN tries + %s >= %s THEN 'failed' ELSE 'waiting' END, tries = tries + %s, error_code = %s,
            lease_token = NULL, batch_id = NULL
        WHERE id = %s
        """,
        (int(counts), MAX_TRIES, int(counts), error_code, item.id),
    )


def release_interrupted_calls(conn: Connection, sweep_id: str) -> int:
    """Calls of a worker that is gone, which may be paid and whose answers are lost: they wait again. Returns how many.

    Only for the worker that holds the sweep and has not begun any call itself.
    """
    rows = conn.execute(
        """
        UPDATE sweep_item
        SET state = CASE WHEN crashes + 1 >= %s THEN 'failed' ELSE 'waiting' END, crashes = crashes + 1,
            error_code = CASE WHEN crashes + 1 >= %s THEN 'poison' ELSE error_code END, lease_token = NULL
        WHERE sweep_id = %s AND state = 'calling'
        RETURNING egress_id
        """,
        (MAX_CRASHES, MAX_CRASHES, sweep_id),
    ).fetchall()
    _mark_egress(conn, [row[0] for row in rows], outcome="interrupted")
    return len(rows)


def release_batch_items(conn: Connection, batch_id: str) -> int:
    """The items of a batch that never left wait again. Returns how many."""
    rows = conn.execute(
        """
        UPDATE sweep_item
        SET state = 'waiting', batch_id = NULL
        WHERE batch_id = %s AND state = 'in_batch'
        RETURNING egress_id
        """,
        (batch_id,),
    ).fetchall()
    _mark_egress(conn, [row[0] for row in rows], outcome="not_sent")
    return len(rows)


def _mark_egress(conn: Connection, egress_ids: list[str], *, outcome: str) -> None:
    conn.execute("UPDATE egress SET outcome = %s WHERE id = ANY(%s::uuid[]) AND outcome IS NULL", (outcome, egress_ids))


def list_batch_items(conn: Connection, batch_id: str) -> list[tuple[str, str, bool]]:
    """(item_id, message_id, whether its words still stand as they were claimed) of what is still open in a batch."""
    rows = conn.execute(
        """
        SELECT i.id::text, i.message_id::text,
               coalesce(sha256(convert_to(e.minimized_text, 'UTF8')) = i.sent_hash, false)
        FROM sweep_item AS i LEFT JOIN egress AS e ON e.id = i.egress_id
        WHERE i.batch_id = %s AND i.state = 'in_batch'
        ORDER BY i.id
        """,
        (batch_id,),
    ).fetchall()
    return [(item_id, message_id, intact) for item_id, message_id, intact in rows]


def skip_waiting(conn: Connection, sweep_id: str, *, error_code: str) -> None:
    """What was not begun stays undone: the sweep was cancelled."""
    conn.execute(
        "UPDATE sweep_item SET state = 'skipped', error_code = %s WHERE sweep_id = %s AND state = 'waiting'",
        (error_code, sweep_id),
    )


def find_newest_analysis(conn: Connection, message_id: str) -> str | None:
    """The message's newest valid analysis, leaving out those of sweeps that wait for approval."""
    row = conn.execute(
        """
        SELECT a.id::text
        FROM message_analysis AS a
        WHERE a.message_id = %s AND a.id > %s AND NOT a.provisional
          AND analysis_counts(a.run_kind, a.run_id)
        ORDER BY a.id DESC
        LIMIT 1
        """,
        (message_id, message_id),
    ).fetchone()
    return row[0] if row else None
