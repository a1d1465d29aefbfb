"""/settings by the API: a patch with the version that was read, all that is wrong at once, trying, versions, and the secret."""

import json

import pytest

from console.app import create_app
from store.action_secrets import find_action_secret
from store.tenant_settings import get_settings
from store.users import create_api_key
from tests.integration.histories import Player, any_events, set_config
from worker.deps import TenantConfigs

URL = "/api/v1/settings"
PROBLEM = "application/problem+json"


@pytest.fixture
def acme(tenant_ids):
    return tenant_ids["acme"]


@pytest.fixture
def call(settings, database, acme):
    """call(method, path, body, role=…, key=…): an answer of the API."""
    app = create_app({}, settings=settings)
    keys = {}
    with database.system_transaction() as conn:
        for role in ("agent", "supervisor", "admin", "auditor"):
            keys[role] = create_api_key(conn, tenant_id=acme, name=role, role=role)[1]

    def do(method, path="", body=None, *, role="admin", raw=None, **headers):
        head = {
            "Authorization": f"Bearer {keys[role]}",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        if raw is not None:
            return app.test_client().open(
                URL + path, method=method, data=raw, content_type="application/json", headers=head
            )
        return app.test_client().open(URL + path, method=method, json=body, headers=head)

    yield do
    app.extensions["database"].close()


def change(call, changes, *, version=1, **more):
    return call("PATCH", "", {"version": version, "changes": changes}, **more)


def test_a_patch_is_stored_with_who_and_counts_at_once(call, database, owner, acme, tenant_ids):
    before = call("GET").json
    assert before["version"] == 1 and before["settings"]["thresholds"]["escalate"] == 0.7
    assert not {"channels", "crm", "alerts"} & set(before["settings"])
    done = change(call, {"thresholds": {"escalate": 0.9}, "tone": "warm"})
    assert done.status_code == 200 and done.json["version"] == 2 and done.json["changed_in"] == "api"
    assert TenantConfigs(database).get(acme).thresholds.escalate == 0.9
    assert TenantConfigs(database).get(tenant_ids["other"]).thresholds.escalate == 0.7
    assert change(call, {"tone": None}, version=2).json["settings"]["tone"] == ""
    (newest, *_, first) = call("GET", "/versions").json["versions"]
    assert (newest["by"], newest["changes"]) == ("admin", [{"path": "tone", "before": "warm", "after": ""}])
    assert first["version"] == 1
    deeds = owner.execute("SELECT deed, by_key_id IS NOT NULL, details ->> 'changed_in' FROM audit_log").fetchall()
    assert deeds == [("settings_changed", True, "api")] * 2


def test_who_is_second_is_refused_and_told_what_changed(call):
    change(call, {"thresholds": {"unsure": 0.3}})
    late = change(call, {"tone": "warm"})
    assert (late.status_code, late.content_type) == (409, PROBLEM)
    assert (late.json["code"], late.json["version"], late.json["changed"]) == (
        "changed_meanwhile",
        2,
        ["thresholds.unsure"],
    )
    assert call("GET").json["settings"]["tone"] == ""


def test_everything_that_is_wrong_is_told_at_once_with_its_path(call):
    bad = {
        "thresholds": {"escalate": 7, "unsure": "much"},
        "hours": {"weekdays": {"mon": "25:00-26:00"}},
        "rules": [{"name": "Bad Name", "because": "x", "when": {}, "then": {"queue": "senior", "priority": "P9"}}],
        "no_such": 1,
    }
    refused = change(call, bad)
    assert (refused.status_code, refused.content_type) == (422, PROBLEM)
    told = {one["field"] for one in refused.json["errors"]}
    assert {
        "thresholds.escalate",
        "thresholds.unsure",
        "hours.weekdays.mon",
        "rules.0.name",
        "rules.0.then.priority",
        "no_such",
    } <= told
    assert "Bad Name" not in refused.text and "much" not in refused.text
    assert call("GET").json["version"] == 1
    for name in ("slug", "channels", "crm", "alerts"):
        assert change(call, {name: "x"}).json["field"] == name
    dead = {
        "name": "never",
        "because": "x",
        "when": {"min_score": 0.9, "max_score": 0.6},
        "then": {"queue": "senior", "priority": "P1"},
    }
    assert "can never decide" in change(call, {"rules": [dead]}).json["fix"]


def test_an_idempotency_key_changes_once(call):
    for _ in range(2):
        done = change(call, {"tone": "warm"}, Idempotency_Key="one")
        assert done.status_code == 200 and done.json["version"] == 2
    assert change(call, {"tone": "cold"}, Idempotency_Key="one").json["code"] == "key_reused"


def test_supervisors_change_what_is_theirs(call):
    assert change(call, {"thresholds": {"escalate": 0.8}}, role="supervisor").status_code == 200
    refused = change(call, {"tone": "warm", "budget": {"daily_usd": 5}}, version=2, role="supervisor")
    assert (refused.status_code, refused.json["code"], refused.json["paths"]) == (
        403,
        "role_may_not",
        ["budget.daily_usd"],
    )
    assert call("GET").json["settings"]["tone"] == ""
    change(call, {"budget": {"daily_usd": 5}}, version=2)
    assert call("POST", "/versions/1/restore", {"version": 3}, role="supervisor").status_code == 403
    assert call("PUT", "/actions/webhook/secret", {"secret": "s" * 30}, role="supervisor").status_code == 403
    assert call("GET", role="agent").status_code == 403 and call("GET", role="auditor").status_code == 200


def test_a_version_is_restored_as_a_new_one(call, database, acme):
    change(call, {"thresholds": {"escalate": 0.8}})
    change(call, {"thresholds": {"escalate": 0.9}}, version=2)
    assert call("POST", "/versions/1/restore", {"version": 2}).status_code == 409
    done = call("POST", "/versions/1/restore", {"version": 3})
    assert done.json["version"] == 4 and done.json["settings"]["thresholds"]["escalate"] == 0.7
    assert call("POST", "/versions/77/restore", {"version": 4}).status_code == 404
    page = call("GET", "/versions?limit=2").json
    assert [one["version"] for one in page["versions"]] == [4, 3] and page["next_before"] == 3
    assert [one["version"] for one in call("GET", "/versions?before=3").json["versions"]] == [2, 1]
    with database.tenant_transaction(acme) as conn:
        assert get_settings(conn, acme).config.thresholds.escalate == 0.7


def test_the_webhooks_secret_is_set_and_never_read(call, database, acme, keyring, owner):
    secret = "secret-of-more-than-24-chars"
    refused = change(call, {"actions": {"webhook": {"mode": "auto", "url": "https://hooks.acme.example/T0KEN"}}})
    assert refused.status_code == 422 and "secret" in refused.json["fix"]
    for wrong in ("short", "ä" * 30, "x" * 201, "with blank " * 3, ""):
        told = call("PUT", "/actions/webhook/secret", {"secret": wrong})
        assert told.status_code == 422 and (not wrong or wrong not in told.text)
    assert call("PUT", "/actions/webhook/secret", {"secret": secret}).json == {"kind": "webhook"}
    with database.system_transaction() as conn:
        assert find_action_secret(conn, acme, "webhook", keyring=keyring) == secret
    done = change(call, {"actions": {"webhook": {"mode": "auto", "url": "https://hooks.acme.example/T0KEN"}}})
    assert (
        done.status_code == 200
        and done.json["secrets"] == ["webhook"]
        and done.json["webhook_host"] == "hooks.acme.example"
    )
    for text in (
        done.text,
        call("GET").text,
        call("GET", "/versions").text,
        str(owner.execute("SELECT * FROM audit_log").fetchall()),
    ):
        assert secret not in text and "T0KEN" not in text
    # What was read may be sent back: the address stays.
    assert change(call, {"actions": done.json["settings"]["actions"]}, version=2).json["version"] == 2


def test_settings_are_tried_on_history_and_nothing_is_stored(call, deps, owner, receive, acme):
    set_config(owner, deps, acme, industry="ecommerce")
    Player(deps, owner, receive, slug="acme", account="111000111", tenant_id=acme).play(any_events(1, count=60))
    version = call("GET").json["version"]
    told = call("POST", "/simulate", {"changes": {"thresholds": {"escalate": 0.99}}, "days": 7}).json
    assert told["fewer_p1"]["messages"] > 0 and told["moved"] >= told["fewer_p1"]["messages"] and not told["is_cut"]
    assert told["kinds_of_change"][0]["examples"] and "escalate at 0.99" in told["sentence"]
    assert call("POST", "/simulate", {"changes": {}}).json["moved"] == 0
    assert (
        call("POST", "/simulate", {"changes": {"thresholds": {"escalate": 7}}}).json["field"] == "thresholds.escalate"
    )
    for days in (0, 367, 10**30, "x", None):
        assert call("POST", "/simulate", {"changes": {}, "days": days}).status_code == 422
    assert call("GET").json["version"] == version and owner.execute("SELECT count(*) FROM audit_log").fetchone() == (0,)


def body_of(name, value):
    return '{"version": 1, "changes": {"' + name + '": ' + value + "}}"


def deep(levels):
    return "[" * levels + "]" * levels


@pytest.mark.parametrize(
    "raw",
    [
        "", "[]", "null", "7", '{"version": 1}', '{"changes": {}}', '{"version": 1, "changes": []}', '{"version": 1, "changes": {}, "x": 1}',
        '{"version": 1, "changes": {"tone": "a\\u0000b"}}', '{"version": 1, "changes": {"tone": "\\ud800"}}',
        '{"version": 1, "changes": {"a\\u0000b": 1}}', body_of("tone", deep(30)),
        body_of("tone", deep(20000)), '{"version": 1, "changes": {"thresholds": {"escalate": 1e999}}}',
        '{"version": 1, "changes": {"thresholds": {"escalate": NaN}}}', body_of("context_turns", ("9" * 4000)),
        '{"version": 99999999999, "changes": {}}', '{"version": "one", "changes": {}}', body_of("tone", json.dumps("w" * 4096)),
        body_of("rules", json.dumps([{"name": "x"}] * 3000)),
        '{"version": 1, "changes": {"actions": {"no_such": {"mode": "auto"}}}}', '{"version": 1, "changes": {"rules": {"0": 1}}}',
        '{"version": 1, "changes": {"__class__": {"x": 1}}}',
    ],
)  # fmt: skip
def test_bodies_that_are_none_are_refused_and_change_nothing(call, raw):
    refused = call("PATCH", "", raw=raw)
    assert (refused.status_code, refused.content_type) == (422, PROBLEM), refused.text[:300]
    assert len(refused.text) < 20_000 and "wwww" not in refused.text
    assert call("GET").json["version"] == 1


def test_a_body_over_64_kib_is_refused(call):
    assert call("PATCH", "", raw=json.dumps({"version": 1, "changes": {"tone": "w" * 70_000}})).status_code == 413


def test_hostile_words_stand_as_words(call):
    for number, text in enumerate(("<script>alert(1)</script>", "\u202egnisrever", "{0}%(n)s", "ا" * 200), start=1):
        assert change(call, {"tone": text}, version=number).json["settings"]["tone"] == text
