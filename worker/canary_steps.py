"""The stages of a message of our own. Each does what it does for a customer's, in the same queue, lane and worker; what would stay is
rehearsed in `route` and taken back: message, customer, conversation, analysis, decision and actions are written once and undone.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from analysis.base import MinimizedText, PreparedCall
from analysis.lexicon import read
from analysis.minimize import minimize as strip_personal_data
from channels.canary import CANARY_TEXT, canary_message
from config.industries import load_industry
from config.tenant import TenantConfig
from store.analyses import NewAnalysis, add_analysis, add_egress, settle_egress
from store.canaries import Canary, drop_canary_run, end_canary, find_canary, note_stage, note_trouble
from store.customers import read_known_as
from store.db import Connection, rehearsal
from store.examples import PublishedExamples
from store.intake import add_messages
from store.messages import get_message
from store.runs import (
    MAX_CRASHES,
    LockedRun,
    RunRef,
    RunState,
    advance,
    holds_lease,
    lock_run,
    postpone,
    release_lease,
    take_lease,
)
from worker.analysis_request import request_for_words
from worker.analyze_step import spread
from worker.deps import Deps
from worker.errors import StepError
from worker.metrics import CANARY_SECONDS
from worker.model_call import PROVIDER_PAUSED, ask
from worker.retry_policy import reconciler_in_s
from worker.routing_step import decide_and_store
from worker.stage import Next, after
from worker.steps import ensure_conversation, strip

if TYPE_CHECKING:
    from channels.base import ChannelKind

NO_EXAMPLES = PublishedExamples()


def minimize(deps: Deps, ref: RunRef) -> Next:
    """Strip the words, which changes nothing about them."""
    return _pass_on(deps, ref, expected="received", to="minimized")


def persist(deps: Deps, ref: RunRef) -> Next:
    """Nothing stays of it: see `route`."""
    return _pass_on(deps, ref, expected="analyzed", to="persisted")


def _pass_on(deps: Deps, ref: RunRef, *, expected: RunState, to: RunState) -> Next:
    with deps.database.tenant_transaction(ref.tenant_id) as conn:
        verdict = after(lock_run(conn, ref), expected=expected)
        if verdict:
            return verdict
        if find_canary(conn, ref) is None:
            drop_canary_run(conn, ref, code="gone")
            return Next.STOP
        _advance(conn, ref, to=to)
    return Next.GO_ON


def _advance(conn: Connection, ref: RunRef, *, to: RunState, answer: dict[str, Any] | None = None) -> None:
    advance(conn, ref, to=to)
    note_stage(conn, ref, to, answer=answer)


def _words(tenant: TenantConfig) -> MinimizedText:
    return strip_personal_data(CANARY_TEXT, region=tenant.default_region).text


def _topics(tenant: TenantConfig) -> dict[str, str]:
    return {**load_industry(tenant.industry).all_topics(), **tenant.topics}


@dataclass(frozen=True)
class _Claimed:
    call: PreparedCall = field(repr=False)
    egress_id: str
    lease_token: str


def analyze(deps: Deps, ref: RunRef) -> Next:
    """Ask the model, when this canary does; else the keyword reading stands for it. The call is in the ledger, and in no tenant's budget.

    Raises: StepError to be tried again.
    """
    tenant = deps.tenants.get(ref.tenant_id)
    # Made before the transaction: the first time takes seconds.
    has_model = deps.analyzer is not None
    with deps.database.tenant_transaction(ref.tenant_id) as conn:
        run = lock_run(conn, ref)
        verdict = after(run, expected="minimized")
        if verdict:
            return verdict
        canary = find_canary(conn, ref)
        assert run is not None
        if run.leased:
            return Next.STOP
        if canary is None or run.crashes >= MAX_CRASHES:
            drop_canary_run(conn, ref, code="poison")
            return Next.STOP
        if not (canary.asks_model and has_model):
            answer = read(CANARY_TEXT, topics=tuple(_topics(tenant)))
            _advance(conn, ref, to="analyzed", answer=answer.model_dump(mode="json"))
            return Next.GO_ON
    return _ask_model(deps, ref, tenant=tenant)


def _ask_model(deps: Deps, ref: RunRef, *, tenant: TenantConfig) -> Next:
    analyzer = deps.analyzer
    assert analyzer is not None
    model = deps.provider_gate.choose(tenant.model.default or analyzer.model, instead=tenant.model.escalation)
    wait_s = deps.provider_gate.wait_s(model)
    with deps.database.tenant_transaction(ref.tenant_id) as conn:
        run = lock_run(conn, ref)
        if run is None or run.state != "minimized" or run.leased:
            deps.provider_gate.give_back(model)
            return Next.STOP
        if wait_s > 0:
            postpone(conn, ref, seconds=wait_s * spread(ref), error_code=PROVIDER_PAUSED)
            note_trouble(conn, ref.message_id, code=PROVIDER_PAUSED)
            return Next.STOP
        call = analyzer.prepare(request_for_words(_words(tenant), tenant, NO_EXAMPLES), model=model)
        token = take_lease(conn, ref)
        claimed = _Claimed(call, add_egress(conn, ref, call, context_ids=(), purpose="canary"), token)
    with deps.leases.keep(claimed.lease_token):
        answer = ask(deps, analyzer, call, topics=_topics(tenant))
    failure = answer.failure
    with deps.database.tenant_transaction(ref.tenant_id) as conn:
        lock_run(conn, ref)
        outcome = failure.code if failure else "answered"
        settle_egress(
            conn,
            claimed.egress_id,
            outcome=outcome,
            usage=answer.usage,
            request_id=answer.request_id,
            latency_ms=answer.latency_ms,
        )
        if not holds_lease(conn, ref, lease_token=claimed.lease_token):
            return Next.STOP
        if failure is None:
            assert answer.analysis is not None
            _advance(conn, ref, to="analyzed", answer=answer.analysis.answer.model_dump(mode="json"))
            return Next.GO_ON
        note_trouble(conn, ref.message_id, code=failure.code)
        if failure.permanent:
            drop_canary_run(conn, ref, code=failure.code)
            return Next.STOP
        retry_in_s = failure.retry_after_s or 2.0
        release_lease(
            conn,
            ref,
            lease_token=claimed.lease_token,
            retry_in_s=reconciler_in_s(retry_in_s),
            error_code=failure.code,
            own_fault=not failure.provider_down,
        )
    raise StepError(failure.code, permanent=False, retry_after_s=retry_in_s)


def route(deps: Deps, ref: RunRef, *, now: datetime) -> Next:
    """Rehearse what would stay of a customer's message, with the tenant's own rules, and take it back."""
    tenant, pepper = deps.tenants.get(ref.tenant_id), deps.dedupe_pepper
    with deps.database.tenant_transaction(ref.tenant_id) as conn:
        verdict = after(lock_run(conn, ref), expected="persisted")
        if verdict:
            return verdict
        canary = find_canary(conn, ref)
        if canary is None or canary.answer is None:
            drop_canary_run(conn, ref, code="gone")
            return Next.STOP
        with rehearsal(conn):
            _rehearse(conn, pepper, ref, canary, tenant=tenant, now=now)
        _advance(conn, ref, to="routed")
    return Next.GO_ON


def _rehearse(
    conn: Connection, pepper: bytes, ref: RunRef, canary: Canary, *, tenant: TenantConfig, now: datetime
) -> None:
    kind = cast("ChannelKind", canary.channel)
    inbound = canary_message(kind, canary.account_id, canary_id=ref.message_id, now=now)
    (started,) = add_messages(conn, ref.tenant_id, [inbound], pepper=pepper).runs
    as_ref = RunRef(started.tenant_id, started.message_id, started.run_id)
    message = get_message(conn, as_ref.message_id)
    customer_id, _ = ensure_conversation(conn, as_ref, message, pepper=pepper)
    strip(conn, as_ref.message_id, CANARY_TEXT, tenant=tenant, known_as=read_known_as(conn, customer_id))
    assert canary.answer is not None
    add_analysis(
        conn,
        as_ref,
        NewAnalysis(answer=canary.answer, run_kind="initial", analyzer="canary", model="", prompt_version="canary"),
    )
    advance(conn, as_ref, to="persisted", outcome="analyzed")
    run = lock_run(conn, as_ref)
    message = get_message(conn, as_ref.message_id)
    decide_and_store(conn, as_ref, run=cast("LockedRun", run), message=message, tenant=tenant, now=now)


def crm_sync(deps: Deps, ref: RunRef) -> Next:
    """The end: how long it took is kept."""
    with deps.database.tenant_transaction(ref.tenant_id) as conn:
        verdict = after(lock_run(conn, ref), expected="routed")
        if verdict:
            return verdict
        canary = find_canary(conn, ref)
        took_s = end_canary(conn, ref)
    CANARY_SECONDS.labels("yes" if canary and canary.asks_model else "no").observe(took_s)
    return Next.GO_ON


def give_up(deps: Deps, ref: RunRef, *, error_code: str) -> None:
    """It can't go on; the next one comes by itself. Raises: StoreError."""
    with deps.database.tenant_transaction(ref.tenant_id) as conn:
        drop_canary_run(conn, ref, code=error_code)
