"""What the model said, appended for ever, and the ledger of what was sent to it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg.types.json import Jsonb

from analysis.base import PreparedCall, Usage
from analysis.prompt import without_examples
from store.db import Connection
from store.runs import PLACED_AND_LEASED, MinimizedWords, Place, RunRef, placed_and_leased

_EGRESS = """
    INSERT INTO egress (
        tenant_id, message_id, run_id, provider, model, prompt_version, prompt_hash, minimized_text, context_ids, purpose
    )
    VALUES (
        %(tenant)s, %(message)s, %(run)s, %(provider)s, %(model)s, %(prompt_version)s, %(prompt_hash)s, %(user_turn)s,
        %(context_ids)s::uuid[], %(purpose)s
    )
    RETURNING id::text, EXISTS (SELECT FROM prompt_registry AS p WHERE p.prompt_hash = egress.prompt_hash)
"""
_AND_LEASE = ", (SELECT lease_token::text FROM moved)"


def _egress_values(ref: RunRef, call: PreparedCall, *, context_ids: Sequence[str], purpose: str) -> dict[str, object]:
    return {
        "tenant": ref.tenant_id,
        "message": ref.message_id,
        "run": ref.run_id,
        "provider": call.provider,
        "model": call.model,
        "prompt_version": call.prompt_version,
        "prompt_hash": call.prompt_hash,
        "user_turn": call.user_turn,
        "context_ids": list(context_ids),
        "purpose": purpose,
    }


def add_egress(
    conn: Connection, ref: RunRef, call: PreparedCall, *, context_ids: Sequence[str], purpose: str = "live"
) -> str:
    """Record a call before it leaves. Returns the row's id. context_ids: whose words stand as context, in its order.

    purpose: "live", "escalation" (a doubtful answer is read again), "again" (Re-analyze), "sweep", "trial" or "canary" (a message of our own).
    """
    row = conn.execute(_EGRESS, _egress_values(ref, call, context_ids=context_ids, purpose=purpose)).fetchone()
    assert row is not None
    egress_id, is_registered = row
    if not is_registered:
        register_prompt(conn, call)
    return egress_id


def place_and_claim(
    conn: Connection,
    ref: RunRef,
    place: Place,
    call: PreparedCall,
    *,
    words: MinimizedWords,
    context_ids: Sequence[str],
    purpose: str,
) -> tuple[str, str]:
    """`advance_placed` to "minimized", `take_lease` and `add_egress` in one statement. Returns the lease's token and the ledger's row."""
    values = _egress_values(ref, call, context_ids=context_ids, purpose=purpose)
    given = {**placed_and_leased(ref, place, words=words), **values}
    row = conn.execute(PLACED_AND_LEASED + _EGRESS + _AND_LEASE, given).fetchone()
    assert row is not None
    egress_id, is_registered, lease_token = row
    if not is_registered:
        register_prompt(conn, call)
    return lease_token, egress_id


def register_prompt(conn: Connection, call: PreparedCall) -> None:
    """Keep the prompt's text under its hash, for all tenants: so without the words of one tenant's customers."""
    conn.execute(
        """
        INSERT INTO prompt_registry (prompt_hash, prompt_version, system_text)
        SELECT %s, %s, %s
        WHERE NOT EXISTS (SELECT FROM prompt_registry WHERE prompt_hash = %s)
        ON CONFLICT DO NOTHING
        """,
        (call.prompt_hash, call.prompt_version, without_examples(call.system_text), call.prompt_hash),
    )


SETTLE = """
    UPDATE egress
    SET outcome = %(outcome)s, input_tokens = %(input_tokens)s, output_tokens = %(output_tokens)s, cached_tokens = %(cached_tokens)s,
        cache_write_tokens = %(cache_write_tokens)s, cost_microusd = %(cost_microusd)s, request_id = %(request_id)s,
        latency_ms = %(latency_ms)s
    WHERE id = %(egress)s
"""
_FIRST = "WITH settled AS ("
# Of the tenant, whose id is given too.
AND_COUNT = """
    )
    INSERT INTO spend AS s (tenant_id, day, calls, cost_microusd)
    VALUES (%(tenant)s, current_date, 1, coalesce(%(cost_microusd)s, 0))
    ON CONFLICT (tenant_id, day) DO UPDATE
        SET calls = s.calls + 1, cost_microusd = s.cost_microusd + EXCLUDED.cost_microusd
"""
_SETTLE_COUNTED = _FIRST + SETTLE + AND_COUNT


@dataclass(frozen=True)
class CallEnd:
    """What became of a call, "answered" or an error code, and what it cost."""

    outcome: str
    usage: Usage | None
    request_id: str | None
    latency_ms: int | None

    def as_values(self, egress_id: str) -> dict[str, object]:
        """Those of SETTLE."""
        usage = self.usage or Usage()
        return {
            "outcome": self.outcome,
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
            "cost_microusd": usage.cost_microusd,
            "request_id": self.request_id,
            "latency_ms": self.latency_ms,
            "egress": egress_id,
        }


def settle_egress(
    conn: Connection,
    egress_id: str,
    *,
    outcome: str,
    usage: Usage | None,
    request_id: str | None,
    latency_ms: int | None,
) -> None:
    """What became of a call: "answered" or an error code, and what it cost."""
    conn.execute(SETTLE, CallEnd(outcome, usage, request_id, latency_ms).as_values(egress_id))


def settle_counted_call(conn: Connection, tenant_id: int, egress_id: str, end: CallEnd) -> None:
    """`settle_egress`, and count the call in what the tenant spends. The transaction must act for `tenant_id`."""
    conn.execute(_SETTLE_COUNTED, {"tenant": tenant_id, **end.as_values(egress_id)})


@dataclass(frozen=True)
class Provenance:
    """What an analysis was made with and what it cost. escalated_from: the model whose doubtful answer it replaces."""

    model_asked: str | None = None
    schema_version: int | None = None
    minimizer_version: str | None = None
    examples_version: int | None = None
    escalated_from: str | None = None
    request_id: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    cost_microusd: int | None = None
    latency_ms: int | None = None


@dataclass(frozen=True)
class NewAnalysis:
    """An analysis to append. answer: the fields of AnalysisAnswer as JSON."""

    answer: dict[str, Any] = field(repr=False)
    run_kind: str
    analyzer: str
    model: str
    prompt_version: str
    prompt_hash: str | None = None
    provisional: bool = False
    provenance: Provenance = Provenance()


ADD_ANALYSIS = """
    WITH key AS (
        INSERT INTO analysis_key (message_id, run_id, tenant_id, analysis_id)
        VALUES (%(message)s, %(run)s, %(tenant)s, uuidv7())
        ON CONFLICT DO NOTHING
        RETURNING *
    )
    INSERT INTO message_analysis (
        id, tenant_id, message_id, run_id, run_kind, sentiment, score, summary, intent, topics, suggested_action,
        language, signals, analyzer, model, prompt_version, prompt_hash, provisional,
        model_asked, schema_version, minimizer_version, examples_version, escalated_from, request_id,
        input_tokens, output_tokens, cached_tokens, cost_microusd, latency_ms
    )
    SELECT analysis_id, tenant_id, message_id, run_id, %(run_kind)s, %(sentiment)s, %(score)s, %(summary)s, %(intent)s,
           %(topics)s::text[], %(suggested_action)s, %(language)s, %(signals)s, %(analyzer)s, %(model)s, %(prompt_version)s,
           %(prompt_hash)s, %(provisional)s, %(model_asked)s, %(schema_version)s, %(minimizer_version)s, %(examples_version)s,
           %(escalated_from)s, %(request_id)s, %(input_tokens)s, %(output_tokens)s, %(cached_tokens)s, %(cost_microusd)s,
           %(latency_ms)s
    FROM key
    RETURNING id::text
"""


def analysis_values(ref: RunRef, new: NewAnalysis) -> dict[str, object]:
    """Those of ADD_ANALYSIS."""
    answer = new.answer
    return {
        "message": ref.message_id,
        "run": ref.run_id,
        "tenant": ref.tenant_id,
        "run_kind": new.run_kind,
        "sentiment": answer["sentiment"],
        "score": answer["score"],
        "summary": answer["summary"],
        "intent": answer["intent"],
        "topics": list(answer["topics"]),
        "suggested_action": answer["suggested_action"],
        "language": answer["language"],
        "signals": Jsonb(answer["signals"]),
        "analyzer": new.analyzer,
        "model": new.model,
        "prompt_version": new.prompt_version,
        "prompt_hash": new.prompt_hash,
        "provisional": new.provisional,
        **vars(new.provenance),
    }


def add_analysis(conn: Connection, ref: RunRef, new: NewAnalysis) -> str | None:
    """Append one analysis, unique per message and run. Returns its id, or None when this run already has one."""
    row = conn.execute(ADD_ANALYSIS, analysis_values(ref, new)).fetchone()
    return row[0] if row else None


def count_unknown_topics(conn: Connection, tenant_id: int, names: Sequence[str]) -> None:
    """Remember which topics the model wanted and the tenant does not have: suggestions for its list."""
    if names:
        conn.execute(
            """
            INSERT INTO topic_suggestion AS t (tenant_id, name)
            SELECT %s, name FROM unnest(%s::text[]) AS name ORDER BY name
            ON CONFLICT (tenant_id, name) DO UPDATE SET seen = t.seen + 1, last_seen_at = now()
            """,
            (tenant_id, list(names)),
        )


@dataclass(frozen=True)
class StoredAnalysis:
    """One analysis as routing reads it."""

    id: str
    sentiment: str
    score: float
    intent: str
    topics: list[str]
    suggested_action: str
    language: str
    signals: dict[str, bool]


def analysis_of(answer: dict[str, Any], *, analysis_id: str) -> StoredAnalysis:
    """An answer's JSON, as it was just appended, as routing reads it."""
    return StoredAnalysis(
        id=analysis_id,
        sentiment=answer["sentiment"],
        score=answer["score"],
        intent=answer["intent"],
        topics=list(answer["topics"]),
        suggested_action=answer["suggested_action"],
        language=answer["language"],
        signals=answer["signals"],
    )


def find_newest_sentiment(conn: Connection, message_id: str) -> str | None:
    """The sentiment that counts for the message, a person's before the model's; None when it has no valid analysis."""
    row = conn.execute("SELECT sentiment FROM effective_label(%s::uuid)", (message_id,)).fetchone()
    return row[0] if row else None
