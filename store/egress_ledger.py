"""The egress ledger as people search it: what left, newest first, and the exact text of one call."""

from dataclasses import dataclass, field
from datetime import datetime

from store.db import Connection


@dataclass(frozen=True)
class LedgerRow:
    """One call that left the building, without its text. message_id: None for words that somebody tried in the laboratory."""

    id: str
    created_at: datetime
    message_id: str | None
    purpose: str
    provider: str
    model: str
    prompt_version: str
    prompt_hash: str
    outcome: str | None
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    cost_microusd: int | None
    latency_ms: int | None


def search_ledger(
    conn: Connection,
    tenant_id: int,
    *,
    message_id: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    before_id: str | None = None,
    limit: int,
) -> list[LedgerRow]:
    """Newest first; of one message, of a time from `since` up to, not including, `until`. before_id: the page before ended there."""
    rows = conn.execute(
        """
        SELECT id::text, created_at, message_id::text, purpose, provider, model, prompt_version, prompt_hash, outcome,
               input_tokens, output_tokens, cached_tokens, cost_microusd, latency_ms
        FROM egress
        WHERE tenant_id = %(tenant_id)s
          AND (%(message_id)s::uuid IS NULL OR message_id = %(message_id)s)
          -- Ids carry the time at which the row was written, a little after its transaction began: by these the index goes.
          AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s AND id >= uuid_floor(%(since)s))
          AND (%(until)s::timestamptz IS NULL
               OR created_at < %(until)s AND id < uuid_floor(%(until)s::timestamptz + interval '1 hour'))
          AND (%(before_id)s::uuid IS NULL OR id < %(before_id)s)
        ORDER BY egress.id DESC
        LIMIT %(limit)s
        """,
        {
            "tenant_id": tenant_id,
            "message_id": message_id,
            "since": since,
            "until": until,
            "before_id": before_id,
            "limit": limit,
        },
    ).fetchall()
    return [LedgerRow(*row) for row in rows]


@dataclass(frozen=True)
class LedgerEntry:
    """One call with the text that was sent, exactly, and the conversation that it is of."""

    row: LedgerRow
    user_turn: str = field(repr=False)
    conversation_id: str | None


def find_entry(conn: Connection, tenant_id: int, egress_id: str) -> LedgerEntry | None:
    """None when nothing with this id left this tenant."""
    found = conn.execute(
        """
        SELECT e.id::text, e.created_at, e.message_id::text, e.purpose, e.provider, e.model, e.prompt_version, e.prompt_hash,
               e.outcome, e.input_tokens, e.output_tokens, e.cached_tokens, e.cost_microusd, e.latency_ms,
               e.minimized_text, m.conversation_id::text
        FROM egress AS e LEFT JOIN message AS m ON m.id = e.message_id
        WHERE e.tenant_id = %s AND e.id = %s
        """,
        (tenant_id, egress_id),
    ).fetchone()
    return LedgerEntry(LedgerRow(*found[:14]), found[14], found[15]) if found else None
