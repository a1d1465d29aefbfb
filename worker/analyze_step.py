"""The stage that leaves the database: lease the run, ask the analyzer about the stripped text, store its validated answer."""

import time
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

import structlog

from analysis.base import CUT_OFF, ODD_ANSWER, REFUSED, Analysis, AnalysisError, Analyzer, PreparedCall, Usage
from analysis.escalation import may_escalate, reason_to_escalate
from analysis.lexicon import floor_hits
from analysis.schema import SCHEMA_VERSION
from config.crash_points import crash_point
from config.tenant import TenantConfig
from store.analyses import Provenance, add_egress, settle_egress
from store.db import Connection, StoreError
from store.messages import StoredMessage, get_message, share_context
from store.runs import (
    MAX_CRASHES,
    HeldRun,
    RunRef,
    advance,
    bury,
    holds_lease,
    let_go,
    lock_run,
    postpone,
    release_lease,
    store_answer,
    take_lease,
    wake_waiting,
)
from store.spend import add_spend, alert_about_provider, get_spent
from store.suspects import may_begin
from worker.analysis_request import BuiltRequest, build_request
from worker.deps import Deps
from worker.errors import StepError
from worker.stage import Next, after

NO_ANALYZER_RETRY_S = 300.0
SUSPECT_RETRY_S = 3.0
# A restarting Postgres is back within seconds, and the answer is paid.
STORE_TRIES, STORE_AGAIN_S = 8, 1.0
BUDGET_RETRY_S = 300.0
# An answer of another form is asked for once more: models have off moments, but a message that makes two has more.
MAX_ODD_ANSWERS = 2
BUDGET_REACHED = "budget_reached"
PROVIDER_PAUSED = "provider_paused"

log = structlog.get_logger()


@dataclass(frozen=True)
class _Claimed:
    """A message that is ours to ask about, and the call to make."""

    call: PreparedCall
    egress_id: str
    lease_token: str
    built: BuiltRequest
    message: StoredMessage = field(repr=False)


@dataclass(frozen=True)
class Answer:
    """What a call came to: an analysis or a failure."""

    call: PreparedCall
    analysis: Analysis | None
    failure: AnalysisError | None
    latency_ms: int

    @property
    def usage(self) -> Usage | None:
        """What it cost, as far as that is known."""
        return self.analysis.usage if self.analysis else self.failure.usage if self.failure else None

    @property
    def request_id(self) -> str | None:
        """The provider's id of the call."""
        return self.analysis.request_id if self.analysis else self.failure.request_id if self.failure else None


class Behind(Protocol):
    """The stages behind this one, for a transaction of all of them."""

    def join(self, held: HeldRun) -> None:
        """Run them in the transaction at hand, which holds the run."""
        ...

    def confirm(self) -> None:
        """That transaction was committed."""
        ...

    def part(self) -> None:
        """It was not: they run one by one later."""
        ...


def analyze(deps: Deps, ref: RunRef, behind: Behind | None = None) -> Next:
    """Ask the analyzer about the stripped text; store its validated answer for `persist`. Raises: StepError to be tried again.

    A doubtful or refused answer is read again by the stronger model, within the tenant's share for that. behind: what may be done with the
    answer in the same transaction.
    """
    analyzer = deps.analyzer
    if analyzer is None:
        return _wait(deps, ref, seconds=NO_ANALYZER_RETRY_S, because="no_analyzer")
    tenant = deps.tenants.get(ref.tenant_id)
    model = deps.provider_gate.choose(tenant.model.default or analyzer.model, instead=_stronger(analyzer, tenant))
    # Before the gate: a turn or a probe is for a call that will be made. Where only one that somebody else had already would be wasted,
    # the claim is look enough.
    if tenant.budget.is_limited:
        verdict = _look(deps, ref, tenant=tenant)
        if verdict:
            return verdict
    wait_s = deps.provider_gate.wait_s(model, bulk=ref.is_flood)
    if wait_s > 0:
        return _wait(deps, ref, seconds=wait_s, because=PROVIDER_PAUSED)
    crash_point("analyze.before_claim")
    claimed = _claim(deps, ref, analyzer, tenant=tenant, model=model)
    if isinstance(claimed, Next):
        deps.provider_gate.give_back(model)
        return claimed
    with deps.leases.keep(claimed.lease_token):
        answer = ask(deps, analyzer, claimed.call, topics=claimed.built.request.topics)
        second = _read_again(deps, ref, claimed, answer, analyzer=analyzer, tenant=tenant)
        if second is not None and second.analysis is not None:
            return _store(deps, ref, claimed, second, behind=behind, escalated_from=claimed.call.model)
        if answer.analysis is None:
            return _settle_failure(deps, ref, claimed, answer, is_settled=second is not None)
        return _store(deps, ref, claimed, answer, behind=behind, is_settled=second is not None)


def _stronger(analyzer: Analyzer, tenant: TenantConfig) -> str | None:
    return tenant.model.escalation or analyzer.escalation_model


def _look(deps: Deps, ref: RunRef, *, tenant: TenantConfig) -> Next | None:
    """None when the message waits to be asked about and the tenant can pay for it."""
    with deps.database.stage_transaction(ref.tenant_id) as conn:
        run = lock_run(conn, ref)
        verdict = after(run, expected="minimized")
        if verdict:
            return verdict
        assert run is not None
        if run.leased or run.gathers:
            return Next.STOP
        if _budget_is_used_up(conn, ref.tenant_id, tenant):
            postpone(conn, ref, seconds=BUDGET_RETRY_S * spread(ref), error_code=BUDGET_REACHED)
            alert_about_provider(conn, ref.tenant_id, code=BUDGET_REACHED)
            return Next.STOP
    return None


def spread(ref: RunRef) -> float:
    """From 1 to 1.25, by the run's own id: a whole backlog must not come back in the same moment."""
    return 1 + int(ref.run_id[-4:], 16) / 0xFFFF / 4


def _wait(deps: Deps, ref: RunRef, *, seconds: float, because: str) -> Next:
    """Leave the message alone for a while, without a call and without counting a try. It has a provisional reading by then."""
    with deps.database.stage_transaction(ref.tenant_id) as conn:
        run = lock_run(conn, ref)
        verdict = after(run, expected="minimized")
        if verdict:
            return verdict
        assert run is not None
        if not run.leased:  # else somebody has asked before the provider went away
            postpone(conn, ref, seconds=seconds * spread(ref), error_code=because)
    return Next.STOP


def _claim(deps: Deps, ref: RunRef, analyzer: Analyzer, *, tenant: TenantConfig, model: str) -> _Claimed | Next:
    with deps.database.stage_transaction(ref.tenant_id) as conn:
        share_context(conn, ref.message_id)
        run = lock_run(conn, ref)
        verdict = after(run, expected="minimized")
        if verdict:
            return verdict
        assert run is not None
        if run.leased or run.gathers:  # somebody was faster
            return Next.STOP
        if run.crashes >= MAX_CRASHES:
            bury(conn, ref, error_code="poison")
            return Next.STOP
        if not may_begin(conn, ref, crashes=run.crashes):
            postpone(conn, ref, seconds=SUSPECT_RETRY_S * spread(ref), error_code="waits_after_crashes")
            return Next.STOP
        message = get_message(conn, ref.message_id)
        built = build_request(conn, message, tenant_id=ref.tenant_id, tenant=tenant, until_now=run.until_now)
        call = analyzer.prepare(built.request, with_room=run.error_code == CUT_OFF, model=model)
        token = take_lease(conn, ref)
        purpose = "live" if run.kind == "initial" else "again"
        egress_id = add_egress(conn, ref, call, context_ids=built.context_ids, purpose=purpose)
        crash_point("analyze.claim_before_commit")
        return _Claimed(call, egress_id, token, built, message)


def _budget_is_used_up(conn: Connection, tenant_id: int, tenant: TenantConfig) -> bool:
    budget = tenant.budget
    spent = get_spent(conn, tenant_id)
    limits = ((budget.daily_usd, spent.today_microusd), (budget.monthly_usd, spent.month_microusd))
    return any(limit is not None and used >= limit * 1e6 for limit, used in limits)


def ask(deps: Deps, analyzer: Analyzer, call: PreparedCall, *, topics: dict[str, str]) -> Answer:
    """Make the call, and tell the gate what it says about calls to come. Never raises for a failed one."""
    started = time.monotonic()
    analysis: Analysis | None = None
    failure: AnalysisError | None = None
    try:
        crash_point("analyze.before_call")
        analysis = analyzer.analyze(call, topics=tuple(topics))
        crash_point("analyze.after_call")
    except AnalysisError as error:
        failure = error
        is_back = deps.provider_gate.note_failure(call.model, error)
    else:
        is_back = deps.provider_gate.note_answer(call.model, requests_per_min=analysis.requests_per_min)
    if is_back:
        _wake_all(deps)
    return Answer(call, analysis, failure, int((time.monotonic() - started) * 1000))


def _wake_all(deps: Deps) -> None:
    """The provider is back: what waited for it is due now, urgent words first. The reconciler rings in portions."""
    try:
        with deps.database.system_transaction() as conn:
            woken = wake_waiting(conn, because=PROVIDER_PAUSED)
    except StoreError as error:  # they come by themselves, only later
        log.warning("not_woken", code=error.code)
    else:
        log.info("provider_is_back", runs=woken)


def _read_again(
    deps: Deps, ref: RunRef, claimed: _Claimed, first: Answer, *, analyzer: Analyzer, tenant: TenantConfig
) -> Answer | None:
    """The stronger model's answer to what the first one doubted or refused; None when nobody was asked.

    With it the first call is settled in the ledger, and the second written there before it leaves.
    """
    because = _doubt(first, claimed, tenant=tenant)
    model = _stronger(analyzer, tenant)
    if because is None or model is None or model == claimed.call.model:
        return None
    if not _has_share(deps, ref, tenant) or deps.provider_gate.wait_s(model) > 0:
        return None
    with deps.database.stage_transaction(ref.tenant_id) as conn:
        share_context(conn, ref.message_id)
        if not holds_lease(conn, ref, lease_token=claimed.lease_token):
            deps.provider_gate.give_back(model)
            return None
        call = analyzer.prepare(claimed.built.request, model=model)
        _settle_call(conn, ref, claimed.egress_id, first, outcome=f"read_again:{because}")
        add_spend(conn, ref.tenant_id, cost_microusd=0, calls=0, escalations=1)
        egress_id = add_egress(conn, ref, call, context_ids=claimed.built.context_ids, purpose="escalation")
    second = ask(deps, analyzer, call, topics=claimed.built.request.topics)
    with deps.database.stage_transaction(ref.tenant_id) as conn:
        _settle_call(conn, ref, egress_id, second, outcome=second.failure.code if second.failure else "answered")
    return second


def _has_share(deps: Deps, ref: RunRef, tenant: TenantConfig) -> bool:
    with deps.database.stage_transaction(ref.tenant_id) as conn:
        spent = get_spent(conn, ref.tenant_id)
    share = tenant.model.max_escalation_share
    return may_escalate(calls=spent.calls + 1, escalations=spent.escalations, max_share=share)


def _doubt(first: Answer, claimed: _Claimed, *, tenant: TenantConfig) -> str | None:
    if first.failure is not None:
        return REFUSED if first.failure.code == REFUSED else None
    assert first.analysis is not None
    hits = floor_hits(claimed.message.text or "", own=tenant.floor.groups())
    return reason_to_escalate(first.analysis.answer, below=tenant.model.escalate_below, floor_hits=hits)


def _settle_call(conn: Connection, ref: RunRef, egress_id: str, answer: Answer, *, outcome: str) -> None:
    settle_egress(
        conn,
        egress_id,
        outcome=outcome,
        usage=answer.usage,
        request_id=answer.request_id,
        latency_ms=answer.latency_ms,
    )
    add_spend(conn, ref.tenant_id, cost_microusd=answer.usage.cost_microusd if answer.usage else 0)


def _store(
    deps: Deps,
    ref: RunRef,
    claimed: _Claimed,
    answer: Answer,
    *,
    behind: Behind | None,
    escalated_from: str | None = None,
    is_settled: bool = False,
) -> Next:
    """is_settled: the call stands in the ledger with its outcome already."""
    record = _answer_record(claimed, answer, escalated_from=escalated_from)

    def store_once(*, is_again: bool, behind: Behind | None = None) -> bool:
        with deps.database.joint_transaction(ref.tenant_id) as conn:
            if behind is None:
                kept = store_answer(conn, ref, lease_token=claimed.lease_token, answer=record)
            else:
                kept = _go_on(conn, ref, behind, lease_token=claimed.lease_token, answer=record)
            # Last: all of a tenant's messages wait for each other where its spending is added up.
            # A try whose end nobody heard may have been kept and settled.
            if not is_settled and escalated_from is None and (kept or not is_again):
                outcome = "answered" if kept else "answered_too_late"
                _settle_call(conn, ref, claimed.egress_id, answer, outcome=outcome)
            crash_point("analyze.answer_before_commit")
        crash_point("analyze.after_commit")
        return kept

    if behind is None:
        return Next.GO_ON if _insist(store_once) else Next.STOP
    deps.tenants.get(ref.tenant_id)  # what routing needs is at hand then, and no second connection is
    try:
        kept = store_once(is_again=False, behind=behind)
    except Exception as error:  # noqa: BLE001 -- whatever is wrong with a later stage, the answer is paid and is kept
        log.info("answer_stored_alone", code=error.code if isinstance(error, StoreError) else type(error).__name__)
        behind.part()
        kept = _insist(store_once, is_again=True)
    else:
        behind.confirm()
    return Next.GO_ON if kept else Next.STOP


def _go_on(conn: Connection, ref: RunRef, behind: Behind, *, lease_token: str, answer: dict[str, Any]) -> bool:
    """Take the answered run as far as it comes in this transaction. False when the lease was lost."""
    run = lock_run(conn, ref)
    if run is None or run.state != "minimized" or run.lease_token != lease_token:
        return False
    held = HeldRun(replace(run, state="analyzed", outcome="analyzed", answer=answer))
    behind.join(held)
    let_go(conn, ref, held, lease_token=lease_token)
    return True


class _Storing(Protocol):
    def __call__(self, *, is_again: bool) -> bool: ...


def _insist(store_once: _Storing, *, is_again: bool = False) -> bool:
    """Store what was paid for, with several tries. Raises: StoreError after the last one, or when trying again is of no use."""
    for left in range(STORE_TRIES - 1, -1, -1):
        try:
            return store_once(is_again=is_again or left + 1 < STORE_TRIES)
        except StoreError as error:
            if error.permanent or not left:
                raise
            log.warning("answer_not_stored_yet", code=error.code)
            time.sleep(STORE_AGAIN_S)
    raise AssertionError


def _answer_record(claimed: _Claimed, answer: Answer, *, escalated_from: str | None) -> dict[str, Any]:
    """What `analyze` leaves for `persist`."""
    analysis = answer.analysis
    assert analysis is not None
    provenance = Provenance(
        model_asked=answer.call.model,
        schema_version=SCHEMA_VERSION,
        minimizer_version=claimed.message.minimizer_version,
        examples_version=claimed.built.request.examples_version,
        escalated_from=escalated_from,
        request_id=analysis.request_id,
        input_tokens=analysis.usage.input_tokens,
        output_tokens=analysis.usage.output_tokens,
        cached_tokens=analysis.usage.cached_tokens,
        cost_microusd=analysis.usage.cost_microusd,
        latency_ms=answer.latency_ms,
    )
    return {
        "answer": analysis.answer.model_dump(mode="json"),
        "analyzer": analysis.analyzer,
        "model": analysis.model,
        "prompt_version": analysis.prompt_version,
        "prompt_hash": answer.call.prompt_hash,
        "provenance": asdict(provenance),
        "unknown_topics": list(analysis.unknown_topics),
    }


def _settle_failure(deps: Deps, ref: RunRef, claimed: _Claimed, answer: Answer, *, is_settled: bool) -> Next:
    """A refused message goes to people; anything else is tried again. Only our own failures count towards giving up."""
    failure = answer.failure
    assert failure is not None
    # Celery's retry rings first; the reconciler's turn comes when that ring is lost.
    retry_in_s = failure.retry_after_s or 2.0
    with deps.database.stage_transaction(ref.tenant_id) as conn:
        run = lock_run(conn, ref)
        ours = run is not None and holds_lease(conn, ref, lease_token=claimed.lease_token)
        if not is_settled:
            _settle_call(conn, ref, claimed.egress_id, answer, outcome=failure.code)
        if failure.needs_person:
            alert_about_provider(conn, ref.tenant_id, code=failure.code)
        if run is None or run.state != "minimized" or not ours:  # other words, or somebody else's pass
            return Next.STOP
        tries = MAX_ODD_ANSWERS if failure.code.startswith(ODD_ANSWER) else MAX_CRASHES
        gave_up = not failure.provider_down and run.crashes >= tries
        if failure.permanent or gave_up:
            advance(conn, ref, to="persisted", outcome="unanalyzed", error_code=failure.code)
            return Next.GO_ON
        release_lease(
            conn,
            ref,
            lease_token=claimed.lease_token,
            retry_in_s=retry_in_s + 10,
            error_code=failure.code,
            own_fault=not failure.provider_down,
        )
        crash_point("analyze.failure_before_commit")
    raise StepError(failure.code, permanent=False, retry_after_s=retry_in_s)
