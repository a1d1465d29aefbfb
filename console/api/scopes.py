"""What a key may be narrowed to. Its role stays the upper bound; a key without scopes has all that its role allows."""

from collections.abc import Mapping
from typing import Any, Literal, get_args


def _(text: str) -> str:
    """Marks a text for the catalogs."""
    return text


Scope = Literal["read", "work", "correct", "insights", "settings", "people", "privacy", "webhooks"]

# With what each lets a program do.
SCOPES: Mapping[Scope, str] = {
    "read": _("Read queues, conversations with their words, agents, actions, alerts, decisions and the CRM."),
    "work": _("Claim, assign, answer and resolve conversations, rule on actions and alerts, pick CRM records."),
    "correct": _("Correct labels, have messages read again, publish examples."),
    "insights": _("Read figures and reports; they hold no customer text."),
    "settings": _("Read and change the tenant's settings, rules, channels, sweeps and trials."),
    "people": _("Read and change people, roles and API keys. Whoever has this can give rights to others."),
    "privacy": _("Search what left for the AI provider, read the audit log, export and erase."),
    "webhooks": _("Read and change where Earshot sends its own events."),
}
ALL: tuple[Scope, ...] = get_args(Scope)

# Every route of the API with the scope it takes. A narrowed key is refused where none stands.
SCOPE_OF: Mapping[str, Scope] = {
    "queues.list_queues": "read",
    "queues.take_next": "work",
    "conversations.list_all": "read",
    "conversations.read_one": "read",
    "conversation_work.claim": "work",
    "conversation_work.assign": "work",
    "conversation_work.transfer": "work",
    "conversation_work.unassign": "work",
    "conversation_work.snooze": "work",
    "conversation_work.resolve": "work",
    "conversation_work.reopen": "work",
    "agents.list_all": "read",
    "agents.change": "work",
    "actions.list_all": "read",
    "actions.read_one": "read",
    "actions.approve": "work",
    "actions.reject": "work",
    "actions.settle": "work",
    "alerts.list_all": "read",
    "alerts.acknowledge": "work",
    "alerts.snooze": "work",
    "crm.read_connection": "read",
    "crm.list_all": "read",
    "crm.list_unclear": "read",
    "crm.read_customer": "read",
    "crm.link": "work",
    "crm.unlink": "work",
    "decisions.read_one": "read",
    "people.list_all": "people",
    "people.invite_one": "people",
    "people.change": "people",
    "people.new_link": "people",
    "api_keys.list_all": "people",
    "api_keys.make": "people",
    "api_keys.revoke": "people",
    "audit_log.list_all": "privacy",
    "alerts.read_one": "read",
    "agent_inbox.list_rows": "read",
    "agent_inbox.count": "read",
    "customers.read_one": "read",
    "customers.list_conversations": "read",
    "messages.list_analyses": "read",
    "messages.list_sent": "read",
    "replies.read_desk": "read",
    "insight_reports.list_messages": "read",
    "sla.list_open": "read",
    "overview.read_me": "read",
    "overview.read_all": "read",
    "dead_letters.list_all": "read",
    "corrections.list_all": "read",
    "corrections.list_of_message": "read",
    "agent_inbox.change_many": "work",
    "replies.send": "work",
    "replies.cancel": "work",
    "replies.settle": "work",
    "dead_letters.replay": "work",
    "dead_letters.replay_all": "work",
    "corrections.add": "correct",
    "corrections.take_back": "correct",
    "reanalyses.read_conversation": "correct",
    "reanalyses.read_messages": "correct",
    "reanalyses.read_progress": "correct",
    "samples.list_all": "correct",
    "samples.judge": "correct",
    "examples.read_proposal": "correct",
    "examples.list_versions": "correct",
    "examples.check": "correct",
    "examples.publish": "correct",
    "examples.read_trial": "correct",
    "examples.roll_back": "correct",
    "examples.reject": "correct",
    "examples.readmit": "correct",
    "insight_reports.read_map": "insights",
    "insight_reports.read_answer_times": "insights",
    "insight_reports.ask": "insights",
    "insight_reports.read_load": "insights",
    "insight_reports.read_surveys": "insights",
    "insight_reports.read_accuracy": "insights",
    "insight_reports.read_cost": "insights",
    "sla.list_by_week": "insights",
    "channels.list_channels": "settings",
    "channels.list_targets": "settings",
    "laboratory.plan": "settings",
    "laboratory.start": "settings",
    "laboratory.list_all": "settings",
    "laboratory.read_one": "settings",
    "sweeps.plan": "settings",
    "sweeps.start": "settings",
    "sweeps.list_all": "settings",
    "sweeps.read_one": "settings",
    "sweeps.pause": "settings",
    "sweeps.resume": "settings",
    "sweeps.cancel": "settings",
    "sweeps.approve": "settings",
    "sweeps.list_changed": "settings",
    "privacy.read_facts": "privacy",
    "privacy.list_calls": "privacy",
    "privacy.read_call": "privacy",
    "webhooks.list_all": "webhooks",
    "webhooks.add": "webhooks",
    "webhooks.read_one": "webhooks",
    "webhooks.change": "webhooks",
    "webhooks.remove": "webhooks",
    "webhooks.rotate": "webhooks",
    "webhooks.test": "webhooks",
    "webhooks.list_events": "webhooks",
    "webhooks.replay_all": "webhooks",
    "webhooks.replay_one": "webhooks",
}


def with_scopes(document: Mapping[str, Any], endpoints: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    """An OpenAPI document in which each operation names the scope that it takes. endpoints: by path and method, as it writes them."""
    paths = {
        path: {
            method: {**operation, "security": [{"api_key": [scope]}]}
            if (scope := SCOPE_OF.get(endpoints.get((path, method), "")))
            else operation
            for method, operation in item.items()
        }
        for path, item in document["paths"].items()
    }
    return {**document, "paths": paths}
