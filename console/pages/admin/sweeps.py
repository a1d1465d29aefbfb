"""/admin/sweeps: judge past messages again: what it would cost, how it goes, what it changed, and when it runs by itself."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import abort, current_app, redirect, render_template, request, url_for
from pydantic import ValidationError
from werkzeug.wrappers import Response

from config.field_problems import list_field_problems
from config.sweep import SweepConfig
from console import sweep_deeds
from console.api.problems import Problem
from console.flip_matrix import INTENTS, SENTIMENTS, matrix_of
from console.pages.admin.gate import may_change, new_blueprint, only_admins
from console.pages.notices import give_notice
from console.pages.wrong_fields import mark_wrong
from console.sweep_deeds import MAX_BUDGET_USD, MAX_CUSTOMERS, MAX_DAYS, Wanted, new_period, read_progress
from console.sweep_results import result_of
from console.visitors import database, visitor
from store.db import Connection, act_for_tenant
from store.sweeps import Sweep, find_running, list_sweeps
from store.tenant_settings import change_settings, get_settings
from worker.sweep_plan import MICROUSD

blueprint = new_blueprint("sweeps", path="/sweeps")
SHOWN = 24
_PERIOD = re.compile(r"manual-\d{4}-\d{2}-\d{2}T\d{6}\.\d{6}")
_MOST = {"days": MAX_DAYS, "customers": MAX_CUSTOMERS, "budget_usd": MAX_BUDGET_USD}


class _FormError(Exception):
    """A field of a form that is no number, or out of range."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


@blueprint.get("")
def show() -> str:
    """The tenant's sweeps, newest first, the form for a plan, and the schedule."""
    with database().tenant_transaction(visitor().tenant_id) as conn:
        return _page(conn)


@dataclass(frozen=True)
class _Wrong:
    """A field that cannot be so. form: "plan" or "schedule". given: what was typed. problem: in English, empty for a plain number."""

    form: str
    field: str
    given: Mapping[str, Any]
    problem: str = ""


def _page(conn: Connection, wrong: _Wrong | None = None) -> str:
    who = visitor()
    settings = get_settings(conn, who.tenant_id)
    own = settings.config.sweep.model_dump()
    typed = {**own, **(wrong.given if wrong else {})}
    return render_template(
        "admin/sweeps.html",
        sweeps=[read_progress(conn, one) for one in list_sweeps(conn, who.tenant_id)[:SHOWN]],
        own=own,
        planned=typed if wrong and wrong.form == "plan" else own,
        scheduled=typed if wrong and wrong.form == "schedule" else own,
        version=settings.version,
        wrong=wrong,
        invalid_plan=mark_wrong(wrong.field if wrong and wrong.form == "plan" else None),
        invalid_schedule=mark_wrong(wrong.field if wrong and wrong.form == "schedule" else None),
        most=_MOST,
        may_change=may_change(),
        may_schedule=who.place.role == "admin",
    )


def _read_number(given: Mapping[str, str], name: str, *, whole: bool) -> float | None:
    """None where nothing is given. Raises: _FormError."""
    text = given.get(name, "").strip().replace(",", ".")
    if not text:
        return None
    try:
        number: float = int(text) if whole else float(text)
    except ValueError:
        number = -1
    if not (1 if whole else 0) <= number <= _MOST[name]:
        raise _FormError(name)
    return number


def _read(given: Mapping[str, str]) -> Wanted:
    days, customers = (_read_number(given, name, whole=True) for name in ("days", "customers"))
    return Wanted(
        None if days is None else int(days),
        None if customers is None else int(customers),
        _read_number(given, "budget_usd", whole=False),
        batches=given.get("batches") != "no",
    )


@blueprint.get("/plan")
def plan() -> str | tuple[str, int]:
    """How many messages, what it would cost and take; writes nothing."""
    who = visitor()
    with database().tenant_transaction(who.tenant_id) as conn:
        try:
            wanted = _read(request.args)
        except _FormError as error:
            return _page(conn, _Wrong("plan", error.field, request.args.to_dict())), 422
        planned = sweep_deeds.plan(conn, who.tenant_id, wanted, model=current_app.extensions["model"])
        running = find_running(conn, who.tenant_id)
    return render_template(
        "admin/sweep_plan.html",
        plan=planned,
        cost_usd=planned.cost_microusd / MICROUSD if planned.has_price else None,
        budget_usd=planned.options.budget_microusd / MICROUSD,
        is_over_budget=planned.cost_microusd > planned.options.budget_microusd,
        running=running,
        # The name is given here, so that a form that is sent twice starts one sweep.
        period=new_period(),
        may_change=may_change(),
    )


@blueprint.post("")
def start() -> str | tuple[str, int] | Response:
    """Start what was planned; workers begin within seconds."""
    who, period = visitor(), request.form.get("period", "")
    if not _PERIOD.fullmatch(period):
        abort(400)
    try:
        with database().tenant_transaction(who.tenant_id) as conn:
            sweep = sweep_deeds.start(
                conn,
                who.tenant_id,
                _read(request.form),
                period=period,
                model=current_app.extensions["model"],
                by=who.actor,
            )
    except _FormError as error:
        with database().tenant_transaction(who.tenant_id) as conn:
            return _page(conn, _Wrong("plan", error.field, request.form.to_dict())), 422
    except Problem as problem:
        give_notice(problem.code)
        return redirect(url_for("admin_sweeps.show"))
    give_notice("sweep_started")
    return redirect(url_for("admin_sweeps.show_one", sweep_id=sweep.id))


def _get(conn: Connection, sweep_id: object) -> Sweep:
    try:
        return sweep_deeds.find_sweep(conn, visitor().tenant_id, str(sweep_id))
    except Problem:
        abort(404)


@blueprint.get("/<uuid:sweep_id>")
def show_one(sweep_id: object) -> str:
    """How it goes, and what it has changed so far and why."""
    with database().tenant_transaction(visitor().tenant_id) as conn:
        sweep = _get(conn, sweep_id)
        progress = read_progress(conn, sweep)
        result = result_of(conn, sweep.id, items=progress.items)
    return render_template(
        "admin/sweep.html",
        one=progress,
        report=result.report,
        sentiments=matrix_of(result.sentiments, order=SENTIMENTS),
        intents=matrix_of(result.intents, order=INTENTS, changed_only=True),
        may_change=may_change(),
    )


@blueprint.get("/<uuid:sweep_id>/progress")
def show_progress(sweep_id: object) -> str:
    """How it goes alone, for a page that is open."""
    with database().tenant_transaction(visitor().tenant_id) as conn:
        progress = read_progress(conn, _get(conn, sweep_id))
    return render_template("admin/sweep_progress.html", one=progress)


@blueprint.post("/<uuid:sweep_id>")
def change(sweep_id: object) -> Response:
    """Pause, resume, cancel or approve it. What is so already is left as it is, and said."""
    who, deed, key = visitor(), request.form.get("deed", ""), str(sweep_id)
    try:
        changes = {
            "pause": sweep_deeds.pause,
            "resume": sweep_deeds.resume_with(_read_number(request.form, "budget_usd", whole=False)),
            "cancel": sweep_deeds.cancel,
            "approve": sweep_deeds.approve,
        }
        if deed not in changes:
            abort(400)
        with database().tenant_transaction(who.tenant_id) as conn:
            sweep_deeds.carry_out(conn, who.tenant_id, key, deed, changes[deed], by=who.actor)
        give_notice("sweep", deed=deed)
    except _FormError:
        give_notice("no_such_budget")
    except Problem as problem:
        if problem.status == 404:
            abort(404)
        give_notice(problem.code)
    return redirect(url_for("admin_sweeps.show_one", sweep_id=key))


@blueprint.post("/schedule")
def schedule() -> str | tuple[str, int] | Response:
    """Whether one runs by itself each month, and with what. For admins, as all settings that cost money."""
    only_admins()
    who, form = visitor(), request.form
    given: dict[str, Any] = {name: form.get(name, "").strip().replace(",", ".") for name in _MOST}
    given |= {name: bool(form.get(name)) for name in ("enabled", "batches", "approve_labels")}
    version = form.get("version", "")
    if not (version.isascii() and version.isdigit() and len(version) < 10):
        abort(400)
    try:
        wanted = SweepConfig.model_validate(given)
    except ValidationError as error:
        (path, problem), *_ = list_field_problems(error)
        with database().tenant_transaction(who.tenant_id) as conn:
            return _page(conn, _Wrong("schedule", str(path[0]), given, problem)), 422
    with database().system_transaction() as conn:
        act_for_tenant(conn, who.tenant_id)
        config = get_settings(conn, who.tenant_id).config
        stored = change_settings(
            conn,
            who.tenant_id,
            changed=config.model_copy(update={"sweep": wanted}),
            seen_version=int(version),
            by=who.actor,
            changed_in="console",
        )
    give_notice("settings_changed_meanwhile" if stored is None else "schedule_saved")
    return redirect(url_for("admin_sweeps.show"))
