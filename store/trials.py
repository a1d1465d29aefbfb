"""Calls to the model that judge nothing: checks of examples and the prompt laboratory, in the ledger like any call."""

from collections.abc import Sequence

from analysis.base import PreparedCall, Usage
from store.analyses import CallEnd, register_prompt, settle_counted_call
from store.db import Connection

KEEP_PASTED_DAYS = 30
EXPIRED = "[expired]"


def can_be_tried(conn: Connection, tenant_id: int, message_id: str) -> bool:
    """Whether it is a customer's message of this tenant, placed and stripped. message_id: a UUID."""
    return (
        conn.execute(
            """
            SELECT
            FROM message
            WHERE id = %s AND tenant_id = %s AND direction = 'inbound' AND minimized_text IS NOT NULL
              AND conversation_id IS NOT NULL
            """,
            (message_id, tenant_id),
        ).fetchone()
        is not None
    )


def add_trial(
    conn: Connection,
    tenant_id: int,
    call: PreparedCall,
    *,
    trial_id: str,
    message_id: str | None,
    context_ids: Sequence[str],
) -> str:
    """Record a call of a trial before it leaves. Returns the row's id. message_id: None for words that somebody pasted.

    trial_id stands in the place of a run: calls of one trial share it.
    """
    register_prompt(conn, call)
    row = conn.execute(
        """
        INSERT INTO egress (
            tenant_id, message_id, run_id, provider, model, prompt_version, prompt_hash, minimized_text, context_ids, purpose
        )
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s::uuid[], 'trial')
        RETURNING id::text
        """,
        (
            tenant_id,
            message_id,
            trial_id,
            call.provider,
            call.model,
            call.prompt_version,
            call.prompt_hash,
            call.user_turn,
            list(context_ids),
        ),
    ).fetchone()
    assert row is not None
    return row[0]


def settle_trial(
    conn: Connection,
    tenant_id: int,
    egress_id: str,
    *,
    outcome: str,
    usage: Usage | None,
    request_id: str | None,
    latency_ms: int | None,
) -> None:
    """What became of a call, and what it cost the tenant."""
    settle_counted_call(conn, tenant_id, egress_id, CallEnd(outcome, usage, request_id, latency_ms))


def forget_old_pasted_words(conn: Connection, tenant_id: int) -> int:
    """No erasure can find pasted words, because they belong to no message: after 30 days they go. Returns how many rows."""
    return conn.execute(
        """
        UPDATE egress
        SET minimized_text = %s
        WHERE tenant_id = %s AND message_id IS NULL AND purpose = 'trial' AND minimized_text <> %s
          AND created_at < now() - make_interval(days => %s)
        """,
        (EXPIRED, tenant_id, EXPIRED, KEEP_PASTED_DAYS),
    ).rowcount
