"""/admin/laboratory: messages with another prompt beside what is live: what would leave, what it would cost, what would change."""

from dataclasses import dataclass, replace
from typing import Any, get_args

from flask import abort, current_app, redirect, render_template, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from analysis.cost import PRICES
from config.industries import industry_names
from config.rules_versions import RULES_VERSIONS
from config.tenant import TenantConfig
from config.words import Surface
from console.api.problems import Problem
from console.laboratory_deeds import (
    CAP_USD,
    MAX_CAP_USD,
    Experiment,
    experiment_of,
    find_laboratory_trial,
    is_over_cap,
    keep_plan,
    plan_experiment,
    start_experiment,
)
from console.pages.admin.gate import may_change, new_blueprint, read_id
from console.pages.notices import give_notice
from console.pages.wrong_fields import mark_wrong
from console.visitors import database, visitor
from store.correction_samples import CorrectedSample, list_corrected_samples
from store.db import Connection
from store.examples import list_snapshots
from store.message_places import note_reading
from store.tenants import get_tenant_config
from store.trial_records import TrialRecord, list_trials
from worker.laboratory_plan import LabPlan
from worker.laboratory_room import MAX_MESSAGES, LabSetup
from worker.trials import TrialError

blueprint = new_blueprint("laboratory", path="/laboratory")
SAMPLES, SHOWN_TRIALS = 12, 10
SURFACES: tuple[Surface, ...] = get_args(Surface)
THRESHOLDS = ("escalate", "unsure")


@dataclass(frozen=True)
class _Wrong:
    """A field that cannot be tried. problem: what to do, in English."""

    field: str
    problem: str


class _FormError(Exception):
    def __init__(self, field: str, problem: str) -> None:
        super().__init__(field)
        self.wrong = _Wrong(field, problem)


@blueprint.get("")
def show() -> str:
    """?message= puts a stored message in, ?from= an earlier trial, ?language= and ?surface= choose samples."""
    who = visitor()
    with database().tenant_transaction(who.tenant_id) as conn:
        tenant = get_tenant_config(conn, who.tenant_id)
        given = _live_form(tenant)
        earlier = read_id(request.args.get("from"))
        if earlier:
            try:
                given = _form_of(find_laboratory_trial(conn, who.tenant_id, earlier), tenant)
            except Problem:
                give_notice("trial_gone")
        given.setlist("message", [*given.getlist("message"), *filter(read_id, request.args.getlist("message"))])
        return _form_page(conn, tenant, given)


def _form_page(conn: Connection, tenant: TenantConfig, given: MultiDict[str, str], wrong: _Wrong | None = None) -> str:
    who = visitor()
    language, surface = request.args.get("language") or None, request.args.get("surface")
    surface = surface if surface in SURFACES else None
    samples = list_corrected_samples(conn, who.tenant_id, limit=SAMPLES, language=language, surface=surface)
    return render_template(
        "admin/laboratory.html",
        given=given,
        wrong=wrong,
        invalid=mark_wrong(wrong.field if wrong else None),
        samples=samples,
        others=_others(given, samples),
        languages_of_samples=sorted({one.language for one in samples} | ({language} if language else set())),
        chosen_language=language,
        chosen_surface=surface,
        surfaces=SURFACES,
        industries=sorted(industry_names()),
        models=_models(tenant),
        live_model=tenant.model.default or current_app.extensions["model"],
        versions=[one.version for one in list_snapshots(conn, who.tenant_id) if one.published_at],
        rules_versions=RULES_VERSIONS,
        trials=list_trials(conn, who.tenant_id, kinds=("laboratory",), limit=SHOWN_TRIALS),
        most=MAX_MESSAGES,
        max_cap_usd=MAX_CAP_USD,
        may_change=may_change(),
    )


def _others(given: MultiDict[str, str], samples: list[CorrectedSample]) -> list[str]:
    """Chosen messages that are no samples of this page."""
    shown = {one.message_id for one in samples}
    return [one for one in dict.fromkeys(given.getlist("message")) if one not in shown]


def _models(tenant: TenantConfig) -> list[str]:
    known = [tenant.model.default, current_app.extensions["model"], *PRICES]
    return list(dict.fromkeys(one for one in known if one))


def _live_form(tenant: TenantConfig) -> MultiDict[str, str]:
    """The form with what is live in it: whatever is left as it is, is not tried."""
    return MultiDict(
        {
            "words": "",
            "on": "dm",
            "topics": _told_topics(tenant.topics),
            "industry": tenant.industry,
            "tone": tenant.tone,
            "examples": "",
            "model": "",
            "rules": "",
            **{name: f"{getattr(tenant.thresholds, name):g}" for name in THRESHOLDS},
            "cap_usd": f"{CAP_USD:g}",
        }
    )


def _typed(tenant: TenantConfig) -> MultiDict[str, str]:
    """What was sent, with what is live in the gaps."""
    form = _live_form(tenant)
    for name, values in request.form.lists():
        form.setlist(name, values)
    return form


def _told_topics(topics: Any) -> str:
    return "\n".join(f"{name} = {about}" for name, about in sorted(topics.items()))


def _form_of(trial: TrialRecord, tenant: TenantConfig) -> MultiDict[str, str]:
    """The form as it was when the trial was planned. Pasted words are stripped by now."""
    form, wanted = _live_form(tenant), experiment_of(trial)
    tried = wanted.setup
    form["words"], form["on"], form["cap_usd"] = "\n".join(wanted.texts), wanted.surface, f"{wanted.cap_usd:g}"
    if tried.topics is not None:
        form["topics"] = _told_topics(tried.topics)
    for name in ("industry", "tone", "examples", "model", "rules"):
        if (value := getattr(tried, name)) is not None:
            form[name] = value
    for name, value in tried.thresholds.items():
        form[name] = f"{value:g}"
    form.setlist("message", list(wanted.message_ids))
    return form


@blueprint.post("")
def plan() -> str | tuple[str, int] | Response:
    """Strip the words and say what would leave and what it would cost; nothing is asked before somebody agrees."""
    who = visitor()
    with database().tenant_transaction(who.tenant_id) as conn:
        tenant = get_tenant_config(conn, who.tenant_id)
        try:
            wanted = _read(request.form, tenant)
            planned = plan_experiment(conn, who.tenant_id, wanted, tenant=tenant, model=current_app.extensions["model"])
        except _FormError as error:
            return _form_page(conn, tenant, _typed(tenant), error.wrong), 422
        except TrialError as error:
            field = str(error).partition(":")[0].partition(".")[0]
            return _form_page(conn, tenant, _typed(tenant), _Wrong(field, str(error))), 422
        trial_id = keep_plan(conn, who.tenant_id, wanted, planned, by=who.actor)
    return redirect(url_for("admin_laboratory.show_one", trial_id=trial_id))


def _read(form: MultiDict[str, str], tenant: TenantConfig) -> Experiment:
    """What the form asks for; a field that says what is live is not tried. Raises: _FormError."""
    texts = [line for line in form.get("words", "").splitlines() if line.strip()]
    ids = form.getlist("message")
    if not all(read_id(one) for one in ids):
        raise _FormError("message", "one of the chosen messages has no id that could be read: choose them again")
    topics = _read_topics(form.get("topics", ""))
    thresholds = {name: _read_number(form, name, most=1.0) for name in THRESHOLDS}
    same = {name: f"{getattr(tenant.thresholds, name):g}" for name in THRESHOLDS}
    on = form.get("on", "")
    surface = SURFACES[SURFACES.index(on)] if on in SURFACES else "dm"
    setup = LabSetup(
        topics=None if topics == dict(tenant.topics) else topics,
        industry=_changed(form, "industry", tenant.industry),
        tone=_changed(form, "tone", tenant.tone, may_be_empty=True),
        examples=form.get("examples") or None,
        model=form.get("model") or None,
        rules=form.get("rules") or None,
        thresholds={
            name: value
            for name, value in thresholds.items()
            if value is not None and form.get(name, "").strip() != same[name]
        },
    )
    cap_usd = _read_number(form, "cap_usd", most=MAX_CAP_USD)
    return Experiment(setup, texts, ids, surface, CAP_USD if cap_usd is None else cap_usd)


def _changed(form: MultiDict[str, str], name: str, live: str, *, may_be_empty: bool = False) -> str | None:
    value = form.get(name, "").strip()
    return None if value == live or not (value or may_be_empty) else value


def _read_topics(text: str) -> dict[str, str]:
    topics: dict[str, str] = {}
    for line in text.splitlines():
        if not line.strip():
            continue
        name, sign, about = (part.strip() for part in line.partition("="))
        if not (name and sign and about):
            raise _FormError("topics", f"write each topic as name = one-line definition: “{line.strip()[:60]}”")
        if name in topics:
            raise _FormError("topics", f"“{name[:60]}” stands there twice: keep one")
        topics[name] = about
    return topics


def _read_number(form: MultiDict[str, str], name: str, *, most: float) -> float | None:
    """Also with the comma of a German or Turkish keyboard; None where nothing is given. Raises: _FormError."""
    given = form.get(name, "").strip().replace(",", ".")
    if not given:
        return None
    try:
        number = float(given)
    except ValueError:
        number = -1.0
    if not 0 <= number <= most:
        raise _FormError(name, f"give a number from 0 to {most:g}")
    return number


@blueprint.get("/<uuid:trial_id>")
def show_one(trial_id: object) -> str:
    """What would leave while it is planned; how it goes; both sides when it is done."""
    who = visitor()
    with database().tenant_transaction(who.tenant_id) as conn:
        trial = _get(conn, trial_id)
        tenant = get_tenant_config(conn, who.tenant_id)
        planned, problem = _plan_again(conn, trial, tenant) if trial.state == "planned" else (None, None)
        places = note_reading(conn, who.tenant_id, trial.message_ids, actor=who.actor)
    return render_template(
        "admin/laboratory_trial.html",
        trial=trial,
        plan=planned,
        problem=problem,
        is_over_cap=is_over_cap(trial),
        tried=experiment_of(trial).setup,
        cap_usd=trial.setup["cap_usd"],
        places=places,
        rows=(trial.result or {}).get("rows", []),
        may_change=may_change(),
    )


def _get(conn: Connection, trial_id: object) -> TrialRecord:
    try:
        return find_laboratory_trial(conn, visitor().tenant_id, str(trial_id))
    except Problem:
        abort(404)


def _plan_again(conn: Connection, trial: TrialRecord, tenant: TenantConfig) -> tuple[LabPlan | None, str | None]:
    """What would leave if it were started now: the texts themselves are not kept."""
    wanted = experiment_of(trial)
    try:
        planned = plan_experiment(
            conn, visitor().tenant_id, wanted, tenant=tenant, model=current_app.extensions["model"]
        )
    except TrialError as error:
        return None, str(error)
    return replace(planned, cost_microusd=trial.estimated_microusd), None


@blueprint.post("/<uuid:trial_id>")
def start(trial_id: object) -> Response:
    """Ask the model; a form that is sent twice asks once."""
    who = visitor()
    with database().tenant_transaction(who.tenant_id) as conn:
        _get(conn, trial_id)
        try:
            start_experiment(conn, who.tenant_id, str(trial_id), by=who.actor)
        except Problem as problem:
            give_notice("refused", code=problem.code)
    return redirect(url_for("admin_laboratory.show_one", trial_id=trial_id))
