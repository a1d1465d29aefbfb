"""Alerts reach people where they look, through apprise itself, once, and never as a flood; nothing leads into our network."""

import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from config.tenant_file import TenantFileError, parse_tenant_file
from store.alert_deliveries import claim_target, release_target
from store.alerts import NewAlert, acknowledge_alert, raise_alert, snooze_alert
from store.tenants import apply_tenant, get_tenant_config
from tests.conftest import ACME
from worker.deps import build_deps
from worker.notify import announce, notify

NOW = datetime.now(UTC)


@pytest.fixture
def hook():
    """A server that plays a webhook. answer: the status of the next answers, then 200."""

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.server.received.append((self.path, json.loads(body)))
            status = self.server.answers.pop(0) if self.server.answers else 200
            self.send_response(status)
            if status == 302:
                self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/elsewhere")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    server.received, server.answers = [], []
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def open_deps(settings):
    """Dependencies of an installation whose tenants may name hosts in its own network."""
    deps = build_deps(settings.model_copy(update={"allow_private_urls": True}))
    yield deps
    deps.database.close()


@pytest.fixture
def want(deps, hook, keyring):
    """Apply the tenant with this target."""

    def apply(more="", *, to=None):
        to = to or f"json://127.0.0.1:{hook.server_port}/hook"
        config = parse_tenant_file(f'{ACME}[[alerts]]\nto = "{to}"\n{more}', source="t", environ={})
        with deps.database.system_transaction() as conn:
            return apply_tenant(conn, config, keyring=keyring)

    return apply


def alarm(deps, tenant_id, number=1, *, kind="churn", **more):
    with deps.database.tenant_transaction(tenant_id) as conn:
        return raise_alert(conn, tenant_id, NewAlert(kind, f"{kind}:{number}", {"count": 2}, **more))


def rounds(deps, owner, count=1):
    """Rounds with the pauses between them over."""
    for _ in range(count):
        owner.execute("UPDATE alert_target SET sent_at = NULL, busy_until = NULL")
        owner.execute("UPDATE alert_delivery SET next_at = now() WHERE next_at < now() + interval '2 hours'")
        notify(deps, now=NOW)


def states(owner):
    return owner.execute("SELECT state, tries, error_code FROM alert_delivery ORDER BY id").fetchall()


def test_the_url_stands_encrypted_and_nowhere_else(owner, want, deps):
    tenant_id = want(to="json://user:s3cr3t@hooks.example/x")
    row = owner.execute(
        "SELECT t.config::text, a.config::text, a.url, a.service FROM tenant t JOIN alert_target a ON a.tenant_id = t.id"
    ).fetchone()
    assert "s3cr3t" not in row[0] + row[1] and b"s3cr3t" not in bytes(row[2]) and row[3] == "json"
    with deps.database.tenant_transaction(tenant_id) as conn:
        assert get_tenant_config(conn, tenant_id).alerts == ()


def test_applying_again_changes_targets_and_drops_those_that_are_gone(owner, want, keyring, deps):
    want('name = "one"\n'), want('name = "two"\n')
    assert owner.execute("SELECT name FROM alert_target").fetchall() == [("two",)]


def test_an_alert_is_told_once_by_the_real_library(open_deps, owner, want, hook):
    tenant_id = want()
    alarm(open_deps, tenant_id)
    rounds(open_deps, owner, 3)
    ((path, body),) = hook.received
    assert path == "/hook" and body["title"] == "Earshot: A customer may leave"
    assert body["message"].startswith("A customer may leave: 2 negative messages in a row\nearshot alert show ")
    assert states(owner) == [("sent", 1, None)]


def test_slack_speaks_slack(open_deps, owner, want, hook, monkeypatch):
    from channels.alert_services import open_service

    url = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
    monkeypatch.setattr(type(open_service(url)), "webhook_url", f"http://127.0.0.1:{hook.server_port}/services")
    alarm(open_deps, want(to=url))
    rounds(open_deps, owner)
    ((path, body),) = hook.received
    assert path == "/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ" and "A customer may leave" in str(body)


def test_only_what_the_target_asked_for(open_deps, owner, want, hook, tenant_ids):
    tenant_id = want('kinds = ["trend"]\nmin_severity = "critical"\n')
    alarm(open_deps, tenant_id, kind="churn", severity="critical")
    alarm(open_deps, tenant_id, kind="trend", severity="warning")
    alarm(open_deps, tenant_ids["other"], kind="trend", severity="critical")
    rounds(open_deps, owner)
    assert hook.received == []
    alarm(open_deps, tenant_id, 2, kind="trend", severity="critical")
    rounds(open_deps, owner)
    assert len(hook.received) == 1


def test_a_flood_is_one_message_and_the_next_waits(open_deps, owner, want, hook):
    tenant_id = want()
    for number in range(30):
        alarm(open_deps, tenant_id, number)
    notify(open_deps, now=NOW)
    ((_, body),) = hook.received
    assert body["title"] == "Earshot: 30 alerts"
    alarm(open_deps, tenant_id, 31)
    notify(open_deps, now=NOW)
    assert len(hook.received) == 1
    rounds(open_deps, owner)
    assert len(hook.received) == 2


def test_what_is_not_accepted_is_tried_again_and_given_up_in_the_open(open_deps, owner, want, hook):
    hook.answers = [500] * 20
    alarm(open_deps, want())
    notify(open_deps, now=NOW)
    assert states(owner) == [("pending", 1, "not_accepted")]
    assert owner.execute("SELECT next_at > now() + interval '30 seconds' FROM alert_delivery").fetchone() == (True,)
    rounds(open_deps, owner, 12)
    assert states(owner) == [("failed", 8, "not_accepted")] and len(hook.received) == 8


def test_a_redirect_is_not_followed(open_deps, owner, want, hook):
    hook.answers = [302]
    alarm(open_deps, want())
    notify(open_deps, now=NOW)
    assert [path for path, _ in hook.received] == ["/hook"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_nothing_leads_into_our_network(deps, owner, want, hook, host):
    """By address or by a name that leads there: the look-up itself refuses, whatever library asks."""
    alarm(deps, want(to=f"json://{host}:{hook.server_port}/hook"))
    notify(deps, now=NOW)
    assert hook.received == [] and states(owner) == [("failed", 1, "private_address")]


def test_mail_may_not_lead_into_our_network_either(deps, owner, want, hook):
    alarm(deps, want(to=f"mailto://u:p@mail.example:{hook.server_port}?smtp=127.0.0.1&to=a@b.example&from=c@d.example"))
    notify(deps, now=NOW)
    assert states(owner) == [("failed", 1, "private_address")]


def test_others_look_up_names_as_before(deps, owner, want, open_deps):
    """The guard is on only while a tenant's alert is sent."""
    alarm(deps, want(to="json://127.0.0.1:1/hook"))
    notify(deps, now=NOW)
    with open_deps.database.system_transaction() as conn:
        assert conn.execute("SELECT 1").fetchone() == (1,)


def test_a_snoozed_alert_comes_again_and_an_acknowledged_one_does_not(open_deps, owner, want, hook):
    tenant_id = want()
    alert_id = alarm(open_deps, tenant_id)
    with open_deps.database.tenant_transaction(tenant_id) as conn:
        snooze_alert(conn, alert_id, hours=1)
    rounds(open_deps, owner)
    assert hook.received == []
    owner.execute("UPDATE alert SET snoozed_until = now() - interval '1 second'")
    rounds(open_deps, owner)
    assert len(hook.received) == 1
    with open_deps.database.tenant_transaction(tenant_id) as conn:
        snooze_alert(conn, alert_id, hours=1)
        acknowledge_alert(conn, alert_id, by=None)
    rounds(open_deps, owner, 2)
    assert len(hook.received) == 1


def test_quiet_hours_hold_it_back(open_deps, owner, want, hook):
    begin, end = NOW - timedelta(hours=1), NOW + timedelta(hours=5)
    tenant_id = want(f'quiet_hours = "{begin:%H:%M}-{end:%H:%M}"\n')
    alarm(open_deps, tenant_id)
    alarm(open_deps, tenant_id, 2, severity="critical")
    notify(open_deps, now=NOW)
    assert len(hook.received) == 1
    assert sorted(state for state, _, _ in states(owner)) == ["pending", "sent"]


def test_a_worker_that_died_leaves_it_to_another(open_deps, owner, want, hook):
    tenant_id = want()
    alarm(open_deps, tenant_id)
    notify(open_deps, now=NOW)
    owner.execute("UPDATE alert_delivery SET state = 'sending', settled_at = NULL")
    rounds(open_deps, owner)
    assert len(hook.received) == 2 and states(owner)[0][0] == "sent"


def test_old_alerts_are_not_told_when_the_feature_comes(owner, tenant_ids):
    """What stood there before the migration counts as announced; what comes after does not."""
    owner.execute("INSERT INTO alert (tenant_id, kind, key) VALUES (%s, 'churn', 'x')", (tenant_ids["acme"],))
    assert owner.execute("SELECT announced_at, times_seen FROM alert").fetchone() == (None, 1)


def test_two_workers_serve_no_tenant_at_once_so_that_slow_servers_hold_one(open_deps, owner, hook, keyring):
    two = f'[[alerts]]\nto = "json://127.0.0.1:{hook.server_port}/%s"\nname = "%s"\n'
    config = parse_tenant_file(ACME + two % ("a", "a") + two % ("b", "b"), source="t", environ={})
    with open_deps.database.system_transaction() as conn:
        tenant_id = apply_tenant(conn, config, keyring=keyring)
    alarm(open_deps, tenant_id)
    announce(open_deps, now=NOW)
    with open_deps.database.system_transaction() as conn:
        first, second = claim_target(conn, limit=9), claim_target(conn, limit=9)
        assert first and second is None
        release_target(conn, first[0].id, sent=True)
        second = claim_target(conn, limit=9)
    assert second and second[0].name == "b"


def test_a_tenant_has_so_many_targets_and_no_more():
    one = '[[alerts]]\nto = "jsons://hook.example/x"\n'
    parse_tenant_file(ACME + one * 20, source="t", environ={})
    with pytest.raises(TenantFileError, match="at most 20"):
        parse_tenant_file(ACME + one * 21, source="t", environ={})


def test_a_digest_begins_with_what_is_critical(open_deps, want, hook, owner):
    tenant_id = want()
    for number in range(12):
        alarm(open_deps, tenant_id, number)
    alarm(open_deps, tenant_id, kind="sla_breach", severity="critical")
    rounds(open_deps, owner)
    ((_, body),) = hook.received
    assert body["message"].splitlines()[0].startswith("- An answer is overdue")
