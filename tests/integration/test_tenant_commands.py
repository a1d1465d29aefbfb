"""`earshot tenant apply | export` where people change the same tenant in the console."""

import os

import pytest

from config.tenant_file import parse_tenant_file
from routing.settings_check import patch_settings
from store.tenant_settings import change_settings, get_settings
from tests.conftest import ACME

RICH = (
    ACME
    + """
[actions.webhook]
enabled = true
url = "https://hooks.acme.example/in"
secret = "acme-webhook-secret-of-24-characters"
[[alerts]]
to = "slack://xoxb-acme-slack-token/AAA/BBB/CCC"
name = "desk"
min_severity = "critical"
[[rules]]
name = "vip_first"
because = "Our best customers come first."
when = { tier = ["gold"] }
then = { queue = "senior", priority = "P1" }
"""
)


@pytest.fixture
def path(tmp_path, tenant_ids):
    path = tmp_path / "acme.toml"
    path.write_text(RICH, encoding="utf-8")
    return path


def change_in_console(database, tenant_id):
    with database.system_transaction() as conn:
        settings = get_settings(conn, tenant_id)
        changed = patch_settings(
            settings.config,
            {"thresholds": {"escalate": 0.9}},
            allow_private_urls=False,
            stored_secrets=["webhook"],
        )
        change_settings(conn, tenant_id, changed=changed, seen_version=None, by=None, changed_in="console")


def test_a_file_that_would_take_back_a_change_is_not_applied(earshot, path, database, tenant_ids):
    assert earshot("tenant", "apply", str(path))[0] == 0
    change_in_console(database, tenant_ids["acme"])
    code, _, told = earshot("tenant", "apply", str(path))
    assert code == 1 and "thresholds.escalate" in told and "--overwrite" in told and "nothing was applied" in told
    with database.system_transaction() as conn:
        assert get_settings(conn, tenant_ids["acme"]).config.thresholds.escalate == 0.9
    assert earshot("tenant", "apply", str(path), "--overwrite")[0] == 0
    with database.system_transaction() as conn:
        assert get_settings(conn, tenant_ids["acme"]).config.thresholds.escalate == 0.7


def test_what_is_exported_can_be_applied_and_holds_no_secret(earshot, path, database, tenant_ids, monkeypatch):
    assert earshot("tenant", "apply", str(path))[0] == 0
    change_in_console(database, tenant_ids["acme"])
    code, text, told = earshot("tenant", "export", "acme")
    assert code == 0, told
    for secret in ("acme-secret", "acme-verify", "acme-token", "acme-webhook-secret", "xoxb", "acme-hubspot"):
        assert secret not in text
    given = {}
    for line in text.splitlines():
        if '"env:' in line and not line.startswith("#"):
            given[line.split('"env:')[1].split('"')[0]] = (
                "slack://xoxb-acme-slack-token/AAA/BBB/CCC" if "ALERTS" in line else "s" * 30
            )
    before = parse_tenant_file(RICH, source="test", environ={})
    after = parse_tenant_file(text, source="export", environ={**os.environ, **given})
    settings = {"thresholds", "rules", "actions", "hours", "name", "industry", "default_region"}
    assert after.thresholds.escalate == 0.9
    assert after.model_dump(include=settings - {"thresholds"}) == before.model_dump(include=settings - {"thresholds"})
    assert [(one.kind, one.account_id, one.login) for one in after.channels] == [
        (one.kind, one.account_id, one.login) for one in sorted(before.channels, key=lambda one: one.kind)
    ]
    path.write_text(text, encoding="utf-8")
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert earshot("tenant", "apply", str(path))[0] == 0  # it knows of the change


def test_an_unknown_tenant_is_told(earshot, tenant_ids):
    code, _, told = earshot("tenant", "export", "nobody")
    assert code == 1 and "nobody" in told
