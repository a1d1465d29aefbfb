"""The stage that leaves the database: lease the run, ask the analyzer about the stripped text, store its validated answer."""

from analysis.base import CUT_OFF, ODD_ANSWER, REFUSED, Analyzer, PreparedCall
from analysis.escalation import may_escalate, reason_to_escalate
from analysis.lexicon import floor_hits
from config.crash_points import crash_point
from config.tenant import TenantConfig
from store.analyses import add_egress
from store.db import Connection
from store.messages import StoredMessage, share_context
from store.runs import (
    MAX_CRASHES,
    LockedRun,
    RunRef,
    advance,
    bury,
    holds_lease,
    lock_run,
    lock_run_and_message,
    postpone,
    release_lease,
    take_lease,
)
from store.spend import add_spend, alert_about_provider, get_spent
from store.suspects import may_begin
from worker.analysis_request import BuiltRequest, build_request
from worker.answer_storing import Behind, store
from worker.deps import Deps
from worker.errors import StepError
from worker.lanes import in_work
from worker.model_call import PROVIDER_PAUSED, Answer, ClaimedCall, ask, settle_call
from worker.retry_policy import reconciler_in_s
from worker.stage import Next, after

NO_ANALYZER_RETRY_S = 300.0
SUSPECT_RETRY_S = 3.0
BUDGET_RETRY_S = 300.0
# An answer of another form is asked for once more: models have off moments, but a message that makes two has more.
MAX_ODD_ANSWERS = 2
BUDGET_REACHED = "budget_reached"


def analyze(deps: Deps, ref: RunRef, behind: Behind | None = None, *, claimed: ClaimedCall | None = None) -> Next:
    """Ask the analyzer about the stripped text; store its validated answer for `persist`. Raises: StepError to be tried again.

    A doubtful or refused answer is read again by the stronger model, within the tenant's share for that. behind: what may be done with the
    answer in the same transaction. claimed: the call, where `minimize` has claimed it already.
    """
    analyzer = deps.analyzer
    if analyzer is None:
        return _wait(deps, ref, seconds=NO_ANALYZER_RETRY_S, because="no_analyzer")
    tenant = deps.tenants.get(ref.tenant_id)
    if claimed is None:
        found = _look_and_claim(deps, ref, analyzer, tenant=tenant)
        if isinstance(found, Next):
            return found
        claimed = found
    with deps.leases.keep(claimed.lease_token):
        with in_work.call(ref.tenant_id, is_flood=ref.is_flood):
            answer = ask(deps, analyzer, claimed.call, topics=claimed.built.request.topics)
        second = _read_again(deps, ref, claimed, answer, analyzer=analyzer, tenant=tenant)
        if second is not None and second.analysis is not None:
            return store(deps, ref, claimed, second, behind=behind, escalated_from=claimed.call.model)
        if answer.analysis is None:
            return _settle_failure(deps, ref, claimed, answer, is_settled=second is not None)
        return store(deps, ref, claimed, answer, behind=behind, is_settled=second is not None)


def choose_model(deps: Deps, analyzer: Analyzer, tenant: TenantConfig) -> str:
    """The one to ask first."""
    return deps.provider_gate.choose(tenant.model.default or analyzer.model, instead=_stronger(analyzer, tenant))


def _look_and_claim(deps: Deps, ref: RunRef, analyzer: Analyzer, *, tenant: TenantConfig) -> ClaimedCall | Next:
    model = choose_model(deps, analyzer, tenant)
    # Before the gate: a turn or a probe is for a call that will be made. Where only one that somebody else had already would be wasted,
    # the claim is look enough.
    if tenant.budget.is_limited:
        verdict = _look(deps, ref, tenant=tenant)
        if verdict:
            return verdict
    wait_s = deps.provider_gate.wait_s(model, bulk=ref.is_flood)
    if wait_s > 0:
        return _wait(deps, ref, seconds=wait_s, because=PROVIDER_PAUSED)
    claimed = _claim(deps, ref, analyzer, tenant=tenant, model=model)
    if isinstance(claimed, Next):
        deps.provider_gate.give_back(model)
    return claimed


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


def _claim(deps: Deps, ref: RunRef, analyzer: Analyzer, *, tenant: TenantConfig, model: str) -> ClaimedCall | Next:
    with deps.flood_hands.turn(is_flood=ref.is_flood), deps.database.stage_transaction(ref.tenant_id) as conn:
        share_context(conn, ref.message_id)
        locked = lock_run_and_message(conn, ref)
        verdict = after(locked[0] if locked else None, expected="minimized")
        if verdict:
            return verdict
        assert locked is not None
        run, message = locked
        if run.leased or run.gathers:  # somebody was faster
            return Next.STOP
        if run.crashes >= MAX_CRASHES:
            bury(conn, ref, error_code="poison")
            return Next.STOP
        if not may_begin(conn, ref, crashes=run.crashes):
            postpone(conn, ref, seconds=SUSPECT_RETRY_S * spread(ref), error_code="waits_after_crashes")
            return Next.STOP
        return claim_locked(conn, ref, analyzer, run=run, message=message, tenant=tenant, model=model)


def claim_locked(
    conn: Connection,
    ref: RunRef,
    analyzer: Analyzer,
    *,
    run: LockedRun,
    message: StoredMessage,
    tenant: TenantConfig,
    model: str,
) -> ClaimedCall:
    """Lease the run and write the call into the ledger before it leaves. Both rows are locked, and the context is shared."""
    built = build_request(conn, message, tenant_id=ref.tenant_id, tenant=tenant, until_now=run.until_now)
    call = prepare_call(analyzer, built, run=run, model=model)
    token = take_lease(conn, ref)
    egress_id = add_egress(conn, ref, call, context_ids=built.context_ids, purpose=purpose_of(run))
    return claimed_call(call, egress_id, token, built, message)


def prepare_call(analyzer: Analyzer, built: BuiltRequest, *, run: LockedRun, model: str) -> PreparedCall:
    """The call for a run that is about to be claimed."""
    crash_point("analyze.before_claim")
    return analyzer.prepare(built.request, with_room=run.error_code == CUT_OFF, model=model)


def purpose_of(run: LockedRun) -> str:
    """What the ledger says the call is for."""
    return "live" if run.kind == "initial" else "again"


def claimed_call(
    call: PreparedCall, egress_id: str, lease_token: str, built: BuiltRequest, message: StoredMessage
) -> ClaimedCall:
    """A call that is claimed once the transaction is committed."""
    crash_point("analyze.claim_before_commit")
    return ClaimedCall(call, egress_id, lease_token, built, message)


def _budget_is_used_up(conn: Connection, tenant_id: int, tenant: TenantConfig) -> bool:
    budget = tenant.budget
    spent = get_spent(conn, tenant_id)
    limits = ((budget.daily_usd, spent.today_microusd), (budget.monthly_usd, spent.month_microusd))
    return any(limit is not None and used >= limit * 1e6 for limit, used in limits)


def _read_again(
    deps: Deps, ref: RunRef, claimed: ClaimedCall, first: Answer, *, analyzer: Analyzer, tenant: TenantConfig
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
        settle_call(conn, ref, claimed.egress_id, first, outcome=f"read_again:{because}")
        add_spend(conn, ref.tenant_id, cost_microusd=0, calls=0, escalations=1)
        egress_id = add_egress(conn, ref, call, context_ids=claimed.built.context_ids, purpose="escalation")
    with in_work.call(ref.tenant_id, is_flood=ref.is_flood):
        second = ask(deps, analyzer, call, topics=claimed.built.request.topics)
    with deps.database.stage_transaction(ref.tenant_id) as conn:
        settle_call(conn, ref, egress_id, second, outcome=second.failure.code if second.failure else "answered")
    return second


def _has_share(deps: Deps, ref: RunRef, tenant: TenantConfig) -> bool:
    with deps.database.stage_transaction(ref.tenant_id) as conn:
        spent = get_spent(conn, ref.tenant_id)
    share = tenant.model.max_escalation_share
    return may_escalate(calls=spent.calls + 1, escalations=spent.escalations, max_share=share)


def _doubt(first: Answer, claimed: ClaimedCall, *, tenant: TenantConfig) -> str | None:
    if first.failure is not None:
        return REFUSED if first.failure.code == REFUSED else None
    assert first.analysis is not None
    hits = floor_hits(claimed.message.text or "", own=tenant.floor.groups())
    return reason_to_escalate(first.analysis.answer, below=tenant.model.escalate_below, floor_hits=hits)


def _settle_failure(deps: Deps, ref: RunRef, claimed: ClaimedCall, answer: Answer, *, is_settled: bool) -> Next:
    """A refused message goes to people; anything else is tried again. Only our own failures count towards giving up."""
    failure = answer.failure
    assert failure is not None
    # Celery's retry rings first; the reconciler's turn comes when that ring is lost.
    retry_in_s = failure.retry_after_s or 2.0
    with deps.database.stage_transaction(ref.tenant_id) as conn:
        run = lock_run(conn, ref)
        ours = run is not None and holds_lease(conn, ref, lease_token=claimed.lease_token)
        if not is_settled:
            settle_call(conn, ref, claimed.egress_id, answer, outcome=failure.code)
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
            retry_in_s=reconciler_in_s(retry_in_s),
            error_code=failure.code,
            own_fault=not failure.provider_down,
        )
        crash_point("analyze.failure_before_commit")
    raise StepError(failure.code, permanent=False, retry_after_s=retry_in_s)
