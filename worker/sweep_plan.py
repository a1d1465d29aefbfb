"""What a sweep would judge, cost and take, before it runs; and each month's own sweep."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from analysis.base import AnalysisRequest
from analysis.cost import BATCH_SHARE, PRICES
from analysis.prompt import build_system, build_user_turn
from config.tenant import TenantConfig
from store.db import Connection, StoreError
from store.examples import get_published_examples
from store.messages import get_message
from store.sweep_choice import (
    LedgerFigures,
    MeasuredChoice,
    choose_messages,
    find_newest_model,
    is_prompt_warm,
    measure_batches,
    measure_choice,
    read_ledger,
)
from store.sweeps import (
    NewSweep,
    add_sweep,
    find_running,
    has_sweep,
    list_tenants_without,
    lock_planning,
    supersede_paused,
)
from worker.analysis_request import build_request
from worker.deps import Deps
from worker.sweep_limits import CALLS_AT_ONCE, MAX_OPEN_BATCHES, REQUESTS_PER_BATCH

log = structlog.get_logger()

MICROUSD = 1_000_000
# So many requests are built to see how long they are: a person waits for the plan, and the mean of so many is within a few percent.
SAMPLE = 30
# Without a ledger: how a token relates to characters, how long an answer is, how long a call and a batch take.
CHARS_PER_TOKEN = 3.0
MIN_CACHED_TOKENS = 512
ANSWER_TOKENS = 100
CALL_S = 2.0
BATCH_S = 3600.0
# What our own work on one message takes: its request is built, its answer stored.
OWN_S_PER_MESSAGE = 0.01


@dataclass(frozen=True)
class SweepOptions:
    """What a sweep may do: the tenant's settings, or what somebody asked for instead."""

    days: int
    customers: int
    budget_microusd: int
    batches: bool
    approve_labels: bool

    @classmethod
    def of(
        cls,
        tenant: TenantConfig,
        *,
        days: int | None = None,
        customers: int | None = None,
        budget_usd: float | None = None,
        batches: bool = True,
    ) -> "SweepOptions":
        """The tenant's settings with some of them replaced. A tenant that forbids batches forbids them here too."""
        own = tenant.sweep
        return cls(
            days=own.days if days is None else days,
            customers=own.customers if customers is None else customers,
            budget_microusd=round((own.budget_usd if budget_usd is None else budget_usd) * MICROUSD),
            batches=own.batches and batches,
            approve_labels=own.approve_labels,
        )


@dataclass(frozen=True)
class SweepPlan:
    """A sweep before it runs. has_price: False when the model's price is not known."""

    options: SweepOptions
    model: str
    messages: int
    customers: int
    cost_microusd: int
    seconds: int
    has_price: bool


# Does what `measure` does; may remember what it counted a moment ago.
Measure = Callable[[Connection, int, SweepOptions], MeasuredChoice]


def measure(conn: Connection, tenant_id: int, options: SweepOptions) -> MeasuredChoice:
    """Count what a sweep with these options would judge."""
    return measure_choice(conn, tenant_id, days=options.days, max_customers=options.customers, sample=SAMPLE)


def make_plan(
    conn: Connection,
    tenant_id: int,
    tenant: TenantConfig,
    options: SweepOptions,
    *,
    model: str | None,
    measure: Measure = measure,
) -> SweepPlan:
    """Count the messages and estimate. Writes nothing. model: None for the one that answered last.

    The transaction must act for `tenant_id`.
    """
    choice = measure(conn, tenant_id, options)
    model = tenant.model.default or model or find_newest_model(conn, tenant_id) or "claude-haiku-5-5"
    if not choice.messages:
        return SweepPlan(options, model, 0, 0, 0, 0, has_price=model in PRICES)
    examples = get_published_examples(conn, tenant_id)
    requests = [
        build_request(
            conn, get_message(conn, message_id), tenant_id=tenant_id, tenant=tenant, examples=examples
        ).request
        for message_id in choice.sample
    ]
    ledger = read_ledger(conn, tenant_id, model=model)
    system = build_system(requests[0])
    warm = is_prompt_warm(
        conn, tenant_id, model=model, system_text=json.dumps(system, ensure_ascii=False, sort_keys=True)
    )
    tokens = _estimate_tokens(requests, prefix="".join(block["text"] for block in system), ledger=ledger)
    cost = _cost_microusd(tokens, model=model, messages=choice.messages, warm=warm, batches=options.batches)
    seconds = _seconds(choice.messages, options, ledger, batch_s=measure_batches(conn, tenant_id))
    return SweepPlan(options, model, choice.messages, choice.customers, round(cost), seconds, has_price=model in PRICES)


@dataclass(frozen=True)
class _Tokens:
    """What one call takes. hits: the part of the calls that find the prefix in the cache."""

    own: float
    prefix: float
    output: float
    hits: float


def _estimate_tokens(requests: list[AnalysisRequest], *, prefix: str, ledger: LedgerFigures) -> _Tokens:
    """Today's requests, measured in the tokens per character that the tenant's ledger shows."""
    turn_chars = sum(len(build_user_turn(request)) for request in requests) / len(requests)
    if not ledger.calls:
        tokens = len(prefix) / CHARS_PER_TOKEN
        cached = tokens if tokens >= MIN_CACHED_TOKENS else 0.0
        return _Tokens(turn_chars / CHARS_PER_TOKEN + tokens - cached, cached, ANSWER_TOKENS, 1.0)
    output, hits = ledger.output_tokens / ledger.calls, ledger.sweep_hits
    if ledger.prefix_text is None:  # nothing is cached: what the ledger counts as input has the prompt in it
        return _Tokens(ledger.input_tokens / ledger.calls, 0.0, output, 1.0)
    known_chars = sum(len(block["text"]) for block in json.loads(ledger.prefix_text))
    return _Tokens(
        own=turn_chars * ledger.input_tokens / max(ledger.turn_chars, 1),
        prefix=len(prefix) * ledger.prefix_tokens / max(known_chars, 1),
        output=output,
        hits=1.0 if hits is None else hits,
    )


def _cost_microusd(tokens: _Tokens, *, model: str, messages: int, warm: bool, batches: bool) -> float:
    price = PRICES.get(model)
    if price is None:
        return 0.0
    misses = max(messages * (1 - tokens.hits), 0.0 if warm else 1.0)
    cost = messages * (tokens.own * price.input + tokens.output * price.output)
    cost += tokens.prefix * (misses * price.cache_write + (messages - misses) * price.cache_read)
    return cost * (BATCH_SHARE if batches else 1.0)


def _seconds(messages: int, options: SweepOptions, ledger: LedgerFigures, *, batch_s: float | None) -> int:
    if options.batches:
        rounds = -(-messages // (REQUESTS_PER_BATCH * MAX_OPEN_BATCHES))
        waiting = rounds * (BATCH_S if batch_s is None else batch_s)
    else:
        waiting = messages * (ledger.latency_ms / 1000 if ledger.latency_ms else CALL_S) / CALLS_AT_ONCE
    return round(waiting + messages * OWN_S_PER_MESSAGE)


def start_sweep(conn: Connection, tenant_id: int, plan: SweepPlan, *, period: str) -> str | None:
    """Write the plan down; workers begin within seconds. Returns the sweep's id, None when the period has one."""
    options = plan.options
    return add_sweep(
        conn,
        tenant_id,
        NewSweep(
            period=period,
            days=options.days,
            max_customers=options.customers,
            budget_microusd=options.budget_microusd,
            uses_batches=options.batches,
            needs_approval=options.approve_labels,
            estimated_microusd=plan.cost_microusd,
            estimated_s=plan.seconds,
            chosen=choose_messages(conn, tenant_id, days=options.days, max_customers=options.customers),
        ),
    )


def plan_month(deps: Deps, *, now: datetime) -> list[str]:
    """Each tenant's sweep of this month, planned and started once, however often and by however many this is called.

    Returns the ids of those that were started. Raises: StoreError.
    """
    period = f"{now:%Y-%m}"
    month_start = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    started: list[str] = []
    with deps.database.system_transaction() as conn:
        tenants = list_tenants_without(conn, period=period, month_start=month_start)
    for tenant_id in tenants:
        try:
            sweep_id = _plan_month_of(deps, tenant_id, period=period)
        except StoreError as error:
            log.warning("sweep_not_planned", tenant_id=tenant_id, code=error.code)
            continue
        if sweep_id:
            log.info("sweep_started", tenant_id=tenant_id, sweep_id=sweep_id, period=period)
            started.append(sweep_id)
    return started


def _plan_month_of(deps: Deps, tenant_id: int, *, period: str) -> str | None:
    tenant = deps.tenants.get(tenant_id)
    if not tenant.sweep.enabled or deps.settings.anthropic_api_key is None:
        return None
    with deps.database.tenant_transaction(tenant_id) as conn:
        lock_planning(conn, tenant_id)
        # One that somebody started by hand is let finish; the next tick comes again.
        if has_sweep(conn, tenant_id, period=period) or find_running(conn, tenant_id):
            return None
        supersede_paused(conn, tenant_id)
        plan = make_plan(conn, tenant_id, tenant, SweepOptions.of(tenant), model=deps.settings.anthropic_model)
        return start_sweep(conn, tenant_id, plan, period=period)
