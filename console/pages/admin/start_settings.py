"""/admin/start: the steps that change settings, namely industry, topics and thresholds."""

from typing import Any
from zoneinfo import available_timezones

from babel import Locale
from flask import abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from analysis.minimize import minimize
from config.industries import industry_names, load_industry
from config.topics import MAX_DEFINITION_CHARS
from console.errand_desk import look_for_errand
from console.pages.admin.errands import asked_errand, send
from console.pages.admin.gate import new_blueprint, only_admins
from console.pages.admin.start import PAGES, after, progress
from console.pages.admin.writing import settings, tenant_writing, writer
from console.pages.notices import give_notice
from console.setting_trials import MAX_DECISIONS, TooBusyError, Tried, run_trial, tell_trial
from console.setup_deeds import TopicRow, change_setup, name_of_topic, patch_topics, topic_rows
from console.visitors import database, speech, visitor
from routing.playbooks import playbook_for
from routing.settings_check import SettingsError, patch_settings
from store.errands import Errand
from store.onboarding import Step
from store.tenant_settings import TenantSettings, get_settings

TRIED_DAYS = 30
blueprint = new_blueprint("start_settings", path="/start")
MAX_PASTED_CHARS = 4096
EMPTY_ROWS = 3
ZONES = [*sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith("Etc/")), "UTC"]


def _stands() -> TenantSettings:
    with database().tenant_transaction(visitor().tenant_id) as conn:
        return get_settings(conn, visitor().tenant_id)


def _seen_version() -> int | None:
    """What the form was made from; a form that does not say it is stale."""
    given = request.form.get("version", "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 10 else -1


def _page(template: str, **more: Any) -> str:
    return render_template(
        template, onboarding=progress(), pages=PAGES, may_change=visitor().place.role == "admin", **more
    )


def _save(patch: dict[str, Any], *, step: Step) -> bool:
    """False: somebody has changed the settings meanwhile. Raises: SettingsError."""
    only_admins()
    with tenant_writing() as conn:
        return change_setup(conn, writer(), patch, step=step, seen_version=_seen_version())


# Industry


@blueprint.get("/industry")
def industry() -> str:
    """The templates, and where the tenant is at home."""
    return _industry_page(_stands())


def _industry_page(stands: TenantSettings, *, values: dict[str, str] | None = None, problem: str | None = None) -> str:
    config = stands.config
    territories: Any = Locale.parse(speech().language).territories
    countries = sorted(
        (
            (code, name)
            for code, name in territories.items()
            if len(code) == 2 and code.isalpha() and code not in _NO_COUNTRY
        ),
        key=lambda item: item[1],
    )
    return _page(
        "admin/start_industry.html",
        industries=[(load_industry(name), len(playbook_for(name))) for name in industry_names()],
        countries=countries,
        zones=ZONES,
        version=stands.version,
        values=values
        or {"industry": config.industry, "default_region": config.default_region, "time_zone": config.hours.time_zone},
        problem=problem,
    )


# Codes that Babel names beside countries.
_NO_COUNTRY = frozenset({"EU", "EZ", "UN", "QO", "ZZ", "XA", "XB"})


@blueprint.post("/industry")
def choose_industry() -> str | tuple[str, int] | Response:
    """What the template brings counts for new messages at once."""
    form = {name: request.form.get(name, "") for name in ("industry", "default_region", "time_zone")}
    patch: dict[str, Any] = {
        "industry": form["industry"],
        "default_region": form["default_region"],
        "hours": {"time_zone": form["time_zone"]},
    }
    try:
        stored = _save(patch, step="industry")
    except SettingsError as error:
        return _industry_page(_stands(), values=form, problem=str(error)), 422
    if not stored:
        return _industry_page(_stands(), values=form, problem=_stale()), 409
    give_notice("step_saved")
    return redirect(after("industry"))


def _stale() -> str:
    return speech().text("Somebody has changed the settings since you opened this page: look at them again, then save.")


# Topics


@blueprint.get("/topics")
def topics() -> str:
    """The template's topics, the tenant's own, and a box that shows how a message is read now."""
    stands = _stands()
    return _topics_page(stands, topic_rows(stands.config), errand=asked_errand("reading"))


def _topics_page(
    stands: TenantSettings,
    rows: list[TopicRow],
    *,
    problems: list[str] | None = None,
    empty_rows: int = EMPTY_ROWS,
    errand: Errand | None = None,
    pasted: str = "",
) -> str:
    return _page(
        "admin/start_topics.html",
        rows=rows,
        empty_rows=empty_rows,
        version=stands.version,
        industry=stands.config.industry,
        problems=problems or [],
        errand=errand,
        pasted=pasted,
        can_read=settings().anthropic_api_key is not None,
        max_definition=MAX_DEFINITION_CHARS,
        max_pasted=MAX_PASTED_CHARS,
    )


@blueprint.post("/topics")
def save_topics() -> str | tuple[str, int] | Response:
    """Deed "more" gives more empty rows and stores nothing; anything else stores all that stands in the form."""
    only_admins()
    stands = _stands()
    rows = _read_rows(stands)
    if request.form.get("deed") == "more":
        return _topics_page(stands, rows, empty_rows=2 * EMPTY_ROWS)
    try:
        stored = _save(patch_topics(stands.config, rows), step="topics")
    except SettingsError as error:
        marked = [_marked(row, error) for row in rows]
        others = [one.told for one in error.problems if not any(_is_of(row, one.path) for row in rows)]
        return _topics_page(stands, marked, problems=others), 422
    if not stored:
        return _topics_page(stands, rows, problems=[_stale()]), 409
    give_notice("step_saved")
    return redirect(url_for("admin_start_settings.topics") if request.form.get("deed") == "stay" else after("topics"))


def _is_of(row: TopicRow, path: str) -> bool:
    return bool(row.name) and path == f"topics.{row.name}"


def _marked(row: TopicRow, error: SettingsError) -> TopicRow:
    told = next((one.told for one in error.problems if _is_of(row, one.path)), None)
    return TopicRow(row.name, row.definition, row.template, row.is_removed, told)


def _read_rows(stands: TenantSettings) -> list[TopicRow]:
    """What stands in the form; rows that are wholly empty are left out."""
    known = load_industry(stands.config.industry).all_topics()
    names, definitions = request.form.getlist("topic"), request.form.getlist("definition")
    removed = set(request.form.getlist("remove"))
    rows = [
        TopicRow(name, " ".join(definition.split()), known.get(name), is_removed=str(number) in removed)
        for number, (typed, definition) in enumerate(zip(names, definitions, strict=False))
        if (name := name_of_topic(typed)) or definition.strip()
    ]
    return [
        row for row in rows if not (row.is_removed and row.template is None and row.name not in stands.config.topics)
    ]


@blueprint.post("/topics/try")
def try_message() -> str | Response:
    """Have a worker read pasted words as they would be read now. Stripped here: nothing else is written down.

    Answered with the page itself, in which the words stand as they were pasted: an address to be led to would have to keep them.
    """
    only_admins()
    if settings().anthropic_api_key is None:
        abort(400)
    text = request.form.get("text", "").strip()
    if not text or len(text) > MAX_PASTED_CHARS:
        give_notice("no_words" if not text else "too_many_words")
        return redirect(url_for("admin_start_settings.topics", _anchor="try"))
    stands = _stands()
    errand_id = send("reading", {"text": minimize(text, region=stands.config.default_region).text})
    errand = look_for_errand(database(), visitor().tenant_id, errand_id)
    return _topics_page(stands, topic_rows(stands.config), errand=errand, pasted=text)


# Thresholds


@blueprint.get("/thresholds")
def thresholds() -> str:
    """Two lines, in plain words."""
    stands = _stands()
    lines = stands.config.thresholds
    return _thresholds_page(stands, {"escalate": str(lines.escalate), "unsure": str(lines.unsure)})


def _thresholds_page(
    stands: TenantSettings,
    values: dict[str, str],
    *,
    problems: dict[str, str] | None = None,
    tried: Tried | None = None,
    is_busy: bool = False,
) -> str:
    return _page(
        "admin/start_thresholds.html",
        values=values,
        version=stands.version,
        problems=problems or {},
        tried=tried,
        is_busy=is_busy,
        most_decisions=MAX_DECISIONS,
        has_message=progress().has_message,
    )


@blueprint.post("/thresholds")
def save_thresholds() -> str | tuple[str, int] | Response:
    """`try` as the deed shows what would have been otherwise in the last month and stores nothing."""
    only_admins()
    stands = _stands()
    values = {name: request.form.get(name, "").strip() for name in ("escalate", "unsure")}
    wrong = speech().text("Give a number from 0 to 1.")
    lines = {name: _score(value) for name, value in values.items()}
    problems = {name: wrong for name, score in lines.items() if score is None}
    if problems:
        return _thresholds_page(stands, values, problems=problems), 422
    patch = {"thresholds": lines}
    try:
        if request.form.get("deed") == "try":
            return _thresholds_page(stands, values, tried=_try(stands, patch))
        stored = _save(patch, step="thresholds")
    except SettingsError as error:
        return _thresholds_page(stands, values, problems={"escalate": str(error)}), 422
    except TooBusyError:
        return _thresholds_page(stands, values, is_busy=True), 503
    if not stored:
        return _thresholds_page(stands, values, problems={"escalate": _stale()}), 409
    give_notice("step_saved")
    return redirect(after("thresholds"))


def _score(text: str) -> float | None:
    """From 0 to 1, also with the comma of a German or Turkish keyboard."""
    try:
        score = float(text.replace(",", "."))
    except ValueError:
        return None
    return score if 0 <= score <= 1 else None


def _try(stands: TenantSettings, patch: dict[str, Any]) -> Tried:
    tried, tenant_id = patch_settings(stands.config, patch, allow_private_urls=True), visitor().tenant_id
    with database().tenant_transaction(tenant_id) as conn:
        trial = run_trial(conn, tenant_id, live=stands.config, tried=tried, days=TRIED_DAYS)
    return tell_trial(trial, days=TRIED_DAYS, speech=speech())
