"""/webhooks of the API: secrets shown once, changes checked, deliveries told again; and the events in the document."""

from uuid import uuid4

import jsonschema
import pytest

from channels.guarded_http import GuardedHttp
from console.app import create_app
from routing.webhook_events import EVENTS
from store.users import create_api_key
from tests.http_receiver import HttpReceiver
from tests.integration.webhook_desk import alarm, is_signed, serve

API = "/api/v1"
GOOD = {"url": "https://hooks.acme.example/in?key=s3cr3t", "kinds": ["alert.raised"], "description": "Shop"}


@pytest.fixture
def endpoint():
    receiver = HttpReceiver()
    yield receiver
    receiver.stop()


@pytest.fixture
def deps(deps):
    deps.__dict__["guarded_http"] = GuardedHttp(timeout_s=1, allow_private_addresses=True)
    return deps


@pytest.fixture(params=[False])
def app(request, settings):
    app = create_app({}, settings=settings.model_copy(update={"allow_private_urls": request.param}))
    yield app
    app.extensions["database"].close()


@pytest.fixture
def call(app, database, tenant_ids):
    """call("POST", "/webhooks", body, role="admin", header=value …)."""
    client, keys = app.test_client(), {}
    with database.system_transaction() as conn:
        for role in ("agent", "supervisor", "auditor", "admin"):
            keys[role] = create_api_key(conn, tenant_id=tenant_ids["acme"], name=role, role=role, user_id=None)[1]

    def send(method, path, body=None, *, role="admin", **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named["Authorization"] = f"Bearer {keys[role]}"
        return client.open(API + path, method=method, json=body, headers=named)

    return send


private = pytest.mark.parametrize("app", [True], indirect=True)


@private
def test_a_program_subscribes_gets_a_secret_and_can_check_what_comes(call, deps, owner, endpoint, tenant_ids):
    made = call("POST", "/webhooks", GOOD | {"url": endpoint.url()}).json
    assert made["secret"].startswith("whsec_") and made["state"] == "active"
    alarm(deps, tenant_ids["acme"], 1)
    serve(deps)
    (got,) = endpoint.received
    assert is_signed(got, made["secret"])
    (delivery,) = call("GET", f"/webhooks/{made['id']}/deliveries").json["deliveries"]
    assert (delivery["state"], delivery["status"], delivery["kind"]) == ("delivered", 200, "alert.raised")
    again = call("POST", f"/webhooks/{made['id']}/deliveries/{delivery['id']}/replay")
    assert (again.status_code, again.json["state"]) == (200, "pending")
    tested = call("POST", f"/webhooks/{made['id']}/test").json
    assert tested["kind"] == "webhook.test"
    serve(deps)
    assert [one.json["type"] for one in endpoint.received] == ["alert.raised", "alert.raised", "webhook.test"]


def test_the_secret_is_shown_once_and_is_nowhere_else(call, owner):
    made = call("POST", "/webhooks", GOOD, Idempotency_Key="one").json
    again = call("POST", "/webhooks", GOOD, Idempotency_Key="one")
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json == made | {"secret": None} and made["secret"]
    assert len(call("GET", "/webhooks").json["webhooks"]) == 1
    read = call("GET", f"/webhooks/{made['id']}").json
    assert "secret" not in read and read["url"] == GOOD["url"]
    rotated = call("POST", f"/webhooks/{made['id']}/rotate-secret", Idempotency_Key="two").json
    assert rotated["secret"] not in {made["secret"], None} and rotated["old_secret_until"]
    stored = owner.execute("SELECT string_agg(w::text, ' ') FROM api_write AS w").fetchone()[0]
    assert "whsec_" not in stored


def test_only_admins_see_the_whole_address(call):
    made = call("POST", "/webhooks", GOOD).json
    for role in ("supervisor", "auditor"):
        read = call("GET", f"/webhooks/{made['id']}", role=role).json
        assert read["url"] is None and read["host"] == "hooks.acme.example"
        assert "s3cr3t" not in call("GET", "/webhooks", role=role).text
    assert call("GET", "/webhooks", role="agent").status_code == 403


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"url": "http://hooks.acme.example/in"}, "url"),
        ({"url": "https://169.254.169.254/latest/meta-data"}, "url"),
        ({"url": "https://localhost/s3cr3t"}, "url"),
        ({"url": "https://u:p@hooks.acme.example/"}, "url"),
        ({"url": "x" * 2001}, "url"),
        ({"kinds": []}, "kinds"),
        ({"kinds": ["message.read"]}, "kinds.0"),
        ({"description": "a\u0000b"}, "description"),
        ({"include_text": "yes"}, "include_text"),
        ({"secret": "mine"}, "secret"),
    ],
)
def test_what_is_wrong_is_named_and_never_quoted(call, change, field):
    refused = call("POST", "/webhooks", GOOD | change)
    assert (refused.status_code, refused.json["field"]) == (422, field)
    assert "s3cr3t" not in refused.text
    made = call("POST", "/webhooks", GOOD).json
    refused = call("PATCH", f"/webhooks/{made['id']}", change)
    assert (refused.status_code, refused.json["field"]) == (422, field)
    assert call("GET", f"/webhooks/{made['id']}").json["url"] == GOOD["url"]


def test_what_a_change_leaves_out_stays(call):
    made = call("POST", "/webhooks", GOOD | {"include_text": True}).json
    path = f"/webhooks/{made['id']}"
    changed = call("PATCH", path, {"kinds": ["label.corrected", "message.analyzed"]}).json
    assert changed["kinds"] == ["message.analyzed", "label.corrected"]
    assert (changed["url"], changed["description"], changed["include_text"]) == (GOOD["url"], "Shop", True)
    assert call("PATCH", path, {"state": "paused", "description": ""}).json["paused_because"] == "by_hand"
    refused = call("POST", f"{path}/test")
    assert (refused.status_code, refused.json["code"]) == (409, "not_active")
    resumed = call("PATCH", path, {"state": "active"}).json
    assert (resumed["state"], resumed["paused_because"], resumed["description"]) == ("active", None, "")
    assert call("DELETE", path).json == {"id": made["id"]}
    assert call("GET", path).status_code == call("DELETE", path).status_code == 404
    assert call("GET", "/webhooks").json == {"webhooks": []}


def test_a_twenty_first_is_refused(call):
    for _ in range(20):
        assert call("POST", "/webhooks", GOOD).status_code == 200
    refused = call("POST", "/webhooks", GOOD)
    assert (refused.status_code, refused.json["code"]) == (409, "too_many_webhooks")


@private
def test_deliveries_come_in_pages_by_state_and_failed_ones_are_told_again(call, deps, owner, endpoint, tenant_ids):
    made = call("POST", "/webhooks", GOOD | {"url": endpoint.url()}).json
    for number in range(7):
        alarm(deps, tenant_ids["acme"], number)
    owner.execute("UPDATE webhook_delivery SET state = 'failed', tries = 11, status = 500, settled_at = now()")
    path, seen, cursor = f"/webhooks/{made['id']}", [], ""
    while cursor is not None:
        page = call("GET", f"{path}/deliveries?limit=3&state=failed{cursor and '&cursor=' + cursor}").json
        seen += [one["id"] for one in page["deliveries"]]
        cursor = page["next_cursor"]
    assert len(seen) == 7 and seen == sorted(seen, reverse=True)
    assert call("GET", f"{path}/deliveries?state=pending").json["deliveries"] == []
    assert call("GET", f"{path}/deliveries?cursor=nonsense").status_code == 422
    assert call("POST", f"{path}/replay", {"since": "2099-01-01T00:00:00Z"}).json == {"replayed": 0}
    assert call("POST", f"{path}/replay", {"since": "2026-01-01T00:00:00"}).status_code == 422  # no offset
    assert call("POST", f"{path}/replay", {"since": "2026-01-01T00:00:00Z"}, Idempotency_Key="r").json == {
        "replayed": 7
    }
    serve(deps)
    assert len(endpoint.received) == 7
    assert call("POST", f"{path}/replay", {"since": "2026-01-01T00:00:00Z"}, Idempotency_Key="r").json == {
        "replayed": 7
    }
    assert call("POST", f"{path}/deliveries/{uuid4()}/replay").status_code == 404


@private
def test_the_document_describes_each_event_as_it_is_sent(call, app, deps, endpoint, tenant_ids):
    document = app.test_client().get(f"{API}/openapi.json").json
    assert set(document["webhooks"]) == {event.model_fields["type"].default for event in EVENTS}
    webhook_id = call("POST", "/webhooks", GOOD | {"url": endpoint.url()}).json["id"]
    alarm(deps, tenant_ids["acme"], 1)
    call("POST", f"/webhooks/{webhook_id}/test")
    serve(deps)
    assert len(endpoint.received) == 2
    for got in endpoint.received:
        operation = document["webhooks"][got.json["type"]]["post"]
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        jsonschema.Draft202012Validator({**schema, "components": document["components"]}).validate(got.json)
        headers = {name.lower() for name in got.headers}
        assert {one["name"] for one in operation["parameters"]} <= headers


def test_who_changed_what_is_in_the_audit_log(call, owner):
    made = call("POST", "/webhooks", GOOD).json
    call("PATCH", f"/webhooks/{made['id']}", {"description": "x"})
    rows = owner.execute(
        "SELECT deed, by_key_id IS NOT NULL, subject, details::text FROM audit_log WHERE deed LIKE 'webhook%' ORDER BY id"
    ).fetchall()
    assert [row[:3] for row in rows] == [("webhook_added", True, made["id"]), ("webhook_changed", True, made["id"])]
    assert "s3cr3t" not in str(rows)
