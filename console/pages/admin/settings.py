"""/admin/settings: what the tenant's file says, without its secrets, and what another escalation threshold would change."""

from datetime import UTC, datetime
from typing import Any, get_args
from urllib.parse import urlsplit

from flask import render_template, request

from config.hours import DAYS
from config.industries import load_industry
from config.rules import Rule
from config.tenant import TenantConfig
from config.words import Priority
from console.pages.admin.gate import new_blueprint
from console.visitors import database, visitor
from routing.playbooks import playbook_for
from store.alert_targets import list_targets
from store.channel_accounts import list_accounts
from store.tenants import get_tenant_config
from worker.simulator import Trial, try_settings

blueprint = new_blueprint("settings", path="/settings")
TRIED_DAYS = 30
PRIORITIES: tuple[Priority, ...] = get_args(Priority)


@blueprint.get("")
def show() -> str:
    """?escalate= tries a threshold on the last month; nothing is stored and nothing fires."""
    who = visitor()
    with database().tenant_transaction(who.tenant_id) as conn:
        tenant = get_tenant_config(conn, who.tenant_id)
        accounts = list_accounts(conn, who.tenant_id)
        targets = list_targets(conn, [who.tenant_id])
        tried = _read_threshold(request.args.get("escalate"))
        trial = None
        if tried is not None:
            trial = try_settings(
                conn,
                who.tenant_id,
                live=tenant,
                tried=_with_threshold(tenant, tried),
                now=datetime.now(UTC),
                days=TRIED_DAYS,
            )
    return render_template(
        "admin/settings.html",
        tenant=tenant,
        accounts=[(one, host_of(one.reply_url)) for one in accounts],
        actions=[(kind, one, host_of(one.url)) for kind, one in sorted(tenant.actions.items())],
        targets=[(one.name, one.config.get("min_severity")) for one in targets],
        topics=sorted(tenant.topics.items()),
        industry_topics=sorted(load_industry(tenant.industry).all_topics().items()),
        rules=[(one, conditions(one)) for one in tenant.rules],
        playbook=[(one, conditions(one)) for one in playbook_for(tenant.industry)],
        sla=[("", priority, tenant.sla.target_of("", priority)) for priority in PRIORITIES]
        + [
            (queue, priority, tenant.sla.target_of(queue, priority))
            for queue, targets_of in sorted(tenant.sla.queue.items())
            for priority in sorted(targets_of)
        ],
        days=DAYS,
        trial=trial,
        moved=_biggest(trial) if trial else [],
        tried=tried,
        is_wrong=tried is None and bool(request.args.get("escalate")),
        tried_days=TRIED_DAYS,
    )


def _read_threshold(text: str | None) -> float | None:
    """A score from 0 to 1, also with the comma of a German or Turkish keyboard."""
    try:
        score = float((text or "").strip().replace(",", "."))
    except ValueError:
        return None
    return score if 0 <= score <= 1 else None


def _with_threshold(tenant: TenantConfig, escalate: float) -> TenantConfig:
    return tenant.model_copy(update={"thresholds": tenant.thresholds.model_copy(update={"escalate": escalate})})


def _biggest(trial: Trial) -> list[Any]:
    """(change, moved), the most frequent first."""
    return sorted(trial.simulation.changes.items(), key=lambda item: (-item[1].messages, item[0]))


def host_of(url: str | None) -> str | None:
    """Where an address leads, without path and parameters, in which a token may stand."""
    return urlsplit(url).hostname if url else None


def conditions(rule: Rule) -> dict[str, str]:
    """The rule's conditions as words, by name; an empty one fits every message that was read."""
    given: dict[str, Any] = rule.when.model_dump(exclude_none=True)
    return {
        name: ", ".join(str(one) for one in value) if isinstance(value, tuple | list) else _told(value)
        for name, value in given.items()
    }


def _told(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
