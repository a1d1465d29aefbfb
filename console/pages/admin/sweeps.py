"""/admin/sweeps: judge past messages again: what it would cost, how it goes, what it changed."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import abort, current_app, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from config.tenant import TenantConfig
from console.pages.admin.gate import may_change, new_blueprint
from console.pages.notices import give_notice
from console.visitors import Visitor, database, visitor
from store.audit_log import note_deed
from store.db import Connection
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
from worker.sweep_flips import report_flips
from worker.sweep_plan import MICROUSD, SweepOptions, SweepPlan, make_plan, start_sweep

blueprint = new_blueprint("sweeps", path="/sweeps")
MAX_DAYS, MAX_CUSTOMERS, MAX_BUDGET_USD = 3660, 1_000_000, 100_000
SHOWN = 24
# As the audit log names them.
_DEEDS = {"pause": "sweep_paused", "resume": "sweep_resumed", "cancel": "sweep_cancelled", "approve": "sweep_approved"}
_PERIOD = re.compile(r"manual-\d{4}-\d{2}-\d{2}T\d{6}\.\d{6}")


@dataclass(frozen=True)
class _Progress:
    """A sweep with what became of its messages."""

    sweep: Sweep
    items: dict[str, int]
    left_s: int | None

    @property
    def settled(self) -> int:
        """Messages to which nothing more happens."""
        return sum(self.items.get(state, 0) for state in SETTLED)


def _progress(conn: Connection, sweep: Sweep) -> _Progress:
    items = count_items(conn, sweep.id)
    settled = sum(items.get(state, 0) for state in SETTLED)
    return _Progress(sweep, items, sweep.left_s(settled, now=datetime.now(UTC)))


@blueprint.get("")
def show() -> str:
    """The tenant's sweeps, newest first, and the form for a plan."""
    who = visitor()
    with database().tenant_transaction(who.tenant_id) as conn:
        sweeps = [_progress(conn, one) for one in list_sweeps(conn, who.tenant_id)[:SHOWN]]
        own = get_tenant_config(conn, who.tenant_id).sweep
    return render_template("admin/sweeps.html", sweeps=sweeps, own=own, may_change=may_change())


def _read_options(given: Any, tenant: TenantConfig) -> SweepOptions | None:
    """What the form asks for; an empty field is the tenant's own setting. None when something is no number, or out of range."""
    try:
        days = int(given["days"]) if given.get("days") else None
        customers = int(given["customers"]) if given.get("customers") else None
        budget_usd = float(given["budget_usd"]) if given.get("budget_usd") else None
    except ValueError:
        return None
    fits = (
        (days is None or 1 <= days <= MAX_DAYS)
        and (customers is None or 1 <= customers <= MAX_CUSTOMERS)
        and (budget_usd is None or 0 <= budget_usd <= MAX_BUDGET_USD)
    )
    if not fits:
        return None
    return SweepOptions.of(
        tenant, days=days, customers=customers, budget_usd=budget_usd, batches=given.get("batches") != "no"
    )


def _plan(conn: Connection, given: Any) -> SweepPlan | None:
    tenant_id = visitor().tenant_id
    tenant = get_tenant_config(conn, tenant_id)
    options = _read_options(given, tenant)
    if options is None:
        return None
    return make_plan(conn, tenant_id, tenant, options, model=current_app.extensions["model"])


@blueprint.get("/plan")
def plan() -> str | Response:
    """How many messages, what it would cost and take; writes nothing."""
    who = visitor()
    with database().tenant_transaction(who.tenant_id) as conn:
        planned = _plan(conn, request.args)
        running = find_running(conn, who.tenant_id)
    if planned is None:
        give_notice("no_such_number")
        return redirect(url_for("admin_sweeps.show"))
    # The name is given here, so that a form that is sent twice starts one sweep.
    period = f"manual-{datetime.now(UTC):%Y-%m-%dT%H%M%S.%f}"
    return render_template(
        "admin/sweep_plan.html",
        plan=planned,
        cost_usd=planned.cost_microusd / MICROUSD if planned.has_price else None,
        budget_usd=planned.options.budget_microusd / MICROUSD,
        is_over_budget=planned.cost_microusd > planned.options.budget_microusd,
        running=running,
        period=period,
        may_change=may_change(),
    )


@blueprint.post("")
def start() -> Response:
    """Start what was planned; workers begin within seconds."""
    who, period = visitor(), request.form.get("period", "")
    if not _PERIOD.fullmatch(period):
        abort(400)
    with database().tenant_transaction(who.tenant_id) as conn:
        lock_planning(conn, who.tenant_id)
        give_notice(_start(conn, who, period))
    return redirect(url_for("admin_sweeps.show"))


def _start(conn: Connection, who: Visitor, period: str) -> str:
    """Start it, unless something speaks against it; the notice to give."""
    tenant_id = who.tenant_id
    if has_sweep(conn, tenant_id, period=period):
        return "sweep_started"
    if find_running(conn, tenant_id):
        return "sweep_runs"
    planned = _plan(conn, request.form)
    if planned is None:
        return "no_such_number"
    if not planned.chosen:
        return "sweep_empty"
    sweep_id = start_sweep(conn, tenant_id, planned, period=period)
    details = {"messages": len(planned.chosen), "budget_usd": planned.options.budget_microusd / MICROUSD}
    note_deed(conn, tenant_id, by=who.actor, deed="sweep_started", subject=f"sweep:{sweep_id}", details=details)
    return "sweep_started"


def _get(conn: Connection, sweep_id: object) -> Sweep:
    try:
        found = get_sweep(conn, str(sweep_id))
    except LookupError:
        abort(404)
    if found.tenant_id != visitor().tenant_id:
        abort(404)
    return found


@blueprint.get("/<uuid:sweep_id>")
def show_one(sweep_id: object) -> str:
    """How it goes, and what it has changed so far and why."""
    with database().tenant_transaction(visitor().tenant_id) as conn:
        sweep = _get(conn, sweep_id)
        progress = _progress(conn, sweep)
        errors = count_errors(conn, sweep.id)
        report = report_flips(conn, sweep.id)
    return render_template("admin/sweep.html", one=progress, errors=errors, report=report, may_change=may_change())


@blueprint.post("/<uuid:sweep_id>")
def change(sweep_id: object) -> Response:
    """Pause, resume, cancel or approve it. What is so already is left as it is, and said."""
    who, deed = visitor(), request.form.get("deed", "")
    with database().tenant_transaction(who.tenant_id) as conn:
        sweep = _get(conn, sweep_id)
        changes = {
            "pause": lambda: pause_sweep(conn, sweep.id, reason="by_hand"),
            "resume": lambda: _resume(conn, sweep),
            "cancel": lambda: cancel_sweep(conn, sweep.id, reason="by_hand"),
            "approve": lambda: approve_sweep(conn, sweep.id),
        }
        if deed not in changes:
            abort(400)
        done = changes[deed]()
        if done:
            note_deed(conn, who.tenant_id, by=who.actor, deed=_DEEDS[deed], subject=f"sweep:{sweep.id}")
        give_notice("sweep" if done else "sweep_unchanged", deed=deed)
    return redirect(url_for("admin_sweeps.show_one", sweep_id=sweep.id))


def _resume(conn: Connection, sweep: Sweep) -> bool:
    """Go on, with the budget of the form. False when another one runs, it is not paused, or the budget is no number."""
    given = request.form.get("budget_usd", "").strip()
    try:
        budget_usd = float(given) if given else None
    except ValueError:
        return False
    if budget_usd is not None and not 0 <= budget_usd <= MAX_BUDGET_USD:
        return False
    lock_planning(conn, sweep.tenant_id)
    if find_running(conn, sweep.tenant_id):
        return False
    return resume_sweep(conn, sweep.id, budget_microusd=None if budget_usd is None else round(budget_usd * MICROUSD))
