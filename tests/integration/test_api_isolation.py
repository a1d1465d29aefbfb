"""Every route of the API for every kind of caller and every kind of id: nobody reaches what isn't theirs."""

from uuid import uuid4

import pytest

from config.webhook_subscriptions import read_subscription
from console.api.application import DOCUMENT
from console.app import create_app
from store.users import create_api_key
from store.webhook_deliveries import add_test
from store.webhook_subscriptions import add_subscription
from tests.api_page import routes
from tests.integration.workplace import NOW, add_action, add_agent, add_conversation

CALLERS = ("none", "agent", "auditor", "supervisor", "admin", "stranger")
IDS = ("own", "other", "random", "malformed")
DEED = "/api/v1/conversations/<conversation_id>"
WEBHOOK = "/api/v1/webhooks/<webhook_id>"
# By route: the body it takes, and who may call it at all. What has no id stands with None.
ROUTES = {
    ("GET", DOCUMENT): (None, "public", None),
    ("GET", "/api/v1/queues"): (None, "readers", None),
    ("POST", "/api/v1/queues/<queue>/claim-next"): (None, "people", None),
    ("GET", "/api/v1/conversations"): (None, "readers", None),
    ("GET", DEED): (None, "readers", "conversation"),
    ("POST", f"{DEED}/claim"): (None, "people", "conversation"),
    ("POST", f"{DEED}/assign"): ({"email": "colleague@example.com"}, "leaders", "conversation"),
    ("POST", f"{DEED}/transfer"): ({"queue": "sales"}, "workers", "conversation"),
    ("POST", f"{DEED}/unassign"): (None, "workers", "conversation"),
    ("POST", f"{DEED}/snooze"): ({"until": "2027-06-01T00:00:00Z"}, "workers", "conversation"),
    ("POST", f"{DEED}/resolve"): (None, "workers", "conversation"),
    ("POST", f"{DEED}/reopen"): (None, "workers", "conversation"),
    ("GET", "/api/v1/agents"): (None, "readers", None),
    ("PATCH", "/api/v1/agents/<user_id>"): ({"presence": "away"}, "leaders' or one's own", "agent"),
    ("GET", "/api/v1/actions"): (None, "readers", None),
    ("GET", "/api/v1/actions/<action_id>"): (None, "readers", "action"),
    ("POST", "/api/v1/actions/<action_id>/approve"): (None, "leaders", "action"),
    ("POST", "/api/v1/actions/<action_id>/reject"): (None, "leaders", "action"),
    ("POST", "/api/v1/actions/<action_id>/settle"): ({"arrived": True}, "leaders", "action"),
    ("GET", "/api/v1/alerts"): (None, "readers", None),
    ("POST", "/api/v1/alerts/<alert_id>/acknowledge"): (None, "workers", "alert"),
    ("POST", "/api/v1/alerts/<alert_id>/snooze"): ({"hours": 1}, "workers", "alert"),
    ("GET", "/api/v1/crm"): (None, "readers", None),
    ("GET", "/api/v1/crm/writes"): (None, "readers", None),
    ("GET", "/api/v1/crm/unclear"): (None, "readers", None),
    ("GET", "/api/v1/customers/<customer_id>/crm"): (None, "readers", "customer"),
    ("PUT", "/api/v1/customers/<customer_id>/crm/link"): ({"record_id": "77"}, "workers", "customer"),
    ("DELETE", "/api/v1/customers/<customer_id>/crm/link"): (None, "leaders", "customer"),
    ("GET", "/api/v1/decisions/<decision_id>"): (None, "readers", "decision"),
    ("GET", "/api/v1/settings"): (None, "overseers", None),
    ("PATCH", "/api/v1/settings"): ({"version": 1, "changes": {}}, "leaders", None),
    ("POST", "/api/v1/settings/simulate"): ({"changes": {}}, "leaders", None),
    ("GET", "/api/v1/settings/versions"): (None, "overseers", None),
    ("POST", "/api/v1/settings/versions/<version>/restore"): ({"version": 1}, "leaders", None),
    ("PUT", "/api/v1/settings/actions/webhook/secret"): ({"secret": "x" * 24}, "admins", None),
    ("GET", "/api/v1/webhooks"): (None, "overseers", None),
    ("POST", "/api/v1/webhooks"): ({"url": "https://hooks.example.com/in", "kinds": ["alert.raised"]}, "admins", None),
    ("GET", WEBHOOK): (None, "overseers", "webhook"),
    ("PATCH", WEBHOOK): ({"description": "renamed"}, "admins", "webhook"),
    ("DELETE", WEBHOOK): (None, "admins", "webhook"),
    ("POST", f"{WEBHOOK}/rotate-secret"): (None, "admins", "webhook"),
    ("POST", f"{WEBHOOK}/test"): (None, "admins", "webhook"),
    ("GET", f"{WEBHOOK}/deliveries"): (None, "overseers", "webhook"),
    ("POST", f"{WEBHOOK}/replay"): ({"since": "2026-01-01T00:00:00Z"}, "admins", "webhook"),
    ("POST", f"{WEBHOOK}/deliveries/<delivery_id>/replay"): (None, "admins", "webhook"),
}


def test_every_route_stands_in_the_matrix():
    assert {(method, path) for method, path, _ in routes()} == set(ROUTES)


@pytest.fixture
def world(settings, database, owner, tenant_ids, keyring):
    """Two tenants with one of everything each; keys by caller."""
    ids, keys = (
        {
            "random": {
                "conversation": str(uuid4()),
                "alert": str(uuid4()),
                "decision": str(uuid4()),
                "action": str(uuid4()),
                "agent": "987654",
                "customer": str(uuid4()),
                "webhook": str(uuid4()),
                "delivery": str(uuid4()),
            }
        },
        {},
    )
    ids["malformed"] = dict.fromkeys(ids["random"], "1;DROP")
    for which, slug in (("own", "acme"), ("other", "other")):
        tenant_id = tenant_ids[slug]
        (alert,) = owner.execute(
            "INSERT INTO alert (tenant_id, kind, key) VALUES (%s, 'needs_person', 'x') RETURNING id::text", (tenant_id,)
        ).fetchone()
        (decision,) = owner.execute(
            """
            INSERT INTO routing_decision (tenant_id, message_id, run_id, priority, queue, rule, reasons, inputs, applied)
            VALUES (%s, %s, %s, 'P2', 'support', 'default', '{}', '{}', true)
            RETURNING id::text
            """,
            (tenant_id, uuid4(), uuid4()),
        ).fetchone()
        person = add_agent(owner, tenant_id, email=f"{slug}@example.com")
        conversation = add_conversation(owner, tenant_id)
        ids[which] = {
            "conversation": conversation,
            "action": add_action(owner, tenant_id, conversation),
            "alert": alert,
            "decision": decision,
            "agent": str(person),
            "customer": owner.execute(
                "SELECT customer_id::text FROM conversation WHERE id = %s", (conversation,)
            ).fetchone()[0],
            **_webhook(database, owner, tenant_id, keyring=keyring),
        }
        owner.execute(
            "INSERT INTO tenant_version (tenant_id, version, config, changed, changed_in) "
            "SELECT id, 1, config, '[]', 'file' FROM tenant WHERE id = %s",
            (tenant_id,),
        )
        owner.execute(
            "INSERT INTO crm_connection (tenant_id, kind, credentials, config) VALUES (%s, 'hubspot', '', '{}') "
            "ON CONFLICT DO NOTHING",
            (tenant_id,),
        )
        owner.execute(
            "INSERT INTO crm_write (tenant_id, customer_id, record_id, because, version, fields) "
            "VALUES (%s, %s, '1', 'message', 1, '{}')",
            (tenant_id, ids[which]["customer"]),
        )
        add_agent(owner, tenant_id, email="colleague@example.com" if which == "own" else "theirs@example.com")
        with database.system_transaction() as conn:
            for role in ("agent", "auditor", "supervisor", "admin"):
                user_id = person if role == "agent" else add_agent(owner, tenant_id, role=role)
                key = create_api_key(conn, tenant_id=tenant_id, name=role, role=role, user_id=user_id)[1]
                keys["stranger" if which == "other" and role == "admin" else f"{which} {role}"] = key
    app = create_app({}, settings=settings)
    yield (
        app.test_client(),
        ids,
        {"none": None, "stranger": keys["stranger"]}
        | {role: keys[f"own {role}"] for role in ("agent", "auditor", "supervisor", "admin")},
    )
    app.extensions["database"].close()


def _webhook(database, owner, tenant_id, *, keyring):
    wanted = read_subscription(
        url="https://hooks.example.com/in",
        kinds=["alert.over"],
        description="",
        include_text=False,
        allow_private=False,
    )
    with database.tenant_transaction(tenant_id) as conn:
        webhook, _ = add_subscription(conn, tenant_id, wanted, keyring=keyring, by=None)
        return {"webhook": webhook, "delivery": add_test(conn, tenant_id, webhook, by=None)}


def _expected(caller, which, *, rights, kind):
    """The status that the caller must get. "stranger" is the other tenant's admin: "own" is not theirs, "other" is."""
    if rights == "public":
        return 200
    if caller == "none":
        return 401
    role = "admin" if caller == "stranger" else caller
    if role == "agent" and rights == "overseers" or role != "admin" and rights == "admins":
        return 403
    if role == "auditor" and rights not in {"readers", "overseers"}:
        return 403
    if role == "agent" and rights == "leaders":
        return 403
    if kind is None:
        return 200
    if which == "malformed":
        return 422
    if which == "random" or which == ("own" if caller == "stranger" else "other"):
        return 404
    return 200


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: " ".join(route))
def test_each_caller_gets_what_is_theirs_and_nothing_else(world, owner, route):
    client, ids, keys = world
    (method, path), (body, rights, kind) = route, ROUTES[route]
    before = owner.execute("SELECT count(*) FROM conversation_access").fetchone()[0]
    got, expected = {}, {}
    for caller in CALLERS:
        for which in IDS if kind else ("own",):
            given = dict(body) if body else body
            if caller == "stranger" and body and "email" in body:
                given = {"email": "theirs@example.com"}
            filled = path.replace("<queue>", "support").replace("<version>", "1")
            filled = filled.replace("<delivery_id>", ids[which]["delivery"])
            for name in (
                "conversation_id",
                "alert_id",
                "decision_id",
                "action_id",
                "user_id",
                "customer_id",
                "webhook_id",
            ):
                filled = filled.replace(f"<{name}>", ids[which][kind] if kind else "")
            owner.execute(
                "UPDATE conversation SET assignee_id = NULL, state = 'open', queue = 'support', snoozed_until = NULL"
            )
            owner.execute("DELETE FROM crm_link")
            owner.execute(
                "INSERT INTO crm_search (customer_id, tenant_id, outcome) SELECT id, tenant_id, 'ambiguous' FROM customer "
                "ON CONFLICT (customer_id) DO UPDATE SET outcome = 'ambiguous'"
            )
            state = "uncertain" if path.endswith("/settle") else "pending"
            owner.execute("UPDATE action SET state = %s, needs_approval = true, approved_at = NULL", (state,))
            head = {"Authorization": f"Bearer {keys[caller]}"} if keys[caller] else {}
            answer = client.open(filled, method=method, json=given, headers=head)
            got[caller, which] = answer.status_code
            expected[caller, which] = _expected(caller, which, rights=rights, kind=kind)
            if answer.status_code >= 400:
                assert answer.content_type == "application/problem+json" and "DROP" not in answer.text
            elif caller != "none":
                mine, theirs = ("other", "own") if caller == "stranger" else ("own", "other")
                assert not any(one in answer.text for name, one in ids[theirs].items() if name != "agent")
    assert got == expected
    assert NOW and owner.execute("SELECT count(*) FROM conversation_access").fetchone()[0] - before == (
        5 if (method, path) == ("GET", DEED) else 0
    )
    # Nothing of a conversation was ever recorded in another tenant than its own.
    assert owner.execute(
        "SELECT count(*) FROM conversation_event AS e JOIN conversation AS c ON c.id = e.conversation_id "
        "WHERE e.tenant_id <> c.tenant_id"
    ).fetchone() == (0,)
