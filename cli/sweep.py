"""`earshot sweep plan | run | status | pause | resume | cancel | report | approve`"""

import argparse
import json
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from cli.connect import find_installation
from cli.errors import CommandError
from cli.main import add_data_argument
from cli.output import print_rows
from store.audit_log import COMMAND_LINE, note_deed
from store.db import Connection, act_for_tenant
from store.sweeps import (
    SETTLED,
    Sweep,
    approve_sweep,
    cancel_sweep,
    count_errors,
    count_items,
    find_running,
    list_judged_customers,
    list_sweeps,
    lock_planning,
    pause_sweep,
    resume_sweep,
)
from store.tenants import find_tenant_id, get_tenant_config
from worker.sweep_flips import FlipReport, report_sweep
from worker.sweep_plan import MICROUSD, SweepOptions, SweepPlan, make_plan, start_sweep

MAX_DAYS = 3660
_HELP = {
    "plan": "how many messages a sweep would judge, what it would cost and take; writes nothing",
    "run": "plan, ask, and start; workers begin within seconds",
    "status": "the tenant's sweeps, newest first",
    "pause": "begin nothing new; what the provider has already is still read",
    "resume": "go on, with another budget or the same",
    "cancel": "end it for good; what was judged stays",
    "report": "what changed, and why: prompt, model, examples, topics, words or noise",
    "approve": "let the labels in the CRM follow, for tenants that want to be asked",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Subcommands."""
    actions = parser.add_subparsers(dest="action", required=True)
    for name, help_text in _HELP.items():
        action = actions.add_parser(name, help=help_text)
        action.add_argument("--tenant", required=True, metavar="SLUG")
        if name in {"plan", "run"}:
            action.add_argument("--days", type=_days, metavar="N", help="how far back (default: the tenant's, 90)")
            action.add_argument(
                "--customers", type=_whole, metavar="N", help="of how many (default: the tenant's, 500)"
            )
            action.add_argument("--no-batches", action="store_true", help="single calls at full price, sooner done")
        if name in {"plan", "run", "resume"}:
            action.add_argument("--budget-usd", type=_dollars, metavar="X", help="pause before it would spend more")
        if name == "run":
            action.add_argument("--yes", action="store_true", help="do not ask")
        if name in {"plan", "run", "status", "report"}:
            action.add_argument("--json", action="store_true", help="one JSON object a line")
        if name not in {"plan", "run", "status"}:
            action.add_argument("--sweep", metavar="PERIOD", help="which one, as status names it (default: the newest)")
        add_data_argument(action)


def _whole(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1_000_000:
        message = f"{text!r} is not a whole number from 1 to 1000000"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def _days(text: str) -> int:
    number = _whole(text)
    if number > MAX_DAYS:
        message = f"{text!r} is more than {MAX_DAYS} days"
        raise argparse.ArgumentTypeError(message)
    return number


def _dollars(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 100_000:  # and no NaN
        message = f"{text!r} is not an amount from 0 to 100000"
        raise argparse.ArgumentTypeError(message)
    return number


@contextmanager
def _tenant(options: argparse.Namespace) -> Generator[tuple[Connection, int]]:
    """A transaction that acts for the tenant. Raises: CommandError when there is none."""
    with find_installation(options.data).system_transaction() as conn:
        tenant_id = find_tenant_id(conn, options.tenant)
        if tenant_id is None:
            message = f"there is no tenant {options.tenant!r}; see earshot tenant list"
            raise CommandError(message)
        act_for_tenant(conn, tenant_id)
        yield conn, tenant_id


def run(options: argparse.Namespace) -> int:
    """One subcommand."""
    return {
        "plan": _plan,
        "run": _run,
        "status": _status,
        "pause": _pause,
        "resume": _resume,
        "cancel": _cancel,
        "report": _report,
        "approve": _approve,
    }[options.action](options)


def _make_plan(conn: Connection, tenant_id: int, options: argparse.Namespace) -> SweepPlan:
    tenant = get_tenant_config(conn, tenant_id)
    wanted = SweepOptions.of(
        tenant,
        days=options.days,
        customers=options.customers,
        budget_usd=options.budget_usd,
        batches=not options.no_batches,
    )
    return make_plan(conn, tenant_id, tenant, wanted, model=os.environ.get("ANTHROPIC_MODEL"))


def _plan(options: argparse.Namespace) -> int:
    with _tenant(options) as (conn, tenant_id):
        plan = _make_plan(conn, tenant_id, options)
    _print_plan(plan, as_json=options.json)
    return 0


def _run(options: argparse.Namespace) -> int:
    with _tenant(options) as (conn, tenant_id):
        plan = _make_plan(conn, tenant_id, options)
    if not options.yes:
        if not sys.stdin.isatty():
            message = "a sweep costs money: say --yes, or run this on a terminal to be asked"
            raise CommandError(message)
        _print_plan(plan, as_json=False)
        if input("start it? [y/N] ").strip().lower() not in {"y", "yes"}:
            print("not started")
            return 1
    with _tenant(options) as (conn, tenant_id):
        lock_planning(conn, tenant_id)
        running = find_running(conn, tenant_id)
        if running:
            message = f"the sweep {running} is running; let it finish, or pause or cancel it first"
            raise CommandError(message)
        plan = _make_plan(conn, tenant_id, options)
        if not plan.messages:
            message = f"there is nothing to judge in the last {plan.options.days} days"
            raise CommandError(message)
        period = f"manual-{datetime.now(UTC):%Y-%m-%dT%H%M%S.%f}"
        sweep_id = start_sweep(conn, tenant_id, plan, period=period)
        if sweep_id is not None:
            _note(conn, tenant_id, "sweep_started", sweep_id, messages=plan.messages)
    if options.json:
        print(json.dumps({"sweep": period, "id": sweep_id, **_plan_row(plan)}))
    else:
        _print_plan(plan, as_json=False)
        print(f"started: {period}; see earshot sweep status --tenant {options.tenant}")
    return 0


def _note(conn: Connection, tenant_id: int, deed: str, sweep_id: str, **details: object) -> None:
    note_deed(conn, tenant_id, by=None, deed=deed, subject=f"sweep:{sweep_id}", details={**details, **COMMAND_LINE})


def _plan_row(plan: SweepPlan) -> dict[str, Any]:
    options = plan.options
    return {
        "messages": plan.messages,
        "customers": plan.customers,
        "days": options.days,
        "model": plan.model,
        "batches": options.batches,
        "cost_usd": round(plan.cost_microusd / MICROUSD, 6) if plan.has_price else None,
        "seconds": plan.seconds,
        "budget_usd": round(options.budget_microusd / MICROUSD, 6),
        "approve_labels": options.approve_labels,
    }


def _print_plan(plan: SweepPlan, *, as_json: bool) -> None:
    row = _plan_row(plan)
    if as_json:
        print(json.dumps(row))
        return
    how = "in batches" if row["batches"] else "in single calls"
    cost = f"about ${row['cost_usd']:.4f}" if plan.has_price else "at a price that is not known here"
    print(f"{row['messages']} messages of {row['customers']} customers, the last {row['days']} days")
    print(f"{row['model']}, {how}: {cost}, about {_duration(plan.seconds)}; budget ${row['budget_usd']:.2f}")
    if plan.cost_microusd > plan.options.budget_microusd:
        print("it would pause when the budget is used up: choose fewer customers or days, or a larger --budget-usd")
    if plan.options.approve_labels:
        print("labels in the CRM wait for earshot sweep approve")


def _duration(seconds: float) -> str:
    """Like "1 h 5 min", "40 s"."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{round(seconds)} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _status(options: argparse.Namespace) -> int:
    with _tenant(options) as (conn, tenant_id):
        rows = [_status_row(conn, sweep) for sweep in list_sweeps(conn, tenant_id)]
    if not options.json:
        for row in rows:
            row["eta_s"] = _duration(row["eta_s"]) if row["eta_s"] is not None else None
            row["errors"] = ", ".join(f"{code} {count}" for code, count in row["errors"].items()) or None
            row["eta"] = row.pop("eta_s")
    print_rows(rows, as_json=options.json, empty="no sweeps yet: earshot sweep run")
    return 0


def _status_row(conn: Connection, sweep: Sweep) -> dict[str, Any]:
    items = count_items(conn, sweep.id)
    settled = sum(items.get(state, 0) for state in SETTLED)
    return {
        "sweep": sweep.period,
        "state": sweep.state,
        "reason": sweep.reason or sweep.error_code,
        "done": items.get("done", 0),
        "total": sweep.messages,
        "failed": items.get("failed", 0),
        "skipped": items.get("skipped", 0) + items.get("dropped", 0),
        "spent_usd": round(sweep.spent_microusd / MICROUSD, 6),
        "estimate_usd": round(sweep.estimated_microusd / MICROUSD, 6),
        "budget_usd": round(sweep.budget_microusd / MICROUSD, 6),
        "eta_s": sweep.left_s(settled, now=datetime.now(UTC)),
        "labels": "held" if sweep.waits_for_approval else "live",
        "errors": count_errors(conn, sweep.id),
        "started_at": sweep.created_at.isoformat(timespec="seconds"),
        "finished_at": sweep.finished_at.isoformat(timespec="seconds") if sweep.finished_at else None,
    }


def _pick(conn: Connection, tenant_id: int, options: argparse.Namespace) -> Sweep:
    """The sweep that is meant. Raises: CommandError."""
    known = list_sweeps(conn, tenant_id)
    wanted = [sweep for sweep in known if options.sweep in {None, sweep.period, sweep.id}]
    if not wanted:
        message = f"there is no sweep {options.sweep}; see earshot sweep status" if options.sweep else "no sweeps yet"
        raise CommandError(message)
    return wanted[0]


def _pause(options: argparse.Namespace) -> int:
    with _tenant(options) as (conn, tenant_id):
        sweep = _pick(conn, tenant_id, options)
        if not pause_sweep(conn, sweep.id, reason="by_hand"):
            message = f"{sweep.period} is {sweep.state}"
            raise CommandError(message)
        _note(conn, tenant_id, "sweep_paused", sweep.id)
    print(f"{sweep.period}: paused; what the provider has already is still read and paid")
    return 0


def _resume(options: argparse.Namespace) -> int:
    budget = None if options.budget_usd is None else round(options.budget_usd * MICROUSD)
    with _tenant(options) as (conn, tenant_id):
        sweep = _pick(conn, tenant_id, options)
        lock_planning(conn, tenant_id)
        running = find_running(conn, tenant_id)
        if running and running != sweep.period:
            message = f"the sweep {running} is running; let it finish, or pause or cancel it first"
            raise CommandError(message)
        if not resume_sweep(conn, sweep.id, budget_microusd=budget):
            message = f"{sweep.period} is {sweep.state}"
            raise CommandError(message)
        _note(conn, tenant_id, "sweep_resumed", sweep.id)
    print(f"{sweep.period}: goes on")
    return 0


def _cancel(options: argparse.Namespace) -> int:
    with _tenant(options) as (conn, tenant_id):
        sweep = _pick(conn, tenant_id, options)
        if not cancel_sweep(conn, sweep.id, reason="by_hand"):
            message = f"{sweep.period} is {sweep.state}"
            raise CommandError(message)
        _note(conn, tenant_id, "sweep_cancelled", sweep.id)
    print(f"{sweep.period}: cancelled")
    return 0


def _approve(options: argparse.Namespace) -> int:
    with _tenant(options) as (conn, tenant_id):
        sweep = _pick(conn, tenant_id, options)
        if not sweep.needs_approval:
            message = f"{sweep.period} needs no approval: its labels are live"
            raise CommandError(message)
        if sweep.approved_at:
            message = f"{sweep.period} was approved at {sweep.approved_at:%Y-%m-%d %H:%M} UTC"
            raise CommandError(message)
        if sweep.finished_at is None:
            message = f"{sweep.period} is {sweep.state}: approve it when it is done"
            raise CommandError(message)
        customers = len(list_judged_customers(conn, sweep.id))
        approve_sweep(conn, sweep.id)
        _note(conn, tenant_id, "sweep_approved", sweep.id)
    print(f"{sweep.period}: approved; the labels of {customers} customers are written anew")
    return 0


def _report(options: argparse.Namespace) -> int:
    with _tenant(options) as (conn, tenant_id):
        sweep = _pick(conn, tenant_id, options)
        report = report_sweep(conn, sweep.id)
    if options.json:
        print(json.dumps({"sweep": sweep.period, "state": sweep.state, **report.as_json()}))
        return 0
    _print_report(sweep, report)
    return 0


def _print_report(sweep: Sweep, report: FlipReport) -> None:
    print(
        f"{sweep.period}: {report.judged} judged again, {report.changed} changed, {report.first} judged for the first time"
    )
    for title, counts in (("sentiment", report.sentiments), ("intent", report.intents), ("cause", report.causes)):
        rows = [{title: name, "messages": count} for name, count in counts.items() if count]
        if rows:
            print()
            print_rows(rows, as_json=False, empty="")
    topics = [{"topic": name, **counts} for name, counts in report.topics.items()]
    messages = [
        {**one, "changed": ", ".join(one["changed"]), "causes": ", ".join(one["causes"])} for one in report.messages
    ]
    for rows in (topics, messages):
        if rows:
            print()
            print_rows(rows, as_json=False, empty="")
