"""Every route of the API for every kind of caller and every kind of id: nobody reaches what isn't theirs."""

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode
from uuid import uuid4

import psycopg
import pytest

from console.api.callers import MAY_CALL
from console.api.paths import DOCUMENT
from console.api.scopes import SCOPE_OF, SCOPES
from console.app import create_app
from store.db import Database
from store.users import create_api_key
from tests.api_page import routes
from tests.integration.trials_bench import add_trials, ready_for
from tests.integration.two_tenants import MALFORMED, RANDOM, ROLES, add_webhook, fill, fill_path, marks, stand_as_before
from tests.integration.workplace import add_agent

CALLERS = ("none", "agent", "auditor", "supervisor", "admin", "stranger")
IDS = ("own", "other", "random", "malformed")
YESTERDAY = (datetime.now(UTC) - timedelta(days=2)).date().isoformat()
DEED = "/api/v1/conversations/<conversation_id>"
ACCOUNT = "/api/v1/channels/<kind>/<account_id>"
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
    ("GET", "/api/v1/people"): (None, "admins", None),
    ("POST", "/api/v1/people"): ({"email": "new@example.com", "role": "agent"}, "admins", None),
    ("PATCH", "/api/v1/people/<user_id>"): ({"role": "agent", "active": True}, "admins", "agent"),
    ("POST", "/api/v1/people/<user_id>/link"): (None, "admins", "agent"),
    ("GET", "/api/v1/api-keys"): (None, "admins", None),
    ("POST", "/api/v1/api-keys"): ({"name": "another", "role": "agent", "scopes": ["people"]}, "admins", None),
    ("DELETE", "/api/v1/api-keys/<key_id>"): (None, "admins", "key"),
    ("GET", "/api/v1/audit-log"): (None, "overseers", None),
    ("GET", "/api/v1/onboarding"): (None, "admins", None),
    ("GET", f"{ACCOUNT}/signs"): (None, "admins", "account"),
    ("PUT", ACCOUNT): ({"app_secret": "s" * 32, "access_token": "t" * 32}, "admins", "account"),
    ("POST", f"{ACCOUNT}/rotate"): ({"app_secret": "n" * 32}, "admins", "account"),
    ("POST", f"{ACCOUNT}/check"): (None, "admins", "account"),
    ("DELETE", ACCOUNT): (None, "admins", "account"),
    ("PUT", "/api/v1/crm/connection"): ({"kind": "hubspot", "token": "t" * 32}, "admins", None),
    ("POST", "/api/v1/crm/connection/check"): (None, "admins", None),
    ("DELETE", "/api/v1/crm/connection"): (None, "admins", None),
    ("PUT", "/api/v1/alert-targets/<name>"): (
        {"to": "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"},
        "admins",
        None,
    ),
    ("POST", "/api/v1/alert-targets/<name>/test"): (None, "admins", "target"),
    ("DELETE", "/api/v1/alert-targets/<name>"): (None, "admins", "target"),
    ("GET", "/api/v1/errands/<errand_id>"): (None, "admins", "errand"),
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
    ("GET", "/api/v1/me"): (None, "readers", None),
    ("GET", "/api/v1/overview"): (None, "overseers", None),
    ("GET", "/api/v1/inbox"): (None, "readers", None),
    ("GET", "/api/v1/inbox/counts"): (None, "readers", None),
    ("POST", "/api/v1/conversations/bulk"): ({"deed": "resolve", "conversation_ids": [str(uuid4())]}, "workers", None),
    ("GET", f"{DEED}/replies"): (None, "readers", "conversation"),
    ("POST", f"{DEED}/replies"): ({"text": "We are looking for it."}, "workers", "conversation"),
    ("POST", f"{DEED}/replies/<reply_id>/cancel"): (None, "workers", "reply"),
    ("POST", f"{DEED}/replies/<reply_id>/settle"): ({"arrived": True}, "workers", "reply"),
    ("GET", "/api/v1/messages/<message_id>/analyses"): (None, "readers", "message"),
    ("GET", "/api/v1/messages/<message_id>/sent"): (None, "readers", "message"),
    ("GET", "/api/v1/customers/<customer_id>"): (None, "readers", "customer"),
    ("GET", "/api/v1/customers/<customer_id>/conversations"): (None, "readers", "customer"),
    ("GET", "/api/v1/alerts/<alert_id>"): (None, "readers", "alert"),
    ("GET", "/api/v1/sla"): (None, "readers", None),
    ("GET", "/api/v1/sla/weeks"): (None, "readers", None),
    ("GET", "/api/v1/insights"): (None, "readers", None),
    ("GET", "/api/v1/insights/messages"): (None, "readers", None),
    ("GET", "/api/v1/insights/answer-times"): (None, "readers", None),
    ("POST", "/api/v1/insights/answer-times"): ({"since": YESTERDAY}, "readers", None),
    ("GET", "/api/v1/insights/load"): (None, "readers", None),
    ("GET", "/api/v1/insights/surveys"): (None, "readers", None),
    ("GET", "/api/v1/insights/accuracy"): (None, "readers", None),
    ("GET", "/api/v1/insights/cost"): (None, "readers", None),
    ("GET", "/api/v1/channels"): (None, "overseers", None),
    ("GET", "/api/v1/alert-targets"): (None, "overseers", None),
    ("GET", "/api/v1/accounting"): (None, "overseers", None),
    ("GET", "/api/v1/dead-letters"): (None, "overseers", None),
    ("POST", "/api/v1/dead-letters/replay"): (None, "leaders", None),
    ("POST", "/api/v1/dead-letters/<message_id>/replay"): (None, "leaders", "message"),
    ("GET", "/api/v1/privacy"): (None, "overseers", None),
    ("GET", "/api/v1/egress"): (None, "overseers", None),
    ("GET", "/api/v1/egress/<egress_id>"): (None, "overseers", "egress"),
    ("POST", "/api/v1/customers/find"): ({"channel_id": "nobody"}, "admins", None),
    ("GET", "/api/v1/customers/<customer_id>/export"): (None, "admins", "customer"),
    ("POST", "/api/v1/customers/<customer_id>/erase"): (None, "admins", "customer"),
    ("GET", "/api/v1/erasures"): (None, "overseers", None),
    ("GET", "/api/v1/erasures/<erasure_id>"): (None, "overseers", "erasure"),
    ("GET", "/api/v1/corrections"): (None, "readers", None),
    ("GET", "/api/v1/messages/<message_id>/corrections"): (None, "readers", "message"),
    ("POST", "/api/v1/messages/<message_id>/corrections"): (
        {"field": "sentiment", "value": "positive"},
        "workers",
        "message",
    ),
    ("DELETE", "/api/v1/messages/<message_id>/corrections/<field>"): (None, "workers", "message"),
    ("POST", f"{DEED}/reanalyze"): (None, "leaders", "conversation"),
    ("POST", "/api/v1/reanalyses"): ({"message_ids": "own"}, "leaders", None),
    ("GET", "/api/v1/reanalyses"): ({"message_ids": "own"}, "readers", None),
    ("GET", "/api/v1/samples"): (None, "readers", None),
    ("POST", "/api/v1/samples/<message_id>/judge"): (None, "workers", "message"),
    ("GET", "/api/v1/examples"): (None, "overseers", None),
    ("GET", "/api/v1/examples/versions"): (None, "overseers", None),
    ("POST", "/api/v1/examples/check"): (None, "leaders", None),
    ("POST", "/api/v1/examples/publish"): ({"basis": "0" * 32}, "admins", None),
    ("GET", "/api/v1/examples/trials/<trial_id>"): (None, "overseers", "check"),
    ("POST", "/api/v1/examples/rollback"): (None, "admins", None),
    ("POST", "/api/v1/examples/reject"): ({"message_ids": "own"}, "leaders", None),
    ("DELETE", "/api/v1/examples/rejections/<message_id>"): (None, "leaders", "message"),
    ("POST", "/api/v1/laboratory/plan"): ({"texts": ["hello"]}, "leaders", None),
    ("POST", "/api/v1/laboratory/trials"): ({"texts": ["hello"]}, "leaders", None),
    ("GET", "/api/v1/laboratory/trials"): (None, "overseers", None),
    ("GET", "/api/v1/laboratory/trials/<trial_id>"): (None, "overseers", "trial"),
    ("POST", "/api/v1/sweeps/plan"): (None, "leaders", None),
    ("POST", "/api/v1/sweeps"): (None, "leaders", None),
    ("GET", "/api/v1/sweeps"): (None, "overseers", None),
    ("GET", "/api/v1/sweeps/<sweep_id>"): (None, "overseers", "sweep"),
    ("POST", "/api/v1/sweeps/<sweep_id>/pause"): (None, "leaders", "sweep"),
    ("POST", "/api/v1/sweeps/<sweep_id>/resume"): (None, "leaders", "sweep"),
    ("POST", "/api/v1/sweeps/<sweep_id>/cancel"): (None, "leaders", "sweep"),
    ("POST", "/api/v1/sweeps/<sweep_id>/approve"): (None, "leaders", "sweep"),
    ("GET", "/api/v1/sweeps/<sweep_id>/flips"): (None, "overseers", "sweep"),
}
# Whoever may call these is told that there is nothing to do it with.
NOTHING_TO_DO = {
    ("POST", "/api/v1/examples/check"), ("POST", "/api/v1/examples/publish"), ("POST", "/api/v1/examples/rollback"),
    ("POST", "/api/v1/sweeps"),
}  # fmt: skip
# Routes that note who read which conversation, by how many of the callers get to read.
NOTED = {DEED: 5, f"{DEED}/replies": 5, "/api/v1/messages/<message_id>/analyses": 5, "/api/v1/messages/<message_id>/sent": 5,
         "/api/v1/egress/<egress_id>": 4, "/api/v1/samples": 5}  # fmt: skip


def test_every_route_stands_in_the_matrix():
    assert {(method, path) for method, path, _ in routes()} == set(ROUTES)


@pytest.fixture(scope="module")
def filled(template, keyring, clone):
    """A database with two tenants that have one of everything each, to be cloned: its name, ids by whose they are, keys by caller."""
    ids, keys = {"random": RANDOM, "malformed": MALFORMED}, {}
    with clone(template) as url, psycopg.connect(url, autocommit=True) as owner:
        database = Database(url, pool_size=1)
        tenant_ids = dict(owner.execute("SELECT slug, id FROM tenant").fetchall())
        for which, slug in (("own", "acme"), ("other", "other")):
            tenant_id = tenant_ids[slug]
            ids[which] = fill(owner, tenant_id, slug) | add_webhook(database, tenant_id, keyring=keyring)
            ids[which] |= add_trials(owner, tenant_id, ids[which]["message"])
            add_agent(owner, tenant_id, email="colleague@example.com" if which == "own" else "theirs@example.com")
            with database.system_transaction() as conn:
                for role in ROLES:
                    user_id = int(ids[which]["agent"]) if role == "agent" else add_agent(owner, tenant_id, role=role)
                    key = create_api_key(conn, tenant_id=tenant_id, name=role, role=role, user_id=user_id)[1]
                    keys["stranger" if which == "other" and role == "admin" else f"{which} {role}"] = key
        database.close()
        owner.close()
        yield url.rpartition("/")[2], ids, keys


@pytest.fixture
def owner_database_url(filled, clone):
    with clone(filled[0]) as url:
        yield url


@pytest.fixture
def world(settings, filled, monkeypatch):
    """Two tenants with one of everything each; keys by caller."""
    monkeypatch.setattr("console.replies.ring_action", lambda **_: None)
    _, ids, keys = filled
    app = create_app({}, settings=settings)
    yield (
        app.test_client(),
        deepcopy(ids),
        {"none": None, "stranger": keys["stranger"]}
        | {role: keys[f"own {role}"] for role in ("agent", "auditor", "supervisor", "admin")},
    )
    app.extensions["database"].close()


def _expected(caller, which, *, rights, kind):
    """The status that the caller must get. "stranger" is the other tenant's admin: "own" is not theirs, "other" is."""
    if rights == "public":
        return 200
    if caller == "none":
        return 401
    role = "admin" if caller == "stranger" else caller
    if role == "auditor" and rights not in {"readers", "overseers"}:
        return 403
    if role == "agent" and rights in {"leaders", "overseers"}:
        return 403
    if role != "admin" and rights == "admins":
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
            if caller == "stranger" and kind == "conversation" and body and "email" in body:
                given = {"email": "theirs@example.com"}
            stand_as_before(owner, uncertain=path.endswith("/settle"))
            ready_for(owner, path)
            # What has no id is named as one's own tenant names it.
            named = ids["other" if caller == "stranger" and kind is None else which]
            filled = fill_path(path, named).replace("<field>", "sentiment")
            if body and body.get("message_ids") == "own":
                given["message_ids"] = [ids["other" if caller == "stranger" else "own"]["message"]]
            if method == "GET" and given:
                filled, given = f"{filled}?{urlencode(given, doseq=True)}", None
            head = {"Authorization": f"Bearer {keys[caller]}"} if keys[caller] else {}
            answer = client.open(filled, method=method, json=given, headers=head)
            got[caller, which] = answer.status_code
            expected[caller, which] = _expected(caller, which, rights=rights, kind=kind)
            if (method, path) == ("PUT", ACCOUNT) and expected[caller, which] == 404:
                # An account that nobody has is connected, by whoever comes first; another tenant's is refused, without a word whose it is.
                expected[caller, which] = 200 if which == "random" and caller == "admin" else 422
            if route in NOTHING_TO_DO and expected[caller, which] == 200:
                expected[caller, which] = 409
            if answer.status_code >= 400:
                assert answer.content_type == "application/problem+json" and "DROP" not in answer.text
            elif caller != "none":
                theirs, slug = ("own", "acme") if caller == "stranger" else ("other", "other")
                leaks = [
                    *marks(slug),
                    *(one for name, one in ids[theirs].items() if name not in {"agent", "key", "account"}),
                ]
                assert not any(leak in answer.text for leak in leaks)
    assert got == expected
    noted = owner.execute("SELECT count(*) FROM conversation_access").fetchone()[0] - before
    assert noted == (NOTED.get(path, 0) if method == "GET" else 0)
    # Nothing of a conversation was ever recorded in another tenant than its own.
    assert owner.execute(
        "SELECT count(*) FROM conversation_event AS e JOIN conversation AS c ON c.id = e.conversation_id "
        "WHERE e.tenant_id <> c.tenant_id"
    ).fetchone() == (0,)


def test_every_route_names_its_scope_and_a_narrowed_key_gets_no_further(world, database, tenant_ids):
    client, ids, _ = world
    assert set(MAY_CALL) <= set(SCOPE_OF)
    with database.system_transaction() as conn:
        keys = {
            (scope, is_only): create_api_key(
                conn,
                tenant_id=tenant_ids["acme"],
                name=f"{scope} {is_only}",
                role="admin",
                scopes=[scope] if is_only else [one for one in SCOPES if one != scope],
            )[1]
            for scope in SCOPES
            for is_only in (True, False)
        }
    for method, path, endpoint in routes():
        if path == DOCUMENT:
            continue
        filled, scope = fill_path(path, ids["random"]), SCOPE_OF[endpoint]
        for is_only in (True, False):
            head = {"Authorization": f"Bearer {keys[scope, is_only]}"}
            answer = client.open(filled, method=method, headers=head, json=ROUTES[method, path][0])
            refused = answer.status_code == 403 and answer.json["code"] == "scope_missing"
            assert refused is not is_only, (method, path, answer.status_code)


def test_the_description_says_which_scope_each_operation_takes(world):
    client, _, _ = world
    document = client.get(DOCUMENT).json
    for method, path, endpoint in routes():
        if path != DOCUMENT:
            operation = document["paths"][path.replace("<", "{").replace(">", "}")][method.lower()]
            assert operation["security"] == [{"api_key": [SCOPE_OF[endpoint]]}], path
    told = document["components"]["securitySchemes"]["api_key"]["description"]
    assert all(f"{scope}: {does}" in told for scope, does in SCOPES.items())
