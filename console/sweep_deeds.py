"""What people do with sweeps, the same for pages and programs: plan, start, pause, go on, cancel, approve."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from config.tenant import TenantConfig
from console.api.problems import Problem
from console.remembered import Remembered
from store.audit_log import note_deed
from store.conversation_events import Actor
from store.db import Connection
from store.sweep_choice import MeasuredChoice
from store.sweeps import (
    SETTLED,
    Sweep,
    approve_sweep,
    cancel_sweep,
    count_errors,
    count_items,
    find_running,
    get_sweep,
    has_sweep,
    list_sweeps,
    lock_planning,
    pause_sweep,
    resume_sweep,
)
from store.tenants import get_tenant_config
from worker.sweep_plan import MICROUSD, SweepOptions, SweepPlan, make_plan, measure, start_sweep

_measured = Remembered[MeasuredChoice](kept=64, max_age_s=20)
MAX_DAYS, MAX_CUSTOMERS, MAX_BUDGET_USD = 3660, 1_000_000, 100_000


@dataclass(frozen=True)
class Wanted:
    """What somebody asks a sweep to be; None: the tenant's own setting."""

    days: int | None = None
    customers: int | None = None
    budget_usd: float | None = None
    batches: bool = True

    def options(self, tenant: TenantConfig) -> SweepOptions:
        """With the tenant's settings in the gaps."""
        return SweepOptions.of(
            tenant, days=self.days, customers=self.customers, budget_usd=self.budget_usd, batches=self.batches
        )


@dataclass(frozen=True)
class Progress:
    """A sweep with what became of its messages. items: how many stand in each state. errors: why some were not judged."""

    sweep: Sweep
    items: dict[str, int]
    errors: dict[str, int]
    left_s: int | None

    @property
    def settled(self) -> int:
        """Messages to which nothing more happens."""
        return sum(self.items.get(state, 0) for state in SETTLED)

    @property
    def remaining(self) -> int:
        """Messages that are still to be judged."""
        return max(self.sweep.messages - self.settled, 0)

    @property
    def done(self) -> int:
        """Messages that have their answer."""
        return self.items.get("done", 0)

    @property
    def failed(self) -> int:
        """Messages that could not be judged."""
        return self.items.get("failed", 0)

    @property
    def left_out(self) -> int:
        """Messages that were taken back, cancelled, or changed meanwhile."""
        return self.items.get("skipped", 0) + self.items.get("dropped", 0)


def read_progress(conn: Connection, sweep: Sweep) -> Progress:
    """How it goes now."""
    items = count_items(conn, sweep.id)
    settled = sum(items.get(state, 0) for state in SETTLED)
    return Progress(sweep, items, count_errors(conn, sweep.id), sweep.left_s(settled, now=datetime.now(UTC)))


def find_sweep(conn: Connection, tenant_id: int, sweep_id: str) -> Sweep:
    """Raises: Problem when the tenant has no such sweep."""
    try:
        found = get_sweep(conn, sweep_id)
    except LookupError:
        found = None
    if found is None or found.tenant_id != tenant_id:
        raise Problem(404, "not_found", fix="use the id of a sweep of this tenant; see GET /sweeps")
    return found


def plan(conn: Connection, tenant_id: int, wanted: Wanted, *, model: str) -> SweepPlan:
    """How many messages, what it would cost and take; writes nothing."""
    tenant = get_tenant_config(conn, tenant_id)
    return make_plan(conn, tenant_id, tenant, wanted.options(tenant), model=model, measure=_measure_once)


def _measure_once(conn: Connection, tenant_id: int, options: SweepOptions) -> MeasuredChoice:
    """Counting the messages of months is what takes time; another budget, or the start, a moment later needs no other count."""
    key = (conn.info.dbname, tenant_id, options.days, options.customers)
    known = _measured.get(key, lambda: measure(conn, tenant_id, options))
    # Where there was nothing, the first messages may be there now.
    return known if known.messages else measure(conn, tenant_id, options)


def new_period() -> str:
    """The name of a sweep that somebody asks for now."""
    return f"manual-{datetime.now(UTC):%Y-%m-%dT%H%M%S.%f}"


def start(conn: Connection, tenant_id: int, wanted: Wanted, *, period: str, model: str, by: Actor) -> Sweep:
    """Start what was planned; the same period twice is one sweep. Raises: Problem."""
    lock_planning(conn, tenant_id)
    if has_sweep(conn, tenant_id, period=period):
        return next(one for one in list_sweeps(conn, tenant_id) if one.period == period)
    _refuse_while_another_runs(conn, tenant_id)
    planned = plan(conn, tenant_id, wanted, model=model)
    if not planned.messages:
        raise Problem(409, "sweep_empty", fix="there is nothing to judge in this time: take more days")
    sweep_id = start_sweep(conn, tenant_id, planned, period=period)
    assert sweep_id is not None  # nobody else plans meanwhile
    details = {
        "messages": planned.messages,
        "days": planned.options.days,
        "budget_usd": planned.options.budget_microusd / MICROUSD,
    }
    note_deed(conn, tenant_id, by=by, deed="sweep_started", subject=f"sweep:{sweep_id}", details=details)
    return get_sweep(conn, sweep_id)


def _refuse_while_another_runs(conn: Connection, tenant_id: int) -> None:
    running = find_running(conn, tenant_id)
    if running:
        fix = "another sweep is running: let it finish, or pause or cancel it first"
        raise Problem(409, "sweep_runs", fix=fix, running=running)


def pause(conn: Connection, sweep: Sweep) -> bool:
    """What the provider has already is still read and paid."""
    return pause_sweep(conn, sweep.id, reason="by_hand")


def cancel(conn: Connection, sweep: Sweep) -> bool:
    """For good; what was judged stays."""
    return cancel_sweep(conn, sweep.id, reason="by_hand")


def approve(conn: Connection, sweep: Sweep) -> bool:
    """The labels in the CRM follow."""
    return approve_sweep(conn, sweep.id)


def resume_with(budget_usd: float | None) -> Callable[[Connection, Sweep], bool]:
    """Go on, with another budget or the same."""

    def resume(conn: Connection, sweep: Sweep) -> bool:
        lock_planning(conn, sweep.tenant_id)
        if sweep.state == "paused":
            _refuse_while_another_runs(conn, sweep.tenant_id)
        budget = None if budget_usd is None else round(budget_usd * MICROUSD)
        return resume_sweep(conn, sweep.id, budget_microusd=budget)

    return resume


# As the audit log names them.
_DEEDS = {"pause": "sweep_paused", "resume": "sweep_resumed", "cancel": "sweep_cancelled", "approve": "sweep_approved"}


def carry_out(
    conn: Connection,
    tenant_id: int,
    sweep_id: str,
    deed: str,
    change: Callable[[Connection, Sweep], bool],
    *,
    by: Actor,
) -> Sweep:
    """One of pause, resume, cancel, approve; returns the sweep as it stands then. Raises: Problem when it is done or cannot be."""
    sweep = find_sweep(conn, tenant_id, sweep_id)
    if not change(conn, sweep):
        now = get_sweep(conn, sweep.id)
        fix = f"the sweep is {now.state}: read how it stands"
        raise Problem(409, "sweep_unchanged", fix=fix, state=now.state)
    note_deed(conn, tenant_id, by=by, deed=_DEEDS[deed], subject=f"sweep:{sweep.id}")
    return get_sweep(conn, sweep.id)
