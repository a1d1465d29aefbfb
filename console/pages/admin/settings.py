"""/admin/settings: what stands, in a line for each subject, and the way to each form."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from flask import render_template

from config.tenant import TenantConfig
from console.action_form import KINDS, find_action, mode_of
from console.pages.admin.changing import find_undo
from console.pages.admin.gate import new_blueprint
from console.privacy_facts import tell_retention
from console.setting_tables import PAGES, PRIORITIES
from console.visitors import database, speech, visitor
from routing.playbooks import playbook_for
from store.alert_targets import list_targets
from store.channel_accounts import list_accounts
from store.tenant_settings import get_settings

blueprint = new_blueprint("settings", path="/settings")


@blueprint.get("")
def show() -> str:
    """The tenant's settings at a glance."""
    who = visitor()
    with database().tenant_transaction(who.tenant_id) as conn:
        stands = get_settings(conn, who.tenant_id)
        accounts = list_accounts(conn, who.tenant_id)
        targets = list_targets(conn, [who.tenant_id])
    tenant = stands.config
    return render_template(
        "admin/settings.html",
        tenant=tenant,
        version=stands.version,
        changed_in=stands.changed_in,
        pages=[(page, _facts(page.name, tenant)) for page in PAGES.values()],
        accounts=[(one, host_of(one.reply_url)) for one in accounts],
        targets=[(one.name, one.config.get("min_severity")) for one in targets],
        playbook=len(playbook_for(tenant.industry)),
        modes=_modes(tenant),
        webhook_host=host_of(action.url) if (action := find_action("webhook", tenant)) else None,
        undo=find_undo(),
    )


def _modes(tenant: TenantConfig) -> dict[str, list[str]]:
    """Kinds of action by mode."""
    modes: dict[str, list[str]] = {}
    for kind in KINDS:
        modes.setdefault(mode_of(kind, find_action(kind, tenant)), []).append(kind)
    return modes


def host_of(url: str | None) -> str | None:
    """Where an address leads, without path and parameters, in which a token may stand."""
    return urlsplit(url).hostname if url else None


def _facts(name: str, tenant: TenantConfig) -> list[str]:
    """What stands on a form, in a few words."""
    text, texts, number = speech().text, speech().texts, speech().number
    none: list[str] = []
    facts: dict[str, Any] = {
        "thresholds": lambda: [
            f"{text('Escalate from')} {number(tenant.thresholds.escalate)}",
            f"{text('Unsure below')} {number(tenant.thresholds.unsure)}",
            text("Bursts") + ": " + _bursts(tenant.thresholds.debounce_s),
        ],
        "reading": lambda: [
            texts("%(n)s topic of your own", "%(n)s topics of your own", len(tenant.topics)),
            *([tenant.model.default] if tenant.model.default else none),
        ],
        "hours": lambda: [
            tenant.hours.time_zone,
            text("Open around the clock.") if tenant.hours.always_open else texts("%(n)s holiday", "%(n)s holidays", len(tenant.hours.holidays)),
        ],
        "sla": lambda: [
            f"{priority} {_span(minutes)}"
            for priority in PRIORITIES
            if (minutes := tenant.sla.target_of("", priority).first_answer_min)
        ]
        or [text("No clocks run.")],
        "queues": lambda: [texts("%(n)s queue of your own", "%(n)s queues of your own", len(tenant.queues))],
        "surveys": lambda: [
            name for name, on in (("NPS", tenant.surveys.nps.enabled), ("CSAT", tenant.surveys.csat.enabled)) if on
        ],
        "watching": lambda: [
            text("Tell customer success") if tenant.churn.enabled else text("off"),
        ],
        "automation": lambda: [
            texts(
                "At most %(n)s message of all kinds to one customer in 24 hours.",
                "At most %(n)s messages of all kinds to one customer in 24 hours.",
                tenant.automation.max_per_customer_per_day,
            ),
            *([tenant.automation.quiet_hours] if tenant.automation.quiet_hours else none),
        ],
        "costs": lambda: [
            f"${tenant.budget.daily_usd:g}" if tenant.budget.daily_usd else text("No daily limit"),
        ],
        "keeping": lambda: tell_retention(text, tenant.retention),
    }  # fmt: skip
    return facts[name]()


def _bursts(seconds: float) -> str:
    if not seconds:
        return speech().text("each message is read on its own")
    return speech().texts("gathered for %(n)s second", "gathered for %(n)s seconds", round(seconds))


def _span(minutes: int) -> str:
    """A number of minutes in words."""
    return speech().span(timedelta(minutes=minutes))
