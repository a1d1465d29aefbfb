"""Messages that were taken back: their words go from every table, before, during and after analysis. The row stays."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from channels.base import MessageErasure
from store.db import Connection
from store.edits import look_again
from store.intake import StartedRun, add_messages, find_message_ids, message_key

ERASED = "[erased]"
# A turn stands as context before this many later messages at most (config.tenant.TenantConfig.context_turns), and some
# of those may be answers.
_LATER_MESSAGES = 60


@dataclass(frozen=True)
class _Erased:
    id: str
    conversation_id: str | None
    customer_id: str | None
    joined_to: str | None
    minimized_text: str | None = field(repr=False)


def erase_messages(
    conn: Connection, tenant_id: int, erasures: Sequence[MessageErasure], *, pepper: bytes
) -> list[StartedRun]:
    """Erase what was taken back; one that comes before its message leaves a tombstone, and the message is a duplicate of it.

    Returns runs to start: bursts that lost a part are judged anew. The transaction must act for `tenant_id`.
    """
    if not erasures:
        return []
    add_messages(conn, tenant_id, [erasure.message for erasure in erasures], pepper=pepper, tombstones=True)
    ids: set[str] = set()
    for account_id in {erasure.message.account_id for erasure in erasures}:
        keys = [message_key(pepper, one.message) for one in erasures if one.message.account_id == account_id]
        ids.update(find_message_ids(conn, tenant_id, account_id=account_id, keys=keys).values())
    return _erase(conn, tenant_id, sorted(ids))


def _erase(conn: Connection, tenant_id: int, ids: list[str]) -> list[StartedRun]:
    # Runs before messages, as everywhere. Without its run an answer that is under way is not stored.
    conn.execute("SELECT FROM run WHERE message_id = ANY(%s::uuid[]) ORDER BY id FOR UPDATE", (ids,))
    conn.execute("DELETE FROM run WHERE message_id = ANY(%s::uuid[])", (ids,))
    rows = conn.execute(
        """
        SELECT id::text, conversation_id::text, customer_id::text, joined_to::text, minimized_text
        FROM message
        WHERE id = ANY(%s::uuid[]) AND state <> 'erased'
        ORDER BY id
        FOR UPDATE
        """,
        (ids,),
    ).fetchall()
    erased = [_Erased(*row) for row in rows]
    if not erased:
        return []
    ids = [one.id for one in erased]
    _forget_words(conn, ids)
    _forget_as_context(conn, [one for one in erased if one.conversation_id and one.minimized_text])
    _mark_cards(conn, [one.customer_id for one in erased if one.customer_id])
    return _judge_bursts_anew(conn, tenant_id, erased)


def _forget_words(conn: Connection, ids: list[str]) -> None:
    conn.execute(
        """
        UPDATE message
        SET state = 'erased', erased_at = now(), text = NULL, minimized_text = NULL, stripped = NULL, joined_to = NULL
        WHERE id = ANY(%s::uuid[])
        """,
        (ids,),
    )
    conn.execute("DELETE FROM message_raw WHERE message_id = ANY(%s::uuid[])", (ids,))
    conn.execute("DELETE FROM message_version WHERE message_id = ANY(%s::uuid[])", (ids,))
    conn.execute("UPDATE message_analysis SET summary = '' WHERE message_id = ANY(%s::uuid[])", (ids,))
    conn.execute("UPDATE egress SET minimized_text = %s WHERE message_id = ANY(%s::uuid[])", (ERASED, ids))
    conn.execute("UPDATE correction SET reason = NULL WHERE message_id = ANY(%s::uuid[])", (ids,))
    conn.execute(
        """
        UPDATE action
        SET state = 'cancelled', error_code = 'erased', settled_at = now()
        WHERE message_id = ANY(%s::uuid[]) AND state = 'pending'
        """,
        (ids,),
    )


def _forget_as_context(conn: Connection, erased: list[_Erased]) -> None:
    """The ledger of later messages shows the turns before them: these words go from there too."""
    if not erased:
        return
    rows = conn.execute(
        """
        SELECT given.id::text, e.id::text, e.minimized_text
        FROM unnest(%s::uuid[]) AS given (id)
        JOIN message AS this ON this.id = given.id
        CROSS JOIN LATERAL (
            SELECT later.id
            FROM message AS later
            WHERE later.conversation_id = this.conversation_id AND (later.sent_at, later.id) > (this.sent_at, this.id)
            ORDER BY later.sent_at, later.id
            LIMIT %s
        ) AS later
        JOIN egress AS e ON e.message_id = later.id
        WHERE e.minimized_text <> %s
        """,
        ([one.id for one in erased], _LATER_MESSAGES, ERASED),
    ).fetchall()
    words_of = {one.id: one.minimized_text for one in erased}
    turns = {egress_id: user_turn for _, egress_id, user_turn in rows}
    changed: set[str] = set()
    for message_id, egress_id, _ in rows:
        without = _without_turn(turns[egress_id], words_of[message_id] or "")
        if without is not None:
            turns[egress_id] = without
            changed.add(egress_id)
    conn.execute(
        """
        UPDATE egress AS e
        SET minimized_text = given.text
        FROM unnest(%s::uuid[], %s::text[]) AS given (id, text)
        WHERE e.id = given.id
        """,
        (sorted(changed), [turns[egress_id] for egress_id in sorted(changed)]),
    )


def _without_turn(user_turn: str, words: str) -> str | None:
    """The user turn (see analysis/prompt.py) without a context turn of these words; None when it has none."""
    try:
        turn = json.loads(user_turn)
    except ValueError:
        return None
    context = cast("list[dict[str, Any]]", turn.get("context", [])) if isinstance(turn, dict) else []
    hits = [one for one in context if one.get("text") == words]
    for one in hits:
        one["text"] = ERASED
    return json.dumps(turn, ensure_ascii=False, sort_keys=True) if hits else None


def _mark_cards(conn: Connection, customer_ids: list[str]) -> None:
    """The CRM may show a summary of these words: its labels are written anew."""
    conn.execute(
        """
        UPDATE crm_state SET version = version + 1, written_hash = NULL, next_at = now() WHERE customer_id = ANY(%s::uuid[])
        """,
        (sorted(set(customer_ids)),),
    )


def _judge_bursts_anew(conn: Connection, tenant_id: int, erased: list[_Erased]) -> list[StartedRun]:
    """The rest of a burst that lost a part, and the parts of one that lost its last message."""
    survivors = sorted({one.joined_to for one in erased if one.joined_to})
    conn.execute("SELECT FROM run WHERE message_id = ANY(%s::uuid[]) ORDER BY id FOR UPDATE", (survivors,))
    conn.execute("UPDATE message_analysis SET summary = '' WHERE message_id = ANY(%s::uuid[])", (survivors,))
    conn.execute("UPDATE egress SET minimized_text = %s WHERE message_id = ANY(%s::uuid[])", (ERASED, survivors))
    started = look_again(conn, tenant_id, survivors)
    rows = conn.execute(
        """
        WITH orphan AS (
            UPDATE message SET joined_to = NULL, state = 'received' WHERE joined_to = ANY(%s::uuid[]) RETURNING id
        )
        INSERT INTO run (tenant_id, message_id) SELECT %s, id FROM orphan ORDER BY id RETURNING message_id::text, id::text
        """,
        ([one.id for one in erased], tenant_id),
    ).fetchall()
    started.extend(StartedRun(tenant_id, message_id, run_id) for message_id, run_id in rows)
    return started
