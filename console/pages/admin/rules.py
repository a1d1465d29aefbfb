"""/admin/rules: the tenant's own rules in their order, and ours behind them. What is moved is a draft until it is saved."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from config.rules import Rule
from config.tenant import TenantConfig
from console.pages.admin.changing import (
    Attempt,
    describe_problem,
    find_undo,
    may_change_this,
    read_settings,
    save,
    try_out,
)
from console.pages.admin.gate import new_blueprint
from console.pages.notices import give_notice
from console.rule_form import as_document
from console.rule_words import sentence_of
from console.setting_trials import MAX_DECISIONS, TRIED_DAYS
from console.setting_words import rule_word
from console.visitors import database, speech, visitor
from routing.playbooks import playbook_for
from routing.settings_check import MAX_RULES
from routing.unfed_rules import list_unfed_rules
from store.conversation_page import find_conversation_id
from store.crm_connections import find_crm_settings
from store.tenant_settings import TenantSettings

blueprint = new_blueprint("rules", path="/rules")


@dataclass(frozen=True)
class Shown:
    """A rule with its sentence."""

    name: str
    because: str
    dry_run: bool
    priority: str
    sentence: str
    fits_all: bool
    unfed: tuple[str, ...] = ()


@blueprint.get("")
def show() -> str:
    """The rules as they stand."""
    stands = read_settings()
    return _page(stands, [as_document(one) for one in stands.config.rules])


@blueprint.post("")
def change() -> str | Response | tuple[str, int]:
    """do: move one up or down or take it out, which changes the draft on the page; try the draft; save it."""
    stands = read_settings()
    draft = _draft(stands.config)
    what, _, name = request.form.get("do", "").partition(":")
    if what == "save":
        attempt = save({"rules": draft})
        if attempt.version is not None:
            give_notice("settings_saved" if attempt.version != stands.version else "settings_unchanged")
            return redirect(url_for("admin_rules.show"))
        stands = read_settings()
        if attempt.is_stale:
            draft = _draft(stands.config)
    elif what == "try":
        attempt = try_out({"rules": draft})
    else:
        attempt, draft = Attempt(), _moved(draft, what, name)
    status = 409 if attempt.is_stale else 422 if attempt.problems else 503 if attempt.is_busy else 200
    return _page(stands, draft, attempt=attempt), status


@blueprint.get("/message/<uuid:message_id>")
def message(message_id: object) -> Response:
    """From a sample to its conversation."""
    with database().tenant_transaction(visitor().tenant_id) as conn:
        conversation_id = find_conversation_id(conn, visitor().tenant_id, str(message_id))
    if conversation_id is None:
        abort(404)
    return redirect(url_for("conversation.show", conversation_id=conversation_id, message=message_id))


def _draft(config: TenantConfig) -> list[dict[str, Any]]:
    """The rules in the order of the page, without those taken out there; what the page did not know stands at the end."""
    order, known = request.form.getlist("rule"), request.form.getlist("known")
    dry = set(request.form.getlist("dry"))
    by_name = {one.name: as_document(one) for one in config.rules}
    draft = [by_name.pop(name) for name in order if name in by_name]
    for one in draft:
        one["dry_run"] = one["name"] in dry
    return draft + [one for name, one in by_name.items() if name not in set(known)]


def _moved(draft: list[dict[str, Any]], what: str, name: str) -> list[dict[str, Any]]:
    at = next((number for number, one in enumerate(draft) if one["name"] == name), None)
    if at is None:
        return draft
    moved = draft.pop(at)
    if what == "delete":
        return draft
    to = {"up": at - 1, "down": at + 1, "first": 0}.get(what, at)
    draft.insert(min(max(to, 0), len(draft)), moved)
    return draft


def unfed_by_name(config: TenantConfig) -> dict[str, tuple[str, ...]]:
    """Which of the tenant's rules ask for what nothing tells, and why, by name."""
    with database().tenant_transaction(visitor().tenant_id) as conn:
        crm = find_crm_settings(conn, visitor().tenant_id)
    told: dict[str, list[str]] = {}
    for one in list_unfed_rules(config, crm=crm):
        told.setdefault(one.rule, []).append(one.because)
    return {name: tuple(because) for name, because in told.items()}


def _shown(document: dict[str, Any], unfed: dict[str, tuple[str, ...]]) -> Shown:
    sentence = sentence_of(document, speech=speech(), word=lambda code: rule_word(code, speech=speech()))
    return Shown(
        document["name"],
        document["because"],
        bool(document.get("dry_run")),
        document["then"]["priority"],
        sentence,
        not document["when"],
        unfed.get(document["name"], ()),
    )


def _of_ours(rules: Sequence[Rule]) -> list[Shown]:
    return [_shown(as_document(one), {}) for one in rules]


def _page(stands: TenantSettings, draft: list[dict[str, Any]], *, attempt: Attempt | None = None) -> str:
    attempt = attempt or Attempt()
    unfed = unfed_by_name(stands.config)
    ours = [one.name for one in stands.config.rules]
    return render_template(
        "admin/rules.html",
        rules=[_shown(one, unfed) for one in draft[:MAX_RULES]],
        hidden=max(0, len(draft) - MAX_RULES),
        known=ours[: 2 * MAX_RULES],
        playbook=_of_ours(playbook_for(stands.config.industry)),
        is_draft=draft != [as_document(one) for one in stands.config.rules],
        gone=[name for name in ours if name not in {one["name"] for one in draft}],
        industry=stands.config.industry,
        attempt=attempt,
        others=[describe_problem(one, [rule["name"] for rule in draft]) for one in attempt.problems],
        seen=stands.version,
        may_change=may_change_this(admins_only=False) and len(ours) <= MAX_RULES,
        most_rules=MAX_RULES,
        undo=find_undo(),
        tried_days=TRIED_DAYS,
        most_decisions=MAX_DECISIONS,
        days=request.form.get("days", "30"),
    )
