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
    "settings": _("Read and change the tenant's settings, rules and sweeps."),
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
