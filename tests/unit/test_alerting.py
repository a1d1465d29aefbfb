"""Where alerts may go, when they may, and what they say."""

import re
import subprocess
import sys
import textwrap
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from channels.alert_services import AlertSendError, check_reachable, open_service
from config.alerting import ANY_HOST, HOSTED, AlertTarget, check_target
from config.tenant_file import TenantFileError, parse_tenant_file
from routing.alerts import KINDS, digest, end_of_quiet, is_at_least, kind_of, sentence

FILE = 'slug = "acme"\nname = "Acme"\n'


@pytest.mark.parametrize(
    "url",
    [
        "syslog://", "dbus://", "windows://", "macosx://", "gnome://", "growl://host", "apprise://config.example/x",
        "file:///etc/passwd", "https://hooks.slack.com/services/a/b/c", "mqtt://host/topic", "irc://host/c", "smpp://u:p@h",
        "python://x", "", "slack", "slack://a b",
    ],
)  # fmt: skip
def test_what_runs_or_reads_something_here_is_not_a_service(url):
    with pytest.raises(ValueError, match=r"is not a service|must be an apprise URL") as told:
        check_target(url)
    assert "passwd" not in str(told.value) and "/services/" not in str(told.value)


@pytest.mark.parametrize(
    "query",
    ["pgpkey=/etc/passwd", "pgp=yes", "attach=file:///etc/passwd", "rto=99999", "redirect=yes", "template=/etc/passwd"],
)
def test_parameters_that_name_files_or_times_are_not_let_through(query):
    with pytest.raises(ValueError, match="not let through") as told:
        check_target(f"mailtos://user:pass@mail.example?{query}")
    assert "passwd" not in str(told.value)


@pytest.mark.parametrize(
    "url",
    [
        "workflow://host/workflow/signature?format=text;template=/etc/passwd",
        "jsons://hook.example/x?+X-Key=1;redirect=yes",
        "jsons://hook.example/x?method=post;rto=99999",
        "mailtos://user:pass@mail.example?to=a@b.example;pgp=yes;pgpkey=/etc/passwd",
        "jsons://hook.example/x?method=post&;%20redirect=yes",
    ],
)
def test_a_semicolon_hides_no_parameter(url):
    with pytest.raises(ValueError, match="not let through") as told:
        check_target(url)
    assert "passwd" not in str(told.value)


def test_a_service_that_would_read_a_file_or_follow_redirects_is_not_opened(monkeypatch, tmp_path):
    """Should a parameter pass the check after all, what the library has made of it counts."""
    from channels import alert_services

    file = tmp_path / "card.json"
    file.write_text('{"type": "message"}')
    monkeypatch.setattr(alert_services, "check_target", lambda _url: "jsons")
    with pytest.raises(AlertSendError, match="refused"):
        open_service(f"workflow://host.example/{'W' * 32}/{'S' * 40}?template={file}")
    assert open_service("jsons://hook.example/x?redirect=yes").redirects is False


def test_a_header_is_for_plain_webhooks_only():
    assert check_target("jsons://hook.example/x?+X-Key=1") == "jsons"
    with pytest.raises(ValueError, match="not let through"):
        check_target("slack://a/b/c?+X-Key=1")


def test_a_file_with_a_bad_target_names_the_field_and_not_the_value():
    for to in ("syslog://SECRET", "mailto://u:SECRET@h?pgp=yes"):
        with pytest.raises(TenantFileError) as told:
            parse_tenant_file(f'{FILE}[[alerts]]\nto = "{to}"\n', source="f", environ={})
        assert "alerts.0.to" in str(told.value) and "SECRET" not in str(told.value)
    text = '[[alerts]]\nname = "ops"\nto = "json://a.example"\n' * 2
    with pytest.raises(TenantFileError, match="same name"):
        parse_tenant_file(FILE + text, source="f", environ={})
    with pytest.raises(ValidationError):
        AlertTarget(to="json://a.example", quiet_hours="22:00-22:00")


def test_the_url_of_a_target_is_never_shown():
    text = f'{FILE}[[alerts]]\nto = "env:HOOK"\nkinds = ["churn"]\n'
    config = parse_tenant_file(
        text, source="f", environ={"HOOK": "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"}
    )
    assert "TIiajk" not in repr(config) and config.alerts[0].service == "slack"


def test_every_service_on_the_list_is_one_apprise_knows():
    open_service("json://127.0.0.1")
    from apprise import NotificationManager

    assert set(HOSTED) | set(ANY_HOST) <= set(NotificationManager().schemas())


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "10.0.0.8", "169.254.169.254", "localhost", "db.internal", "[::1]", "2130706433"]
)
def test_an_inner_host_is_refused_when_the_file_is_checked(host):
    with pytest.raises(AlertSendError, match="private_address"):
        check_reachable(f"json://{host}/hook", allow_private=False)
    check_reachable(f"json://{host}/hook", allow_private=True)


def test_an_incomplete_url_is_refused_and_a_public_one_is_not():
    with pytest.raises(AlertSendError, match="unusable_url"):
        check_reachable("slack://only-one-part", allow_private=False)
    check_reachable("jsons://hooks.example/earshot", allow_private=False)
    check_reachable("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", allow_private=False)


def at(text):
    return datetime.fromisoformat(f"2026-11-25T{text}+00:00")


def quiet(text, *, hours="22:00-07:00", zone="UTC", severity="warning"):
    return end_of_quiet(at(text), quiet_hours=hours, zone=zone, severity=severity)


def test_quiet_hours_hold_back_all_but_what_is_critical():
    assert quiet("23:30") == datetime(2026, 11, 26, 7, tzinfo=UTC)
    assert quiet("06:59") == at("07:00") and quiet("07:00") is None and quiet("21:59") is None
    assert quiet("23:30", severity="critical") is None and quiet("23:30", hours=None) is None
    assert quiet("13:30", hours="13:00-14:00") == at("14:00")
    # 19:30 in London is 22:30 in Istanbul.
    assert quiet("19:30", zone="Europe/Istanbul") == datetime(2026, 11, 26, 4, tzinfo=UTC)


def test_each_kind_reads_as_a_sentence():
    for kind in KINDS:
        assert re.match(r"[A-Z]", sentence(kind, {}))
    assert sentence("churn", {"count": 3, "high_value": True}) == (
        "A customer may leave: high-value customer, 3 negative messages in a row"
    )
    assert sentence("send_failed", {"action": "follow_up", "error_code": "graph_131026", "account_id": "1555"}) == (
        "A message to a customer was not delivered (action follow_up, error code graph_131026)"
    )
    assert sentence("trend", {"sentence": "checkout negative 4 % → 12 %"}) == "checkout negative 4 % → 12 %"
    assert kind_of("new_thing").what == "New thing"


def test_a_flood_reads_as_a_few_lines():
    title, body = digest([f"line {number}" for number in range(40)])
    assert title == "Earshot: 40 alerts" and body.count("\n") == 10 and body.endswith("and 30 more")
    assert digest(["one"])[1] == "- one"


def test_severities_are_ordered():
    assert (
        is_at_least("critical", "warning") and is_at_least("warning", "warning") and not is_at_least("info", "warning")
    )


def test_a_late_answer_is_told_with_where_since_when_and_until_when():
    details = {
        "clock": "first_answer", "priority": "P1", "queue": "customer_success",
        "started_at": "2026-11-29T01:35:00+00:00", "due_at": "2026-11-29T01:45:42+00:00",
    }  # fmt: skip
    waits = "A P1 conversation in the customer success queue waits for its first answer since Sun 01:35; "
    assert sentence("sla_breach", details) == waits + "it was due at Sun 01:45 UTC"
    assert sentence("sla_warning", details) == waits + "it is due at Sun 01:45 UTC"
    assert sentence("sla_breach", {"summed": True, "queue": "senior"}) == "An answer is overdue (queue senior)"


def test_an_agent_who_vanished_is_told_with_how_much_they_had():
    assert sentence("agent_vanished", {"user_id": 7, "conversations": 3}).endswith("(user 7, 3 conversations)")


def test_alerts_that_come_at_once_in_a_new_process_all_find_their_service():
    """The library is loaded by the first of them, and half loaded it knows some services only."""
    program = """
        import threading, time
        from channels.alert_services import AlertSendError, open_service
        missed = []
        def open_one(after_s):
            time.sleep(after_s)
            try:
                open_service("json://127.0.0.1:9/alerts")
            except AlertSendError as error:
                missed.append(error.code)
        threads = [threading.Thread(target=open_one, args=(number * 0.15,)) for number in range(12)]
        [one.start() for one in threads], [one.join() for one in threads]
        print(missed)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[]\n"
