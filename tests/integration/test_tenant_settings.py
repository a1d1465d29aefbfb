"""Settings that are changed in the console: versions, two who change at once, the log, and the file that must not take them back."""

import threading

import psycopg
import pytest

from config.tenant_file import parse_tenant_file
from routing.settings_check import patch_settings
from store.conversation_events import Actor
from store.db import act_for_tenant
from store.tenant_settings import (
    change_settings,
    find_version_config,
    get_settings,
    list_lost_changes,
    list_versions,
    note_changed_part,
)
from store.tenants import apply_tenant
from tests.conftest import ACME
from tests.integration.workplace import add_person


@pytest.fixture
def acme(tenant_ids):
    return tenant_ids["acme"]


def change(database, tenant_id, patch, *, seen, by=None):
    with database.system_transaction() as conn:
        act_for_tenant(conn, tenant_id)
        changed = patch_settings(get_settings(conn, tenant_id).config, patch, allow_private_urls=False)
        return change_settings(conn, tenant_id, changed=changed, seen_version=seen, by=by, changed_in="console")


def test_a_change_makes_a_version_with_who_changed_what(database, owner, acme):
    ann = add_person(owner, acme, role="admin", email="ann@acme.example")
    assert change(database, acme, {"thresholds": {"escalate": 0.9}}, seen=1, by=Actor(user_id=ann)) == 2
    with database.system_transaction() as conn:
        settings = get_settings(conn, acme)
        assert (settings.config.thresholds.escalate, settings.version, settings.changed_in) == (0.9, 2, "console")
        newest, first = list_versions(conn, acme, limit=10)
        assert (newest.version, newest.by_email, newest.changed_in) == (2, "ann@acme.example", "console")
        assert [(one.path, one.before, one.after) for one in newest.changed] == [("thresholds.escalate", 0.7, 0.9)]
        assert (first.version, first.changed) == (1, ())
        assert find_version_config(conn, acme, 1).thresholds.escalate == 0.7
    assert owner.execute("SELECT tenant_id, by_user_id, deed, subject, details FROM audit_log").fetchall() == [
        (acme, ann, "settings_changed", "version:2", {"changed_in": "console", "paths": ["thresholds.escalate"]})
    ]


def test_of_two_who_have_seen_the_same_version_one_is_refused(database, acme):
    done = []

    def one(value):
        done.append(change(database, acme, {"thresholds": {"escalate": value}}, seen=1))

    threads = [threading.Thread(target=one, args=(value,)) for value in (0.8, 0.9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done, key=str) == [2, None]


def test_nothing_changed_is_no_version(database, owner, acme):
    assert change(database, acme, {"thresholds": {"escalate": 0.7}}, seen=1) == 1
    assert owner.execute("SELECT count(*) FROM tenant_version").fetchone() == (0,)


def test_versions_and_log_can_only_grow(app_url, acme, database):
    change(database, acme, {"tone": "kind"}, seen=1)
    for statement in ("UPDATE audit_log SET deed = 'x'", "DELETE FROM audit_log", "DELETE FROM tenant_version"):
        with psycopg.connect(app_url) as conn:
            conn.execute("SELECT set_config('earshot.scope', 'system', true)")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute(statement)


def test_a_tenant_sees_only_its_own_versions_and_log(database, tenant_ids, acme):
    change(database, acme, {"tone": "kind"}, seen=1)
    with database.tenant_transaction(tenant_ids["other"]) as conn:
        assert conn.execute("SELECT count(*) FROM audit_log").fetchone() == (0,)
        assert conn.execute("SELECT count(*) FROM tenant_version").fetchone() == (0,)


def test_a_file_is_told_what_it_would_take_back(database, acme, keyring):
    config = parse_tenant_file(ACME, source="test", environ={})
    with database.system_transaction() as conn:
        assert list_lost_changes(conn, config) == []
    change(database, acme, {"thresholds": {"escalate": 0.9}}, seen=1)
    with database.system_transaction() as conn:
        assert list_lost_changes(conn, config) == ["thresholds.escalate"]
        # What knows of the change may be applied, and then the file has the last word again.
        known = config.model_copy(update={"thresholds": config.thresholds.model_copy(update={"escalate": 0.9})})
        assert list_lost_changes(conn, known) == []
        apply_tenant(conn, known, keyring=keyring)
        assert list_lost_changes(conn, config) == []


def test_accounts_that_were_added_in_the_console_are_named(database, acme, owner):
    text = ACME.partition("[[channels]]")
    few = parse_tenant_file(text[0], source="test", environ={})
    with database.system_transaction() as conn:
        note_changed_part(conn, acme, part="whatsapp:1", deed="channel_added", by=None, changed_in="console")
        lost = list_lost_changes(conn, few)
    assert any(one.startswith("channels whatsapp:") for one in lost), lost
