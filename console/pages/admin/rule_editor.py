"""/admin/rules/NAME: one routing rule with every condition and all that it decides; and a new one."""

from collections.abc import Sequence
from typing import Any

from flask import abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from config.tenant import TenantConfig
from console.pages.admin.changing import (
    Attempt,
    describe_problem,
    may_change_this,
    read_settings,
    save,
    try_out,
)
from console.pages.admin.gate import may_change
from console.pages.admin.rules import blueprint, unfed_by_name
from console.pages.notices import give_notice
from console.rule_form import (
    FIELDS,
    HEAD,
    PATHS,
    THEN,
    WHEN,
    TypedRule,
    as_document,
    copy_of,
    place_problems,
    put_rule,
    read_rule,
    show_rule,
)
from console.rule_words import sentence_of
from console.setting_fields import Field, sort_problems
from console.setting_trials import MAX_DECISIONS, TRIED_DAYS
from console.setting_words import choice_word, rule_word
from console.visitors import database, speech, visitor
from routing.playbooks import playbook_for
from store.agents import list_agents
from store.tenant_settings import TenantSettings

# A name of a rule holds no "-".
NEW = "new-rule"


@blueprint.get(f"/{NEW}")
def new() -> str:
    """?copy= begins with one of our rules."""
    if not may_change():
        abort(403)
    stands = read_settings()
    wanted = request.args.get("copy")
    taken = {one.name for one in stands.config.rules}
    ours = next((one for one in playbook_for(stands.config.industry) if one.name == wanted), None)
    document = copy_of(ours, taken=taken) if ours else {"when": {}, "then": {"queue": "support", "priority": "P3"}}
    return _page(stands, document, name=None, is_copy=ours is not None)


@blueprint.get("/<name>")
def edit(name: str) -> str:
    """A rule as it stands."""
    stands = read_settings()
    return _page(stands, _find(stands.config, name), name=name)


@blueprint.post(f"/{NEW}")
def add() -> str | Response | tuple[str, int]:
    """Add a rule, try it, or read it back."""
    return _send(None)


@blueprint.post("/<name>")
def change_one(name: str) -> str | Response | tuple[str, int]:
    """Change a rule, try it, or read it back. One that a colleague has taken out meanwhile is kept as a new one."""
    return _send(name)


@blueprint.post("/read-back")
def read_back() -> tuple[str, int]:
    """The sentence of a form that is being filled in, as a piece of the page."""
    return render_template(
        "admin/rule_sentence.html", sentence=_sentence(read_rule(request.form.getlist).document)
    ), 200


def _find(config: TenantConfig, name: str) -> dict[str, Any]:
    found = next((one for one in config.rules if one.name == name), None)
    if found is None:
        abort(404)
    return as_document(found)


def _sentence(document: dict[str, Any]) -> str:
    return sentence_of(document, speech=speech(), word=lambda code: rule_word(code, speech=speech()))


def _send(name: str | None) -> str | Response | tuple[str, int]:
    stands = read_settings()
    rules = [as_document(one) for one in stands.config.rules]
    stood = next((one for one in rules if one["name"] == name), None)
    typed = read_rule(request.form.getlist, before=stood)
    before = request.form.get("before")
    changed, at = put_rule(rules, typed.document, old_name=name, before=None if before in {None, "here"} else before)
    what = request.form.get("do")
    if typed.problems:
        attempt = Attempt(problems=typed.problems)
    elif what == "try":
        attempt = try_out({"rules": changed})
    elif what != "save":
        attempt = Attempt()
    else:
        attempt = save({"rules": changed})
        if attempt.version is not None:
            saved = "rule_saved_to_try" if typed.document.get("dry_run") else "rule_saved"
            give_notice(saved if attempt.version != stands.version else "settings_unchanged")
            return redirect(url_for("admin_rules.show"))
    attempt.problems = place_problems(attempt.problems, at)
    status = 409 if attempt.is_stale else 422 if attempt.problems else 503 if attempt.is_busy else 200
    order = [str(one.get("name", "")) for one in changed]
    return _page(read_settings(), typed.document, name=name, typed=typed, attempt=attempt, order=order), status


def _page(
    stands: TenantSettings,
    document: dict[str, Any],
    *,
    name: str | None,
    typed: TypedRule | None = None,
    attempt: Attempt | None = None,
    is_copy: bool = False,
    order: Sequence[str] = (),
) -> str:
    attempt = attempt or Attempt()
    config = stands.config
    errors, others = sort_problems(attempt.problems, PATHS)
    names = [one.name for one in config.rules if one.name != name]
    return render_template(
        "admin/rule.html",
        name=name,
        head=HEAD,
        sections=WHEN,
        result=THEN,
        values=typed.values if typed else show_rule(document),
        errors=errors,
        others=[describe_problem(one, order) for one in others],
        attempt=attempt,
        seen=stands.version,
        sentence=_sentence(document),
        options={one.path: _options(one, config, document) for one in FIELDS if one.kind in {"choice", "checks"}},
        hints=_hints(config),
        names=names,
        before=request.form.get("before", "here"),
        unfed=unfed_by_name(config).get(name or "", ()),
        is_copy=is_copy,
        may_change=may_change_this(admins_only=False),
        tried_days=TRIED_DAYS,
        most_decisions=MAX_DECISIONS,
        days=request.form.get("days", "30"),
    )


def _options(one: Field, config: TenantConfig, document: dict[str, Any]) -> list[tuple[str, str]]:
    """(value, word) of all that may be chosen, with what the rule holds already."""
    known = tuple(one.choices(config)) if callable(one.choices) else one.choices
    table, _, key = one.path.partition(".")
    stands = document.get(table, {}).get(key, ()) if isinstance(document.get(table), dict) else ()
    more = [str(value) for value in stands if value not in known] if isinstance(stands, list) else []
    return [(value, choice_word(one, value, speech=speech())) for value in (*known, *more)]


def _hints(config: TenantConfig) -> dict[str, list[str]]:
    """Words that the tenant uses already, offered while somebody types."""
    with database().tenant_transaction(visitor().tenant_id) as conn:
        agents = list_agents(conn, visitor().tenant_id)
    rules = config.rules
    return {
        "then.skill": sorted(
            {skill for one in agents for skill in one.skills} | {one.then.skill for one in rules if one.then.skill}
        ),
        "then.tags": sorted({tag for one in rules for tag in one.then.tags}),
        "when.tier": sorted({tier for one in rules for tier in one.when.tier or ()}),
    }
