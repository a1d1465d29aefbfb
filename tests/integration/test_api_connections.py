"""Connecting channels, CRM and alert targets through the API: secrets go in and never come out, two tenants, double calls."""

import json

import pytest

from store.channel_accounts import list_receiving_accounts
from tests.integration.test_api import acme, app, call, new_key  # noqa: F401 -- fixtures

APP_SECRET = "0123456789abcdef0123456789abcdef"
BODY = {
    "app_secret": f' "{APP_SECRET}" ',
    "access_token": "EAAGm0PX4ZCpsBAKZBexample",
    "verify_token": "my-own-verify-token",
}
SECRETS = (
    APP_SECRET,
    BODY["access_token"],
    BODY["verify_token"],
    "pat-eu1-1234567890abcdef",
    "TIiajkdnlazkcOXrIdevi7FQ",
)


@pytest.fixture(autouse=True)
def rung(monkeypatch):
    told = []
    for place in ("console.errand_desk.ring_errand",):
        monkeypatch.setattr(place, lambda kind, **names: told.append((kind, names["errand_id"])))
    return told


@pytest.fixture
def key(new_key):  # noqa: F811
    return new_key("admin")


def test_a_channel_is_connected_rotated_and_removed(call, key, database, keyring, owner, acme):  # noqa: F811
    path = "/channels/whatsapp/555000555"
    first = call(key, "PUT", path, BODY)
    assert first.status_code == 200, first.text
    assert first.json == {"subject": "whatsapp:555000555", "is_new": True, "cleaned": ["app_secret"]}
    assert call(key, "PUT", path, {"mark_read": True}).json["is_new"] is False
    signs = call(key, "GET", f"{path}/signs").json
    assert signs == {"handshake_at": None, "webhook_at": None, "message_at": None, "is_read": False, "refusals": []}
    assert call(key, "POST", f"{path}/rotate", {"app_secret": "n" * 32}).status_code == 200
    with database.system_transaction() as conn:
        stored = {one.account_id: one for one in list_receiving_accounts(conn, keyring=keyring)}["555000555"]
    assert stored.app_secrets == ("n" * 32, APP_SECRET) and stored.verify_token == BODY["verify_token"]
    assert call(key, "POST", f"{path}/rotate", {"drop_old": True}).status_code == 200
    assert call(key, "POST", f"{path}/rotate", {}).json["code"] == "invalid_channel"
    assert call(key, "DELETE", path).status_code == 200
    assert call(key, "DELETE", path).status_code == 404
    by = owner.execute("SELECT DISTINCT by_key_id IS NOT NULL FROM audit_log WHERE tenant_id = %s", (acme,)).fetchall()
    assert by == [(True,)]
    assert owner.execute("SELECT changed_in FROM tenant WHERE id = %s", (acme,)).fetchone() == ("api",)


def test_no_answer_error_log_or_stored_answer_holds_a_secret(call, key, owner, capfd, rung):  # noqa: F811
    answers = [
        call(key, "PUT", "/channels/whatsapp/555000555", BODY, **{"Idempotency-Key": "one"}),
        call(key, "PUT", "/channels/whatsapp/555000555", BODY, **{"Idempotency-Key": "one"}),
        call(key, "PUT", "/channels/whatsapp/222000222", BODY),
        call(key, "PUT", "/channels/whatsapp/555", {**BODY, "nonsense": APP_SECRET}),
        call(key, "PUT", "/crm/connection", {"kind": "hubspot", "token": "pat-eu1-1234567890abcdef"}),
        call(key, "PUT", "/crm/connection", {"kind": "zoho", "client_secret": APP_SECRET, "client_id": "x"}),
        call(key, "PUT", "/alert-targets/desk", {"to": "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"}),
        call(key, "PUT", "/alert-targets/desk", {"to": "jsons://10.0.0.8/TIiajkdnlazkcOXrIdevi7FQ"}),
    ]
    assert [one.status_code for one in answers] == [200, 200, 422, 422, 200, 422, 200, 422]
    assert answers[1].headers["Idempotency-Replayed"] == "true"
    stored = json.dumps(owner.execute("SELECT answer FROM api_write").fetchall())
    log = json.dumps(owner.execute("SELECT deed, subject, details FROM audit_log").fetchall())
    printed = "".join(capfd.readouterr())
    for secret in SECRETS:
        assert not any(secret in one.text for one in answers)
        assert secret not in stored + log + printed
    assert "other" not in answers[2].json["fix"].lower().replace("another", "")


def test_checks_are_errands_and_one_key_sends_a_worker_once(call, key, owner, rung, new_key, tenant_ids):  # noqa: F811
    once = {"Idempotency-Key": "check-1"}
    first, again = (call(key, "POST", "/crm/connection/check", {"provision": True}, **once) for _ in range(2))
    assert first.json == again.json and [kind for kind, _ in rung] == ["crm"]
    assert call(key, "GET", f"/errands/{first.json['id']}").json["state"] == "waiting"
    assert (
        call(new_key("admin", tenant_id=tenant_ids["other"]), "GET", f"/errands/{first.json['id']}").status_code == 404
    )
    assert call(key, "POST", "/channels/whatsapp/111000111/check").json["kind"] == "token"
    assert call(key, "POST", "/alert-targets/nobody/test").status_code == 404
    assert owner.execute("SELECT count(*) FROM errand").fetchone() == (2,)


def test_the_set_up_can_be_read(call, key):  # noqa: F811
    state = call(key, "GET", "/onboarding").json
    assert [one["step"] for one in state["steps"]] == ["industry", "topics", "channel", "crm", "thresholds"]
    assert {one["step"]: one["state"] for one in state["steps"]}["channel"] == "done" and not state["is_over"]
