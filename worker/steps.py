"""The five stages as plain functions: each takes ids, does one fenced piece of work, and says whether the chain goes on.

Database-only stages lock the run's row, look at its state and move it in the same transaction: a crash rolls back, a second
delivery finds the state gone by. `analyze` leaves the database in between, so it takes a lease.
"""

import time
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from analysis.base import Analysis, AnalysisError, AnalysisRequest, Analyzer, ContextTurn, MinimizedText, PreparedCall
from analysis.minimize import minimize as strip_personal_data
from config.industries import load_industry
from config.tenant import TenantConfig
from store.analyses import NewAnalysis, add_analysis, add_egress, settle_egress
from store.crm import mark_dirty
from store.customers import list_known_names, resolve_conversation, resolve_customer
from store.db import Connection
from store.messages import StoredMessage, get_message, list_earlier_turns, place_message, store_minimized
from store.runs import (
    MAX_CRASHES,
    LockedRun,
    RunRef,
    advance,
    bury,
    finish,
    lock_run,
    postpone,
    release_lease,
    store_answer,
    take_lease,
)
from store.tenants import has_crm
from worker.deps import Deps
from worker.errors import StepError
from worker.routing_step import decide_and_store

NO_ANALYZER_RETRY_S = 300.0


class Next(Enum):
    """What becomes of the rest of the chain."""

    GO_ON = "go_on"
    STOP = "stop"


def _after(run: LockedRun | None, *, expected: str, order: tuple[str, ...]) -> Next | None:
    """Whether a stage has anything to do: None when it has, else what the chain does.

    A run that is already past this stage lets the chain go on; one that is dead, gone or not there yet ends it.
    """
    if run is None or run.state == "dead":
        return Next.STOP
    if run.state == expected:
        return None
    return Next.GO_ON if order.index(run.state) > order.index(expected) else Next.STOP


_ORDER = ("received", "minimized", "analyzed", "persisted", "routed")


def ensure_place(conn: Connection, ref: RunRef, message: StoredMessage) -> tuple[str, str]:
    """(customer_id, conversation_id) of the message, found or made on first need."""
    if message.customer_id and message.conversation_id:
        return message.customer_id, message.conversation_id
    customer_id = resolve_customer(conn, ref.tenant_id, message.sender)
    conversation_id = resolve_conversation(
        conn,
        ref.tenant_id,
        customer_id=customer_id,
        channel=message.channel,
        account_id=message.account_id,
        sent_at=message.sent_at,
    )
    place_message(conn, message.id, customer_id=customer_id, conversation_id=conversation_id)
    return customer_id, conversation_id


def minimize(deps: Deps, ref: RunRef) -> Next:
    """Find the customer and conversation, strip personal data, keep the stripped text. Without text: on to routing."""
    tenant = deps.tenants.get(ref.tenant_id)
    with deps.database.tenant_transaction(ref.tenant_id) as conn:
        run = lock_run(conn, ref)
        verdict = _after(run, expected="received", order=_ORDER)
        if verdict:
            return verdict
        message = get_message(conn, ref.message_id)
        customer_id, _ = ensure_place(conn, ref, message)
        if not message.text or not message.text.strip():
            advance(conn, ref, to="persisted", outcome="no_text")
            return Next.GO_ON
        minimized = strip_personal_data(
            message.text, region=tenant.default_region, known_names=list_known_names(conn, customer_id)
        )
        store_minimized(conn, message.id, text=minimized.text, stripped=minimized.counts, version=minimized.version)
        advance(conn, ref, to="minimized")
    return Next.GO_ON


@dataclass(frozen=True)
class _PreparedAnalysis:
    call: PreparedCall
    egress_id: str
    lease_token: str
    topics: dict[str, str]


def _context(conn: Connection, message: StoredMessage, tenant: TenantConfig) -> tuple[ContextTurn, ...]:
    """The last turns before the message, stripped: only what happened up to the message it is about."""
    assert message.conversation_id is not None
    turns = list_earlier_turns(
        conn,
        conversation_id=message.conversation_id,
        sent_at=message.sent_at,
        message_id=message.id,
        limit=tenant.context_turns,
    )
    return tuple(
        ContextTurn(
            "customer" if turn.direction == "inbound" else "agent",
            MinimizedText(turn.minimized_text)
            if turn.minimized_text is not None
            else strip_personal_data(turn.text or "", region=tenant.default_region).text,
        )
        for turn in turns
    )


def _claim_analysis(deps: Deps, ref: RunRef, analyzer: Analyzer) -> _PreparedAnalysis | Next:
    tenant = deps.tenants.get(ref.tenant_id)
    industry = load_industry(tenant.industry)
    topics = {**industry.all_topics(), **tenant.topics}
    with deps.database.tenant_transaction(ref.tenant_id) as conn:
        run = lock_run(conn, ref)
        verdict = _after(run, expected="minimized", order=_ORDER)
        if verdict:
            return verdict
        assert run is not None
        if run.leased:
            return Next.STOP
        if run.crashes >= MAX_CRASHES:
            bury(conn, ref, error_code="poison")
            return Next.STOP
        message = get_message(conn, ref.message_id)
        assert message.minimized_text is not None
        request = AnalysisRequest(
            text=MinimizedText(message.minimized_text),
            context=_context(conn, message, tenant),
            topics=topics,
            industry=industry.description,
            tone=tenant.tone or industry.tone,
        )
        call = analyzer.prepare(request)
        token = take_lease(conn, ref)
        return _PreparedAnalysis(call, add_egress(conn, ref, call), token, topics)


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
        verdict = _after(run, expected="minimized", order=_ORDER)
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


def persist(deps: Deps, ref: RunRef) -> Next:
    """Append the stored answer to message_analysis, once per run."""
    with deps.database.tenant_transaction(ref.tenant_id) as conn:
        run = lock_run(conn, ref)
        verdict = _after(run, expected="analyzed", order=_ORDER)
        if verdict:
            return verdict
        assert run is not None and run.answer is not None
        stored = run.answer
        add_analysis(
            conn,
            ref,
            NewAnalysis(
                answer=stored["answer"],
                run_kind=run.kind,
                analyzer=stored["analyzer"],
                model=stored["model"],
                prompt_version=stored["prompt_version"],
                prompt_hash=stored["prompt_hash"],
            ),
        )
        advance(conn, ref, to="persisted")
    return Next.GO_ON


@dataclass(frozen=True)
class Routed:
    """What `route` leaves to do after its commit: actions to ring."""

    verdict: Next
    action_ids: tuple[str, ...] = ()


def route(deps: Deps, ref: RunRef, *, now: datetime) -> Routed:
    """Decide about the message under its conversation's lock; write decision, place and planned actions in one transaction."""
    tenant = deps.tenants.get(ref.tenant_id)
    with deps.database.tenant_transaction(ref.tenant_id) as conn:
        run = lock_run(conn, ref)
        verdict = _after(run, expected="persisted", order=_ORDER)
        if verdict:
            return Routed(verdict)
        assert run is not None
        message = get_message(conn, ref.message_id)
        action_ids = decide_and_store(conn, ref, run=run, message=message, tenant=tenant, now=now)
        advance(conn, ref, to="routed")
    return Routed(Next.GO_ON, tuple(action_ids))


def crm_sync(deps: Deps, ref: RunRef) -> Next:
    """Record what the CRM must say (delivered later, in batches) and close the run."""
    with deps.database.tenant_transaction(ref.tenant_id) as conn:
        run = lock_run(conn, ref)
        verdict = _after(run, expected="routed", order=_ORDER)
        if verdict:
            return verdict
        assert run is not None
        message = get_message(conn, ref.message_id)
        if run.outcome == "analyzed" and message.customer_id and has_crm(conn, ref.tenant_id):
            mark_dirty(conn, ref.tenant_id, message.customer_id)
        finish(conn, ref, kind=run.kind, outcome=run.outcome)
    return Next.GO_ON


def bury_run(deps: Deps, ref: RunRef, *, error_code: str) -> None:
    """Park a run that can't go on."""
    with deps.database.tenant_transaction(ref.tenant_id) as conn:
        if lock_run(conn, ref):
            bury(conn, ref, error_code=error_code)
