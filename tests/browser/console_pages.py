"""Which pages the console has: all that its application answers, so that no new page is forgotten."""

import re

from config.settings import load_settings
from console.app import create_app
from tests.conftest import TEST_KEY

# Answers to GET that are no pages, by endpoint.
NO_PAGES = {
    "static", "healthz", "metrics", "index",
    "live.events", "live.rows", "live.messages",  # a stream, and pieces of pages
    "go.choices",  # JSON
    "insight_files.table", "admin_sweep_flips.export", "admin_privacy.export", "admin_privacy_customers.export", "admin_audit_log.export",  # CSV
    "admin_channel_checks.waiting", "admin_sweeps.show_progress", "oidc.begin", "oidc.come_back",  # pieces of pages, and ways to the provider and back
    "admin_privacy_customers.begin",  # leads to the page where one looks
    # Pages of what comes and goes; their own tests open them.
    "welcome.show", "admin_errands.show", "admin_alert_targets.confirm",
}  # fmt: skip
# What is filled into places of addresses, by the places' names: texts, or queries for them.
PLACES = {
    "conversation_id": "SELECT conversation_id FROM message WHERE starts_with(text, 'This is') ORDER BY id LIMIT 1",
    "message_id": "SELECT id FROM message WHERE starts_with(text, 'This is') ORDER BY id LIMIT 1",
    "egress_id": "SELECT id FROM egress ORDER BY id LIMIT 1",
    "sweep_id": "SELECT id FROM sweep LIMIT 1",
    "webhook_id": "SELECT id FROM webhook_subscription LIMIT 1",
    "user_id": "SELECT id FROM app_user WHERE starts_with(email, 'ana@')",
    "customer_id": "SELECT customer_id FROM message WHERE starts_with(text, 'This is') ORDER BY id LIMIT 1",
    "kind": "whatsapp",
    "account_id": "111000111",
    "trial_id": "SELECT id FROM trial WHERE kind = 'laboratory' LIMIT 1",
}
# Endpoints with places that mean something else: {endpoint: {place: text or query}}.
PLACES_OF: dict[str, dict[str, str]] = {
    "sample.show_one": {"message_id": "SELECT message_id FROM audit_sample LIMIT 1"},
    "admin_rules.edit": {"name": "late_parcels"},
    "admin_settings_form.show": {"name": "thresholds"},
    "admin_settings_form.show_queue": {"queue": "senior"},
    "admin_settings_actions.show_one": {"kind": "follow_up"},
}
# The same pages in another state.
ALSO = (
    "/inbox?queue=senior&priority=P1", "/inbox?state=snoozed", "/go?q=nothing+of+this+kind", "/no-such-page",
    "/insights?range=7&channel=instagram", "/insights/trend?topic=shipping", "/insights/messages?sentiment=negative",
    "/insights/answers?since=2026-01-01", "/admin/alerts?state=all", "/admin/settings?escalate=0.9", "/admin/sweeps/plan?days=7",
)  # fmt: skip
# What is no success and meant so.
STATUS = {"/no-such-page": 404, "/nowhere": 403}


def find_rules(stack):
    """(endpoint, rule) of everything that answers GET, without the API but with the page about it."""
    settings = load_settings(
        {
            "DATABASE_URL": stack.info["database_url"],
            "REDIS_URL": stack.info["redis_url"],
            "EARSHOT_KEYS": TEST_KEY,
            "LOG_LEVEL": "WARNING",
        }
    )
    app = create_app({}, settings=settings)
    rules = [
        (rule.endpoint, rule)
        for rule in app.url_map.iter_rules()
        if "GET" in rule.methods
        and not (rule.rule.startswith(("/api/", "/openapi")) and not rule.rule.endswith("/docs"))
    ]
    app.extensions["database"].close()
    return rules


def list_pages(stack):
    """An address of each page, and some of those that look otherwise with another query."""
    addresses = []
    for endpoint, rule in find_rules(stack):
        if endpoint not in NO_PAGES:
            fillings = {**PLACES, **PLACES_OF.get(endpoint, {})}
            unknown = rule.arguments - set(fillings)
            assert not unknown, (
                f"{endpoint} is new: tell in PLACES what to fill into {rule.rule}, or name it in NO_PAGES"
            )
            addresses.append(
                re.sub(r"<(?:\w+:)?(\w+)>", lambda place, known=fillings: _fill(stack, known[place[1]]), rule.rule)
            )
    return [*addresses, *ALSO]


def _fill(stack, filling):
    if not filling.startswith("SELECT"):
        return filling
    found = stack.rows(filling)
    assert found, f"nothing is there to be shown: {filling}"
    return str(found[0][0])
