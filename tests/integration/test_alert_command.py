"""`earshot alert` as people type it, and `tenant check` with targets that can't be told anything."""

import json

import pytest

from store.alerts import NewAlert, raise_alert
from tests.conftest import ACME
from tests.integration.test_label_commands import AGENT, TENANT, desk, earshot  # noqa: F401


@pytest.fixture
def alert_id(deps, tenant_ids):
    with deps.database.tenant_transaction(tenant_ids["acme"]) as conn:
        return raise_alert(conn, tenant_ids["acme"], NewAlert("churn", "churn:1", {"count": 2, "messages": []}))


def test_listing_showing_taking_and_putting_away(desk, earshot, alert_id):  # noqa: F811
    code, out, _ = earshot("alert", "list", *TENANT, "--json")
    row = json.loads(out)
    assert (code, row["id"], row["state"], row["queue"]) == (0, alert_id, "open", "customer_success")
    assert "A customer may leave: 2 negative messages in a row" in earshot("alert", "show", alert_id, *TENANT)[1]
    assert earshot("alert", "snooze", alert_id, *TENANT, *AGENT, "--hours", "2")[1].startswith("put away until ")
    assert earshot("alert", "list", *TENANT)[1] == "no alerts are open\n"
    assert earshot("alert", "ack", alert_id, *TENANT, *AGENT)[1] == "acknowledged\n"
    assert "nothing changed" in earshot("alert", "ack", alert_id, *TENANT, *AGENT)[1]
    assert json.loads(earshot("alert", "list", *TENANT, "--all", "--json")[1])["state"] == "acknowledged"


def test_another_tenant_and_a_stranger_may_not(desk, earshot, alert_id):  # noqa: F811
    assert earshot("alert", "show", alert_id, "--tenant", "other")[0] == 1
    assert earshot("alert", "ack", alert_id, *TENANT, "--by", "auditor@acme.example")[0] == 1


def test_a_bad_target_is_told_when_the_file_is_checked(tmp_path, earshot):  # noqa: F811
    for to, told in (
        ("json://10.0.0.1/s3cr3t", "inside the network"),
        ("slack://s3cr3t", "not a complete apprise URL"),
    ):
        file = tmp_path / "acme.toml"
        file.write_text(f'{ACME}[[alerts]]\nto = "{to}"\n')
        code, _, error = earshot("tenant", "check", str(file))
        assert code == 1 and "alerts.0.to" in error and told in error and "s3cr3t" not in error


def test_an_alert_says_where_to_look(desk, earshot, deps, tenant_ids):  # noqa: F811
    ids = ("01990000-0000-7000-8000-000000000001", "01990000-0000-7000-8000-000000000002")
    with deps.database.tenant_transaction(tenant_ids["acme"]) as conn:
        new = NewAlert("needs_person", "needs_person:1", conversation_id=ids[0], message_id=ids[1])
        alert_id = raise_alert(conn, tenant_ids["acme"], new)
    shown = earshot("alert", "show", alert_id, *TENANT)[1]
    assert all(one in shown for one in ids)


def test_who_is_set_available_is_there_and_a_skill_or_queue_that_is_none_is_told(desk, earshot, owner):  # noqa: F811
    who = (*TENANT, "--email", AGENT[1])
    assert earshot("agent", "set", *who, "--presence", "available", "--skill", "b2b")[0] == 0
    assert owner.execute("SELECT last_seen_at > now() - interval '1 minute' FROM agent").fetchone() == (True,)
    assert "a skill is lower case" in earshot("agent", "set", *who, "--skill", "Big Deals")[2]
    assert (
        'there is no queue "suport"; the nearest is "support"' in earshot("agent", "set", *who, "--queue", "suport")[2]
    )
