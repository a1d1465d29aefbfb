"""Messages that were taken back: their words go from every table, before, during and after analysis. The row stays."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from channels.base import MessageErasure
from store.crm_events import forget_events
from store.db import Connection
from store.edits import look_again
from store.examples import forget_examples
from store.intake import StartedRun, add_messages, find_message_ids, message_key
from store.messages import claim_contexts
from store.sla_clocks import mark_clocks_stale
from store.survey_answers import forget_answers
from store.trial_records import forget_trials_of

ERASED = "[erased]"


@dataclass(frozen=True)
class _Erased:
    id: str
    conversation_id: str | None
    customer_id: str | None
    joined_to: str | None


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
    end_runs(conn, ids)
    rows = conn.execute(
        """
        SELECT id::text, conversation_id::text, customer_id::text, joined_to::text
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
    forget_messages(conn, tenant_id, [one.id for one in erased])
    _forget_as_context(conn, [one.id for one in erased if one.conversation_id])
    _mark_cards(conn, [one.customer_id for one in erased if one.customer_id])
    started = _judge_bursts_anew(conn, tenant_id, erased)
    # Nobody waits for an answer to what they have taken back.
    mark_clocks_stale(conn, {one.conversation_id for one in erased if one.conversation_id})
    return started


def end_runs(conn: Connection, ids: list[str]) -> None:
    """No pass of these messages goes on, and nobody reads them as context meanwhile. Before any of their rows is locked."""
    claim_contexts(conn, ids)
    # Runs before messages, as everywhere. Without its run an answer that is under way is not stored.
    conn.execute("SELECT FROM run WHERE message_id = ANY(%s::uuid[]) ORDER BY id FOR UPDATE", (ids,))
    conn.execute("DELETE FROM run WHERE message_id = ANY(%s::uuid[])", (ids,))


def forget_messages(conn: Connection, tenant_id: int, ids: list[str]) -> None:
    """The words of these messages go from every table, with what was drawn from them. Their runs must have been ended."""
    _forget_words(conn, ids)
    forget_examples(conn, tenant_id, ids)
    forget_trials_of(conn, ids)
    forget_answers(conn, ids)
    forget_events(conn, ids)


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
        WHERE message_id = ANY(%s::uuid[]) AND state = 'pending' AND kind <> 'reply'
        """,
        (ids,),
    )


def forget_turns(conn: Connection, ids: list[str]) -> list[tuple[str, str | None]]:
    """Take these words out of the ledger's turns of later messages, which had them as context.

    Returns (run id, message id) of those turns; message id: None for words that somebody tried in the laboratory.
    """
    rows = conn.execute(
        """
        SELECT id::text, run_id::text, message_id::text, minimized_text, context_ids::text[]
        FROM egress
        WHERE context_ids && %s::uuid[]
        """,
        (ids,),
    ).fetchall()
    turns = {egress_id: (user_turn, context_ids) for egress_id, _, _, user_turn, context_ids in rows}
    conn.execute(
        """
        UPDATE egress AS e
        SET minimized_text = given.text
        FROM unnest(%s::uuid[], %s::text[]) AS given (id, text)
        WHERE e.id = given.id
        """,
        (list(turns), [_without_turns(*turn, erased=ids) for turn in turns.values()]),
    )
    return [(row[1], row[2]) for row in rows]


def _forget_as_context(conn: Connection, ids: list[str]) -> None:
    """Later messages were judged with these words before them: they go from the ledger, and with them what was made of them.

    A pass that is open starts over without them; of one that is done the summary goes, which may quote them.
    """
    judged = forget_turns(conn, ids)
    if not judged:
        return
    message_ids, run_ids = sorted({one for _, one in judged if one}), sorted({one for one, _ in judged})
    conn.execute(
        """
        WITH again AS (
            UPDATE run
            SET state = 'minimized', outcome = NULL, answer = NULL, lease_token = NULL, lease_until = NULL, crashes = 0,
                next_at = now()
            WHERE id = ANY(%s::uuid[]) AND state IN ('minimized', 'analyzed')
            RETURNING message_id, kind
        )
        UPDATE message AS m SET state = 'minimized' FROM again WHERE m.id = again.message_id AND again.kind = 'initial'
        """,
        (run_ids,),
    )
    rows = conn.execute(
        """
        UPDATE message_analysis AS a
        SET summary = ''
        FROM message AS m
        WHERE a.message_id = ANY(%s::uuid[]) AND a.run_id = ANY(%s::uuid[]) AND m.id = a.message_id
        RETURNING m.customer_id::text
        """,
        (message_ids, run_ids),
    ).fetchall()
    _mark_cards(conn, [row[0] for row in rows if row[0]])


def _without_turns(user_turn: str, context_ids: list[str], *, erased: list[str]) -> str:
    """The user turn (see analysis/prompt.py) without the words of the erased messages among its context."""
    try:
        turn = json.loads(user_turn)
    except ValueError:  # it was erased itself
        return user_turn
    for context_id, one in zip(context_ids, turn["context"], strict=True):
        if context_id in erased:
            one["text"] = ERASED
    return json.dumps(turn, ensure_ascii=False, sort_keys=True)


def _mark_cards(conn: Connection, customer_ids: list[str]) -> None:
    """The CRM may show a summary of these words: its labels are written anew."""
    conn.execute(
        """
        UPDATE crm_state SET version = version + 1, next_at = now() WHERE customer_id = ANY(%s::uuid[])
        """,
        (sorted(set(customer_ids)),),
    )


def _judge_bursts_anew(conn: Connection, tenant_id: int, erased: list[_Erased]) -> list[StartedRun]:
    """The rest of a burst that lost a part, and the parts of one that lost its last message."""
    survivors = sorted({one.joined_to for one in erased if one.joined_to})
    conn.execute("SELECT FROM run WHERE message_id = ANY(%s::uuid[]) ORDER BY id FOR UPDATE", (survivors,))
    conn.execute("UPDATE message_analysis SET summary = '' WHERE message_id = ANY(%s::uuid[])", (survivors,))
    conn.execute("UPDATE egress SET minimized_text = %s WHERE message_id = ANY(%s::uuid[])", (ERASED, survivors))
    conn.execute("UPDATE correction SET reason = NULL WHERE message_id = ANY(%s::uuid[])", (survivors,))
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
