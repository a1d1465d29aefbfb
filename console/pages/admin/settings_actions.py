"""/admin/settings/actions: what may happen by itself, how often, in whose words; and what would have left so far."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from flask import abort, current_app, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from config.actions import MAX_ACTION_TEXT_BYTES, ActionConfig
from console.action_form import (
    KINDS,
    find_action,
    is_limited,
    list_wordings,
    mode_of,
    modes_of,
    reaches_customers,
    sections_of,
    with_all_kinds,
)
from console.pages.admin.changing import (
    Attempt,
    changer,
    describe_problem,
    find_undo,
    may_change_this,
    read_settings,
    save,
)
from console.pages.admin.gate import new_blueprint, only_admins
from console.pages.notices import give_notice
from console.setting_fields import Field, Section, Typed, put_path, read_form, show_all, sort_problems
from console.setting_tables import UNITS
from console.setting_words import choice_word
from console.visitors import database, speech, visitor
from console.webhook_secret import set_webhook_secret, why_unusable
from routing.settings_check import SettingProblem
from store.action_counts import count_actions
from store.action_secrets import list_kinds_with_secret
from store.db import Connection
from store.tenant_settings import TenantSettings

blueprint = new_blueprint("settings_actions", path="/settings/actions")
COUNTED_DAYS = 30
_LANGUAGE = re.compile(r"[a-z]{2,3}")
_WEBHOOK_URL, _SECRET = "actions.webhook.url", "actions.webhook.secret"


def _counts() -> dict[str, Any]:
    with database().tenant_transaction(visitor().tenant_id) as conn:
        return dict(count_actions(conn, visitor().tenant_id, since=datetime.now(UTC) - timedelta(days=COUNTED_DAYS)))


@blueprint.get("")
def show() -> str:
    """All kinds with how they stand and what became of them in the last month."""
    stands, counts = read_settings(), _counts()
    return render_template(
        "admin/settings_actions.html",
        kinds=[
            (
                kind,
                mode_of(kind, find_action(kind, stands.config)),
                counts.get(kind, {}),
                reaches_customers(kind),
                (find_action(kind, stands.config) or ActionConfig()).per_customer_per_day,
            )
            for kind in KINDS
        ],
        automation=stands.config.automation,
        counted_days=COUNTED_DAYS,
        undo=find_undo(),
    )


@blueprint.get("/<kind>")
def show_one(kind: str) -> str:
    """One kind of action."""
    _check(kind)
    return _page(kind, read_settings())


@blueprint.post("/<kind>")
def change(kind: str) -> str | Response | tuple[str, int]:
    """Save it, with its secret; do=preview shows the words filled in and stores nothing."""
    only_admins()
    _check(kind)
    stands = read_settings()
    typed, secret = _read(kind, stands), request.form.get(_SECRET, "").strip()
    told = why_unusable(secret) if secret and kind == "webhook" else None
    if told:
        typed.problems.append(SettingProblem(_SECRET, told))
    if typed.problems:
        attempt = Attempt(problems=typed.problems)
    elif request.form.get("do") == "preview":
        attempt = Attempt()
    else:
        attempt = save(typed.patch, first=_writes_secret(secret) if secret and kind == "webhook" else None)
        if attempt.version is not None:
            give_notice("settings_saved" if secret or attempt.version != stands.version else "settings_unchanged")
            return redirect(url_for("admin_settings_actions.show"))
    status = 409 if attempt.is_stale else 422 if attempt.problems else 200
    return _page(kind, read_settings(), typed=typed, attempt=attempt), status


def _writes_secret(secret: str) -> Any:
    who = changer()

    def write(conn: Connection) -> None:
        set_webhook_secret(
            conn,
            who.tenant_id,
            secret,
            keyring=current_app.extensions["keyring"],
            by=who.actor,
            changed_in=who.changed_in,
        )

    return write


def _check(kind: str) -> None:
    if kind not in KINDS:
        abort(404)


def _mode(kind: str) -> Field:
    return Field(f"actions.{kind}.mode", "", kind="choice", choices=modes_of(kind))


def _sections(kind: str, stands: TenantSettings) -> tuple[Section, ...]:
    return sections_of(kind, stands.config)


def _read(kind: str, stands: TenantSettings) -> Typed:
    """What the form says. The mode counts when it is another one; an empty address of the webhook leaves the one that stands."""
    fields = [one for section in _sections(kind, stands) for one in section.fields]
    typed = read_form(fields, with_all_kinds(stands.config), request.form.getlist)
    path, mode = _mode(kind).path, request.form.get(_mode(kind).path, "")
    typed.values[path] = mode
    if mode not in modes_of(kind):
        typed.problems.append(SettingProblem(path, "is not one of the choices"))
    elif mode != mode_of(kind, find_action(kind, stands.config)):
        put_path(typed.patch, path, mode)
    _read_other_language(kind, typed)
    url = request.form.get(_WEBHOOK_URL, "").strip()
    if kind == "webhook" and url:
        put_path(typed.patch, _WEBHOOK_URL, url)
    template = f"actions.{kind}.template"
    if not any(typed.values.get(f"{template}.{name}") for name in ("name", "languages", "parameters")):
        own = typed.patch.get("actions", {}).get(kind, {})
        if "template" in own:
            own["template"] = None
    return typed


def _read_other_language(kind: str, typed: Typed) -> None:
    """The words in a language that has no field yet."""
    code, text = (request.form.get(f"other.{name}", "").strip() for name in ("language", "text"))
    typed.values |= {"other.language": code, "other.text": text}
    if not code and not text:
        return
    if not text or not _LANGUAGE.fullmatch(code):
        told = "takes a code such as fr or pt, and the words beside it"
        typed.problems.append(SettingProblem("other.language", told))
        return
    put_path(typed.patch, f"actions.{kind}.texts.{code}", text.replace("\r\n", "\n"))


def _page(kind: str, stands: TenantSettings, *, typed: Typed | None = None, attempt: Attempt | None = None) -> str:
    attempt, config = attempt or Attempt(), stands.config
    sections = _sections(kind, stands)
    fields = [one for section in sections for one in section.fields]
    mode = _mode(kind)
    values = show_all(fields, with_all_kinds(config)) | {mode.path: mode_of(kind, find_action(kind, config))}
    values |= typed.values if typed else {}
    errors, others = sort_problems(
        attempt.problems, [*(one.path for one in fields), mode.path, _WEBHOOK_URL, _SECRET, "other.language"]
    )
    with database().tenant_transaction(visitor().tenant_id) as conn:
        has_secret = kind in list_kinds_with_secret(conn, visitor().tenant_id)
    action = find_action(kind, config)
    return render_template(
        "admin/settings_action.html",
        kind=kind,
        mode=mode,
        sections=sections,
        values=values,
        errors=errors,
        others=[describe_problem(one, [rule.name for rule in config.rules]) for one in others],
        attempt=attempt,
        seen=stands.version,
        options={
            one.path: [(value, choice_word(one, value, speech=speech())) for value in one.choices]
            for one in (*fields, mode)
            if not callable(one.choices) and one.choices
        },
        wordings={one.path: one for one in list_wordings(kind, config, values)} if is_limited(kind) else {},
        most_bytes=MAX_ACTION_TEXT_BYTES,
        units=UNITS,
        counts=_counts().get(kind, {}),
        counted_days=COUNTED_DAYS,
        reaches_customers=reaches_customers(kind),
        host=urlsplit(action.url).hostname if action and action.url else None,
        has_secret=has_secret,
        may_change=may_change_this(admins_only=True),
    )
