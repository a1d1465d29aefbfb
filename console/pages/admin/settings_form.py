"""/admin/settings/NAME: the forms of all settings that are one field each, from the tables in console/setting_tables.py."""

import re

from flask import abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from config.industries import load_industry
from config.settings_rights import list_admins_only
from config.sla import Sla
from config.tenant import TenantConfig
from console.pages.admin.changing import (
    Attempt,
    describe_problem,
    find_undo,
    may_change_this,
    read_settings,
    read_version,
    save,
    seen_version,
    try_out,
)
from console.pages.admin.gate import new_blueprint, only_admins
from console.pages.notices import give_notice
from console.setting_fields import (
    Field,
    FieldError,
    SettingsPage,
    Typed,
    read_form,
    read_number,
    show_all,
    sort_problems,
)
from console.setting_tables import PAGES, PRIORITIES, UNITS, sla_of, work_queues
from console.setting_trials import MAX_DECISIONS, TRIED_DAYS
from console.setting_words import choice_word
from console.visitors import speech
from routing.settings_check import SettingProblem
from store.tenant_settings import TenantSettings

blueprint = new_blueprint("settings_form", path="/settings")
# What the sliders of a page can try on what has come already.
_TRIED = frozenset({"thresholds"})


@blueprint.get("/<name>")
def show(name: str) -> str:
    """One form. ?escalate= tries a threshold on the last month, also for those who change nothing."""
    stands = read_settings()
    page = _find_page(name)
    if page.name not in _TRIED or not request.args.get("escalate"):
        return _page(page, stands)
    try:
        patch = {"thresholds": {"escalate": read_number(request.args["escalate"])}}
    except FieldError as error:
        return _page(page, stands, attempt=Attempt(problems=[SettingProblem("thresholds.escalate", str(error))]))
    return _page(page, stands, attempt=try_out(patch))


@blueprint.get("/sla/<queue>")
def show_queue(queue: str) -> str:
    """The targets of one queue."""
    stands = read_settings()
    return _page(_find_queue(queue, stands), stands, queue=queue)


@blueprint.post("/<name>")
def change(name: str) -> str | Response | tuple[str, int]:
    """Save the form, or try it."""
    return _send(_find_page(name), read_settings())


@blueprint.post("/sla/<queue>")
def change_queue(queue: str) -> str | Response | tuple[str, int]:
    """Save the targets of one queue."""
    stands = read_settings()
    return _send(_find_queue(queue, stands), stands, queue=queue)


def _find_page(name: str) -> SettingsPage:
    if name not in PAGES:
        abort(404)
    return PAGES[name]


def _find_queue(queue: str, stands: TenantSettings) -> SettingsPage:
    if not re.fullmatch(r"[a-z][a-z0-9_]{1,39}", queue) or queue not in set(work_queues(stands.config)):
        abort(404)
    return sla_of(queue)


def _own_fields(page: SettingsPage, *, is_admin: bool) -> list[Field]:
    """Those that the visitor may change; the others are shown only."""
    return [one for one in page.fields if is_admin or not list_admins_only([one.path])]


def _send(page: SettingsPage, stands: TenantSettings, *, queue: str | None = None) -> str | Response | tuple[str, int]:
    is_admin = may_change_this(admins_only=True)
    fields = _own_fields(page, is_admin=is_admin)
    if not fields:
        only_admins()
    typed = read_form(fields, stands.config, _given)
    if typed.problems:
        attempt = Attempt(problems=typed.problems)
    elif request.form.get("do") == "try" and page.name in _TRIED:
        attempt = try_out(typed.patch)
    else:
        attempt = save(typed.patch)
        if attempt.version is not None:
            give_notice("settings_saved" if attempt.version != stands.version else "settings_unchanged")
            return redirect(request.path)
    stands = read_settings()
    if attempt.is_stale:
        keep_only_own(typed, fields)
    status = 409 if attempt.is_stale else 422 if attempt.problems else 503 if attempt.is_busy else 200
    return _page(page, stands, typed=typed, attempt=attempt, queue=queue), status


def keep_only_own(typed: Typed, fields: list[Field]) -> None:
    """Of a form that is sent after others have changed something, keep what the visitor has typed: the rest shows what stands now."""
    seen = read_version(seen_version())
    if seen is not None:
        before = show_all(fields, seen)
        typed.values = {
            path: value for path, value in typed.values.items() if _plain(value) != _plain(before.get(path, ""))
        }


def _plain(value: str | list[str]) -> str | list[str]:
    """Without what a browser makes of line ends."""
    return value if isinstance(value, list) else "\n".join(value.split("\r\n")).strip()


def _given(path: str) -> list[str]:
    """What was sent for a field. Of a slider and its number whichever was moved away from what the page showed."""
    if f"{path}.slider" in request.form:
        number, slider, was = (request.form.get(f"{path}{end}", "") for end in ("", ".slider", ".was"))
        return [slider if number == was and slider != was else number]
    return request.form.getlist(path)


def _inherited(path: str, config: TenantConfig) -> str:
    """What holds where a field is empty: for a queue's target that of all, for those ours, for a weekday that it is closed."""
    if path.startswith("hours.weekdays.") and config.hours.weekdays:
        return speech().text("closed")
    *_, priority, key = path.split(".") if path.startswith("sla.") else ("", "")
    if priority not in PRIORITIES:
        return ""
    sla = config.sla if path.startswith("sla.queue.") else Sla(enabled=config.sla.enabled, defaults=config.sla.defaults)
    value = getattr(sla.target_of("", next(one for one in PRIORITIES if one == priority)), key)
    return "" if value is None or key == "counts" else str(value)


def _page(
    page: SettingsPage,
    stands: TenantSettings,
    *,
    typed: Typed | None = None,
    attempt: Attempt | None = None,
    queue: str | None = None,
) -> str:
    attempt = attempt or Attempt()
    values = show_all(page.fields, stands.config) | (typed.values if typed else {})
    errors, others = sort_problems(attempt.problems, [one.path for one in page.fields])
    is_admin = may_change_this(admins_only=True)
    own = _own_fields(page, is_admin=is_admin)
    config = stands.config
    return render_template(
        "admin/settings_form.html",
        page=page,
        values=values,
        errors=errors,
        others=[describe_problem(one, [rule.name for rule in config.rules]) for one in others],
        attempt=attempt,
        seen=stands.version,
        own={one.path for one in own},
        may_change=may_change_this(admins_only=False) and bool(own),
        options={
            one.path: [(value, choice_word(one, value, speech=speech())) for value in one.options(config)]
            for one in page.fields
            if one.kind in {"choice", "checks"}
        },
        inherited={one.path: _inherited(one.path, config) for one in page.fields},
        industry_topics=sorted(load_industry(config.industry).all_topics().items()) if page.name == "reading" else [],
        industry=config.industry,
        units=UNITS,
        undo=find_undo(),
        can_try=page.name in _TRIED,
        tried_days=TRIED_DAYS,
        most_decisions=MAX_DECISIONS,
        days=request.form.get("days", "30"),
        queue=queue,
        queues=list(work_queues(config)) if page.name.startswith("sla") else [],
        back=url_for("admin_settings.show"),
    )
