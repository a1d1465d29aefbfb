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
    "insight_files.table", "admin_privacy.export",  # CSV
}  # fmt: skip
# Pages of something: the query's rows fill the places in their address, in the order in which they stand there.
OF_SOMETHING = {
    "conversation.show": "SELECT conversation_id FROM message WHERE starts_with(text, 'This is') ORDER BY id LIMIT 1",
    "conversation.sent": "SELECT m.conversation_id, m.id FROM message AS m JOIN egress AS e ON e.message_id = m.id ORDER BY e.id LIMIT 1",
    "admin_privacy.entry": "SELECT id FROM egress ORDER BY id LIMIT 1",
    "admin_sweeps.show_one": "SELECT id FROM sweep LIMIT 1",
}
# The same pages in another state.
ALSO = (
    "/inbox?queue=senior&priority=P1", "/inbox?state=snoozed", "/go?q=nothing+of+this+kind", "/no-such-page",
    "/insights?range=7&channel=instagram", "/insights/trend?topic=shipping", "/insights/messages?sentiment=negative",
    "/insights/answers?since=2026-01-01", "/admin/alerts?state=all", "/admin/settings?escalate=0.9", "/admin/sweeps/plan?days=7",
)  # fmt: skip


def find_rules(stack):
    """(endpoint, rule) of everything but the API that answers GET."""
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
        if "GET" in rule.methods and not rule.rule.startswith(("/api/", "/openapi"))
    ]
    app.extensions["database"].close()
    return rules


def list_pages(stack):
    """An address of each page, and some of those that look otherwise with another query."""
    addresses = []
    for endpoint, rule in find_rules(stack):
        if endpoint in NO_PAGES:
            continue
        if not rule.arguments:
            addresses.append(rule.rule)
            continue
        assert endpoint in OF_SOMETHING, (
            f"{endpoint} is a new page: tell in OF_SOMETHING what to fill into {rule.rule}, or add it to NO_PAGES"
        )
        (found,) = stack.rows(OF_SOMETHING[endpoint])
        values = iter(found)
        addresses.append(re.sub("<[^>]+>", lambda _place, values=values: str(next(values)), rule.rule))
    return [*addresses, *ALSO]
