"""The stage that leaves the database: lease the run, ask the analyzer about the stripped text, store its validated answer."""

import time
from dataclasses import dataclass
from typing import Any

from analysis.base import (
    CUT_OFF,
    Analysis,
    AnalysisError,
    Analyzer,
    PreparedCall,
)
from store.analyses import add_egress, settle_egress
from store.messages import get_message, share_context
from store.runs import MAX_CRASHES, RunRef, advance, bury, lock_run, postpone, release_lease, store_answer, take_lease
from worker.analysis_request import build_request
from worker.deps import Deps
from worker.errors import StepError
from worker.stage import Next, after

NO_ANALYZER_RETRY_S = 300.0


@dataclass(frozen=True)
class _PreparedAnalysis:
    call: PreparedCall
    egress_id: str
    lease_token: str
    topics: dict[str, str]


def _claim_analysis(deps: Deps, ref: RunRef, analyzer: Analyzer) -> _PreparedAnalysis | Next:
    tenant = deps.tenants.get(ref.tenant_id)
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
        built = build_request(conn, message, tenant_id=ref.tenant_id, tenant=tenant)
        call = analyzer.prepare(built.request, with_room=run.error_code == CUT_OFF)
        token = take_lease(conn, ref)
        return _PreparedAnalysis(
            call, add_egress(conn, ref, call, context_ids=built.context_ids), token, built.request.topics
        )


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
