"""Every address of the console that is read, with the ids of one tenant: each route once plainly, then where it is likely slow."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, LiteralString, cast, get_args
from urllib.parse import urlencode

import psycopg
from flask import Flask
from werkzeug.routing import BuildError, Rule

from config.words import ActionKind
from console.api.cursors import write_cursor
from console.pages.insight_files import TABLES
from console.setting_tables import PAGES

# What is no page (streams that end with the visit, files, what programs scrape), or not for this tenant's administrator: signing in by a
# provider is not set up, tenants are made by operators, nobody was drawn for the weekly sample.
LEFT_OUT = frozenset(
    {
        "live.events",
        "static",
        "healthz",
        "metrics",
        "index",
        "oidc.begin",
        "oidc.come_back",
        "admin_tenants.form",
        "sample.show_one",
    }
)

# One row by its key, which a filled tenant has none of: what somebody has just asked for, and links that are sent.
JUST_ASKED_FOR = frozenset(
    {
        "admin_alert_targets.confirm",
        "admin_errands.show",
        "admin_laboratory.show_one",
        "connections.read_errand",
        "erasures.read_one",
        "examples.read_trial",
        "laboratory.read_one",
        "welcome.show",
    }
)

# Values of arguments that are no ids, by endpoint and argument.
_NAMES: Mapping[str, Iterable[str]] = {
    "admin_rules.edit.name": ("loud",),
    "admin_settings_actions.show_one.kind": get_args(ActionKind),
    "admin_settings_form.show.name": PAGES,
    "insight_files.table.name": (*TABLES, "messages"),
}


@dataclass(frozen=True)
class Address:
    """One thing to time. is_file: an export to its end; until its first words counts."""

    name: str
    path: str
    is_file: bool


# By the name that a route's address uses; the conversation is the tenant's longest.
_IDS: Mapping[str, str] = {
    "conversation_id": (
        "SELECT conversation_id FROM message WHERE tenant_id = %(tenant)s GROUP BY conversation_id ORDER BY count(*) DESC LIMIT 1"
    ),
    "message_id": (
        "SELECT id FROM message WHERE conversation_id = %(conversation_id)s AND direction = 'inbound' AND text IS NOT NULL"
        " ORDER BY sent_at DESC LIMIT 1"
    ),
    "customer_id": "SELECT customer_id FROM conversation WHERE id = %(conversation_id)s",
    "egress_id": "SELECT id FROM egress WHERE tenant_id = %(tenant)s ORDER BY id DESC LIMIT 1",
    "sweep_id": "SELECT id FROM sweep WHERE tenant_id = %(tenant)s ORDER BY created_at DESC LIMIT 1",
    "action_id": "SELECT id FROM action WHERE tenant_id = %(tenant)s ORDER BY id DESC LIMIT 1",
    "alert_id": "SELECT id FROM alert WHERE tenant_id = %(tenant)s ORDER BY id DESC LIMIT 1",
    "webhook_id": "SELECT id FROM webhook_subscription WHERE tenant_id = %(tenant)s ORDER BY id LIMIT 1",
    "decision_id": "SELECT id FROM routing_decision WHERE tenant_id = %(tenant)s ORDER BY id DESC LIMIT 1",
    "user_id": "SELECT user_id FROM membership WHERE tenant_id = %(tenant)s ORDER BY user_id LIMIT 1",
    "place": (
        "SELECT array[coalesce(priority, 'P9'), (coalesce(waiting_since, last_inbound_at, created_at) AT TIME ZONE 'UTC')::text || '+00:00', id::text]"
        " FROM conversation WHERE tenant_id = %(tenant)s AND state = 'open' ORDER BY priority DESC, 1 DESC OFFSET 1000 LIMIT 1"
    ),
    "past_place": (
        "SELECT array[coalesce(priority, 'P9'), (coalesce(waiting_since, last_inbound_at, created_at) AT TIME ZONE 'UTC')::text || '+00:00', id::text]"
        " FROM conversation WHERE tenant_id = %(tenant)s AND state = 'resolved' AND priority = 'P4' ORDER BY id OFFSET 3000 LIMIT 1"
    ),
    "old_message_at": (
        "SELECT array[(sent_at AT TIME ZONE 'UTC')::text || '+00:00', id::text] FROM message"
        " WHERE conversation_id = %(conversation_id)s ORDER BY sent_at OFFSET 200 LIMIT 1"
    ),
    "old_egress_id": "SELECT id FROM egress WHERE tenant_id = %(tenant)s ORDER BY id OFFSET 20000 LIMIT 1",
    "old_action_at": "SELECT array[(created_at AT TIME ZONE 'UTC')::text || '+00:00', id::text] FROM action WHERE tenant_id = %(tenant)s ORDER BY id OFFSET 2000 LIMIT 1",
    "old_alert_at": "SELECT array[(created_at AT TIME ZONE 'UTC')::text || '+00:00', id::text] FROM alert WHERE tenant_id = %(tenant)s ORDER BY id OFFSET 200 LIMIT 1",
    "old_write_at": (
        "SELECT array[(written_at AT TIME ZONE 'UTC')::text || '+00:00', id::text] FROM crm_write"
        " WHERE tenant_id = %(tenant)s ORDER BY written_at OFFSET 200 LIMIT 1"
    ),
    "kind": "SELECT kind FROM channel_account WHERE tenant_id = %(tenant)s ORDER BY kind DESC LIMIT 1",
    "account_id": "SELECT account_id FROM channel_account WHERE tenant_id = %(tenant)s AND kind = %(kind)s LIMIT 1",
    "queue": "SELECT queue FROM conversation WHERE tenant_id = %(tenant)s AND state = 'open' AND queue IS NOT NULL LIMIT 1",
    "row_ids": "SELECT string_agg(id::text, ',') FROM (SELECT id FROM conversation WHERE tenant_id = %(tenant)s AND state = 'open' LIMIT 100) AS one",
}


# What an address does not answer without.
_ALWAYS_ASKED: Mapping[str, Callable[[Mapping[str, Any]], dict[str, str]]] = {
    "reanalyses.read_progress": lambda found: {"message_ids": found["message_id"]}
}


def find_ids(owner_url: str, tenant_id: int) -> dict[str, Any]:
    """An id of each kind, and places deep in each list."""
    found: dict[str, Any] = {"tenant": tenant_id}
    with psycopg.connect(owner_url) as conn:
        for name, query in _IDS.items():
            row = conn.execute(cast("LiteralString", query), found).fetchone()
            if row is None:  # not so many in a small tenant
                row = conn.execute(cast("LiteralString", re.sub(r"OFFSET \d+", "", query)), found).fetchone()
            assert row is not None, name
            found[name] = row[0] if isinstance(row[0], list | int) else str(row[0])
    return found


def variants(found: Mapping[str, Any], *, today: date) -> dict[str, Sequence[Mapping[str, str]]]:
    """By endpoint, what is asked of it beside nothing: rare values, the far end of lists, the widest ranges."""
    work = [
        {"queue": "support"},
        {"queue": "sales", "priority": "P4"},
        {"assignee": "me"},
        {"assignee": "none"},
        {"state": "snoozed"},
        {"state": "resolved"},
        {"tag": "vip"},
        {"tag": "rare"},
        {"tag": "unknown"},
        {"cursor": write_cursor(found["place"])},
        {"state": "resolved", "cursor": write_cursor(found["past_place"])},
    ]
    days = {"from": (today - timedelta(days=91)).isoformat(), "to": today.isoformat()}
    past = {"from": (today - timedelta(days=390)).isoformat(), "to": (today - timedelta(days=300)).isoformat()}
    figures = [
        {"range": "90"},
        past,
        {**days, "language": "ka"},
        {**days, "channel": "instagram", "surface": "live_comment"},
    ]
    counted = [
        days,
        {**days, "topic": "shipping", "sentiment": "negative"},
        {**days, "topic": "recall"},
        {**days, "topic": "shipping", "language": "ka"},
        {**past, "topic": "-"},
        {**days, "cursor": write_cursor((f"{today - timedelta(days=80)}T00:00:00+00:00", found["message_id"]))},
    ]
    return {
        "inbox.show": work,
        "live.rows": [*work, {"ids": found["row_ids"]}],
        "conversations.list_all": work,
        "conversation.show": [
            {"message": found["message_id"]},
            {"before": write_cursor(found["old_message_at"])},
        ],
        "conversations.read_one": [{"limit": "200"}, {"cursor": write_cursor(found["old_message_at"])}],
        "insights.show": figures,
        "insights.messages": counted,
        "insight_figures.surveys": figures,
        "insight_figures.accuracy": figures,
        "insight_figures.cost": figures,
        "admin_alerts.show": [{"state": "all"}],
        "alerts.list_all": [
            {"state": "all", "limit": "100"},
            {"kind": "trend"},
            {"kind": "unknown"},
            {"state": "all", "cursor": write_cursor(found["old_alert_at"])},
        ],
        "actions.list_all": [
            {"waiting": "true"},
            {"state": "uncertain"},
            {"state": "expired"},
            {"state": "failed", "cursor": write_cursor(found["old_action_at"])},
        ],
        "admin_crm.show": [{"customer": found["customer_id"]}, {"before": write_cursor(found["old_write_at"])}],
        "crm.list_all": [{"customer_id": found["customer_id"]}, {"cursor": write_cursor(found["old_write_at"])}],
        "admin_privacy.show": [
            {"message": found["message_id"]},
            {"since": (today - timedelta(days=300)).isoformat(), "until": (today - timedelta(days=299)).isoformat()},
            {"since": (today - timedelta(days=300)).isoformat()},
            {"before": found["old_egress_id"]},
        ],
    }


def list_addresses(app: Flask, found: Mapping[str, Any]) -> tuple[list[Address], list[str]]:
    """What to time, and the routes that nobody has said how to fill in."""
    asked = variants(found, today=datetime.now(UTC).date())
    addresses: list[Address] = []
    unknown: list[str] = []
    with app.test_request_context():
        for rule in sorted(app.url_map.iter_rules(), key=str):
            if "GET" not in (rule.methods or ()) or rule.endpoint in LEFT_OUT | JUST_ASKED_FOR:
                continue
            filled = _fill(rule, found)
            if not filled:
                unknown.append(str(rule))
            for values in filled:
                try:
                    path = app.url_for(rule.endpoint, **values)
                except BuildError:
                    unknown.append(str(rule))
                    continue
                queries = [_ALWAYS_ASKED.get(rule.endpoint, lambda _: {})(found), *asked.get(rule.endpoint, ())]
                if rule.endpoint.startswith("live."):
                    queries = [{**one, "tenant": str(found["tenant"])} for one in queries]
                addresses += [_address(rule, path, query) for query in queries]
    return addresses, unknown


def _fill(rule: Rule, found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Values for the arguments of a route, several where it has several names; none when one is not known."""
    filled: list[dict[str, Any]] = [{}]
    for argument in sorted(rule.arguments):
        given = list(_NAMES.get(f"{rule.endpoint}.{argument}", [found[argument]] if argument in found else []))
        filled = [{**one, argument: value} for one in filled for value in given]
    return filled


def _address(rule: Rule, path: str, query: Mapping[str, str]) -> Address:
    shown = {name: value if len(value) < 24 else "(long)" for name, value in query.items() if name != "tenant"}
    name = str(rule) if "<name>" not in str(rule) else path
    title = f"{name}?{urlencode(shown, safe='()')}" if shown else name
    return Address(
        title,
        f"{path}?{urlencode(query)}" if query else path,
        is_file=path.endswith((".csv", "/export", "/export.json")),
    )
