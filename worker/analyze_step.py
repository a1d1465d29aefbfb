"""The stage that leaves the database: lease the run, ask the analyzer about the stripped text, store its validated answer."""

import time
from dataclasses import dataclass
from typing import Any

from analysis.base import (
    CUT_OFF,
    Analysis,
    AnalysisError,
    AnalysisRequest,
    Analyzer,
    ContextTurn,
    MinimizedText,
    PreparedCall,
)
from analysis.minimize import minimize as strip_personal_data
from config.industries import load_industry
from config.tenant import TenantConfig
from store.analyses import add_egress, settle_egress
from store.customers import list_known_names
from store.db import Connection
from store.messages import StoredMessage, get_message, list_burst_parts, list_earlier_turns, share_context
from store.runs import MAX_CRASHES, RunRef, advance, bury, lock_run, postpone, release_lease, store_answer, take_lease
from worker.deps import Deps
from worker.errors import StepError
from worker.stage import Next, after

NO_ANALYZER_RETRY_S = 300.0
# Of a longer burst the newest words count.
MAX_BURST_CHARS = 8192


@dataclass(frozen=True)
class _PreparedAnalysis:
    call: PreparedCall
    egress_id: str
    lease_token: str
    topics: dict[str, str]


def _context(conn: Connection, message: StoredMessage, tenant: TenantConfig) -> dict[str, ContextTurn]:
    """The last turns before the message, stripped, by message id: only what happened up to the message it is about."""
    assert message.conversation_id is not None and message.customer_id is not None
    names: tuple[str, ...] | None = None
    turns = list_earlier_turns(
        conn,
        conversation_id=message.conversation_id,
        sent_at=message.sent_at,
        message_id=message.id,
        limit=tenant.context_turns,
    )
    context: dict[str, ContextTurn] = {}
    for turn in turns:
        speaker = "customer" if turn.direction == "inbound" else "agent"
        if turn.minimized_text is not None:
            context[turn.message_id] = ContextTurn(speaker, MinimizedText(turn.minimized_text))
            continue
        names = list_known_names(conn, message.customer_id) if names is None else names
        stripped = strip_personal_data(turn.text or "", region=tenant.default_region, known_names=names)
        context[turn.message_id] = ContextTurn(speaker, stripped.text)
    return context


def _burst_text(conn: Connection, message: StoredMessage) -> MinimizedText:
    """The stripped words of the message, after those of its burst that are analyzed with it."""
    assert message.minimized_text is not None
    parts = [part.minimized_text for part in list_burst_parts(conn, message.id) if part.minimized_text]
    return MinimizedText("\n".join([*parts, message.minimized_text])[-MAX_BURST_CHARS:])


def _claim_analysis(deps: Deps, ref: RunRef, analyzer: Analyzer) -> _PreparedAnalysis | Next:
    tenant = deps.tenants.get(ref.tenant_id)
    industry = load_industry(tenant.industry)
    topics = {**industry.all_topics(), **tenant.topics}
    with deps.database.tenant_transaction(ref.tenant_id) as conn:
        share_context(conn, ref.message_id)
        run = lock_run(conn, ref)
        verdict = after(run, expected="minimized")
        if verdict:
            return verdict
        assert run is not None
        if run.leased or run.gathers:
            return Next.STOP
        if run.crashes >= MAX_CRASHES:
            bury(conn, ref, error_code="poison")
            return Next.STOP
        message = get_message(conn, ref.message_id)
        assert message.minimized_text is not None
        context = _context(conn, message, tenant)
        request = AnalysisRequest(
            text=_burst_text(conn, message),
            context=tuple(context.values()),
            topics=topics,
            industry=industry.description,
            tone=tenant.tone or industry.tone,
        )
        call = analyzer.prepare(request, with_room=run.error_code == CUT_OFF)
        token = take_lease(conn, ref)
        return _PreparedAnalysis(call, add_egress(conn, ref, call, context_ids=list(context)), token, topics)


def _answer_record(analysis: Analysis, call: PreparedCall) -> dict[str, Any]:
    """What `analyze` leaves for `persist`."""
    return {
        "answer": analysis.answer.model_dump(mode="json"),
        "analyzer": analysis.analyzer,
        "model": analysis.model,
        "prompt_version": analysis.prompt_version,
        "prompt_hash": call.prompt_hash,
    }


def analyze(deps: Deps, ref: RunRef) -> Next:
    """Ask the analyzer about the stripped text; store its validated answer for `persist`. Raises: StepError to be tried again."""
    analyzer = deps.analyzer
    if analyzer is None:
        return _wait_for_analyzer(deps, ref)
    prepared = _claim_analysis(deps, ref, analyzer)
    if isinstance(prepared, Next):
        return prepared
    started = time.monotonic()
    failure: AnalysisError | None = None
    analysis: Analysis | None = None
    try:
        with deps.leases.keep(prepared.lease_token):
            analysis = analyzer.analyze(prepared.call, topics=tuple(prepared.topics))
    except AnalysisError as error:
        failure = error
    latency_ms = int((time.monotonic() - started) * 1000)
    if failure is not None:
        return _settle_failure(deps, ref, prepared, failure, latency_ms=latency_ms)
    assert analysis is not None
    with deps.database.tenant_transaction(ref.tenant_id) as conn:
        kept = store_answer(conn, ref, lease_token=prepared.lease_token, answer=_answer_record(analysis, prepared.call))
        settle_egress(
            conn,
            prepared.egress_id,
            outcome="answered" if kept else "answered_too_late",
            usage=analysis.usage,
            request_id=analysis.request_id,
            latency_ms=latency_ms,
        )
    return Next.GO_ON if kept else Next.STOP


def _wait_for_analyzer(deps: Deps, ref: RunRef) -> Next:
    with deps.database.tenant_transaction(ref.tenant_id) as conn:
        run = lock_run(conn, ref)
        verdict = after(run, expected="minimized")
        if verdict:
            return verdict
        postpone(conn, ref, seconds=NO_ANALYZER_RETRY_S, error_code="no_analyzer")
    return Next.STOP


def _settle_failure(
    deps: Deps, ref: RunRef, prepared: _PreparedAnalysis, failure: AnalysisError, *, latency_ms: int
) -> Next:
    """A refused message goes to people; anything else is tried again. Only our own failures count towards giving up."""
    # Celery's retry rings first; the reconciler's turn comes when that ring is lost.
    retry_in_s = failure.retry_after_s or 2.0
    with deps.database.tenant_transaction(ref.tenant_id) as conn:
        settle_egress(
            conn,
            prepared.egress_id,
            outcome=failure.code,
            usage=failure.usage,
            request_id=failure.request_id,
            latency_ms=latency_ms,
        )
        run = lock_run(conn, ref)
        if run is None or run.state != "minimized":
            return Next.STOP
        gave_up = not failure.provider_down and run.crashes >= MAX_CRASHES
        if failure.permanent or gave_up:
            advance(conn, ref, to="persisted", outcome="unanalyzed", error_code=failure.code)
            return Next.GO_ON
        release_lease(
            conn,
            ref,
            lease_token=prepared.lease_token,
            retry_in_s=retry_in_s + 10,
            error_code=failure.code,
            own_fault=not failure.provider_down,
        )
    raise StepError(failure.code, permanent=False, retry_after_s=retry_in_s)
