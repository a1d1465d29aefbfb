"""What was made of messages over time, and with what: analyses with their provenance, prompts by hash, the egress ledger."""

from dataclasses import dataclass, field
from datetime import datetime

from store.db import Connection


@dataclass(frozen=True)
class PastAnalysis:
    """One analysis in the history of a message. cost_microusd: of this call; the ledger has the others."""

    message_id: str
    sent_at: datetime
    analyzed_at: datetime
    run_kind: str
    provisional: bool
    sentiment: str
    score: float
    intent: str
    topics: list[str]
    suggested_action: str
    summary: str = field(repr=False)
    analyzer: str
    model_asked: str | None
    model: str
    escalated_from: str | None
    prompt_version: str
    prompt_hash: str | None
    schema_version: int | None
    minimizer_version: str | None
    examples_version: int | None
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    cost_microusd: int | None
    latency_ms: int | None
    request_id: str | None


def list_history(
    conn: Connection, tenant_id: int, *, message_id: str | None = None, conversation_id: str | None = None
) -> list[PastAnalysis]:
    """All analyses of the tenant's message or of a conversation's messages, in the order in which they were made."""
    rows = conn.execute(
        """
        SELECT m.id::text, m.sent_at, a.created_at, a.run_kind, a.provisional, a.sentiment, a.score, a.intent, a.topics,
               a.suggested_action, a.summary, a.analyzer, a.model_asked, a.model, a.escalated_from, a.prompt_version,
               a.prompt_hash, a.schema_version, a.minimizer_version, a.examples_version, a.input_tokens, a.output_tokens,
               a.cached_tokens, a.cost_microusd, a.latency_ms, a.request_id
        FROM message AS m JOIN message_analysis AS a ON a.message_id = m.id
        WHERE m.tenant_id = %s AND (m.id = %s OR m.conversation_id = %s)
        ORDER BY a.created_at, a.id
        """,
        (tenant_id, message_id, conversation_id),
    ).fetchall()
    return [PastAnalysis(*row) for row in rows]


def find_prompt(conn: Connection, prompt_hash: str) -> str | None:
    """The system prompt of this hash, as the JSON that was sent; None when it is not known here."""
    row = conn.execute("SELECT system_text FROM prompt_registry WHERE prompt_hash = %s", (prompt_hash,)).fetchone()
    return row[0] if row else None


@dataclass(frozen=True)
class EgressRow:
    """One call that left the building. user_turn: exactly what was sent beside the system prompt of this hash."""

    id: str
    created_at: datetime
    message_id: str | None
    purpose: str
    provider: str
    model: str
    prompt_version: str
    prompt_hash: str
    user_turn: str = field(repr=False)
    outcome: str | None
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    cache_write_tokens: int | None
    cost_microusd: int | None
    request_id: str | None
    latency_ms: int | None


def list_egress(
    conn: Connection,
    tenant_id: int,
    *,
    message_id: str | None = None,
    customer_id: str | None = None,
    since: datetime | None = None,
    after_id: str | None = None,
    limit: int = 5000,
) -> list[EgressRow]:
    """A page of the tenant's ledger, oldest first; of all of it when nothing narrows it down. after_id: the page before ended there."""
    rows = conn.execute(
        """
        SELECT e.id::text, e.created_at, e.message_id::text, e.purpose, e.provider, e.model, e.prompt_version, e.prompt_hash,
               e.minimized_text, e.outcome, e.input_tokens, e.output_tokens, e.cached_tokens, e.cache_write_tokens,
               e.cost_microusd, e.request_id, e.latency_ms
        FROM egress AS e
        WHERE e.tenant_id = %(tenant_id)s
          AND (%(message_id)s::uuid IS NULL OR e.message_id = %(message_id)s)
          AND (%(customer_id)s::uuid IS NULL
               OR e.message_id IN (SELECT id FROM message WHERE customer_id = %(customer_id)s))
          AND (%(since)s::timestamptz IS NULL OR e.created_at >= %(since)s)
          AND (%(after_id)s::uuid IS NULL OR e.id > %(after_id)s)
        ORDER BY e.id
        LIMIT %(limit)s
        """,
        {
            "tenant_id": tenant_id,
            "message_id": message_id,
            "customer_id": customer_id,
            "since": since,
            "after_id": after_id,
            "limit": limit,
        },
    ).fetchall()
    return [EgressRow(*row) for row in rows]
