"""The whole main job through the outside faces: a signed body becomes a CRM label, whatever dies on the way."""

import itertools
import shutil
import time

import httpx2
import pytest

from devstack.health import http_answers
from tests import effort
from tests.acceptance.once import assert_exactly_once
from tests.webhooks import instagram_comment, whatsapp_body, whatsapp_message

REFUND = "This is the third time the parcel is late. I want my money back! Call +90 532 999 88 77"
_numbers = itertools.count(1)


def message(text, *, sender=None, **more):
    sender = sender or f"90532{next(_numbers):07d}"
    return whatsapp_message(text, sender=sender, timestamp=str(int(time.time())), **more)


DONE = "SELECT count(*) FROM message WHERE text LIKE %s AND state = 'done'"


def test_a_signed_body_posted_to_gunicorn_becomes_a_label_on_the_crm_card(stack):
    sender = "905329990001"
    assert stack.post(whatsapp_body(message(REFUND + " #label", sender=sender))) == 200
    stack.wait_for(DONE, [(1,)], parameters=("%#label",))
    hubspot = stack.info["standins"]["hubspot"]

    def cards():
        answer = httpx2.get(
            f"{hubspot}/crm/objects/2026-09/contacts", headers={"Authorization": "Bearer acme-hubspot"}
        ).json()["results"]
        return [card["properties"] for card in answer if card["properties"].get("phone") == f"+{sender}"]

    deadline = time.monotonic() + 20
    while not [card for card in cards() if card.get("earshot_label")]:
        assert time.monotonic() < deadline, cards()
        time.sleep(0.3)
    (card,) = cards()
    assert card["earshot_label"] == "1 negative message in last 30 days"
    assert card["earshot_sentiment"] == "negative"
    stack.wait_for(
        "SELECT a.kind, a.state FROM action a JOIN message m ON m.id = a.message_id WHERE m.text LIKE %s ORDER BY 1",
        [("escalate_to_human", "sent"), ("send_refund_form", "sent")],
        parameters=("%#label",),
    )


def test_forged_requests_add_nothing(stack):
    body = whatsapp_body(message("forged #forged"))
    assert stack.post(body, secret="wrong") == 401
    assert stack.post(body, secret="other-secret") == 200
    time.sleep(1)
    assert stack.rows("SELECT count(*) FROM message WHERE text LIKE '%%#forged'") == [(0,)]


def test_every_surface_is_analyzed_once_and_decided_once(stack):
    stack.post(whatsapp_body(*[message(f"hello {n} #batch") for n in range(25)]))
    for _ in range(2):
        stack.post(instagram_comment("Love it #batch", comment_id="17900000000099999"), kind="instagram")
    stack.wait_for(DONE, [(26,)], parameters=("%#batch",))
    assert_exactly_once(stack, "%#batch", 26)


def test_five_stages_are_retried_alone(stack):
    script = [{"path": "/v1/messages", "status": 529, "body": {"type": "error", "error": {"type": "overloaded_error"}}}]
    anthropic = stack.info["standins"]["anthropic"]
    httpx2.post(f"{anthropic}/_script", json={"steps": script * 2})
    stack.post(whatsapp_body(message("try again #retry")))
    stack.wait_for(DONE, [(1,)], parameters=("%#retry",))
    outcomes = stack.rows(
        "SELECT e.outcome FROM egress e JOIN message m ON m.id = e.message_id WHERE m.text LIKE '%%#retry' ORDER BY e.id"
    )
    assert outcomes == [("overloaded_529",), ("overloaded_529",), ("answered",)]
    flower = httpx2.get(f"{stack.info['flower_url']}/api/tasks", params={"limit": 500}, auth=flower_auth(stack)).json()
    names = {task["name"] for task in flower.values()}
    assert {f"earshot.{stage}" for stage in ("minimize", "analyze", "persist", "route", "crm_sync")} <= names


def flower_auth(stack):
    return tuple(stack.info["flower_auth"].split(":", 1))


def test_nothing_acknowledged_is_lost_when_workers_broker_and_receiver_are_killed(stack):
    total = 500 if effort.IS_FULL else 200
    for number in range(total):
        assert stack.post(whatsapp_body(message(f"{REFUND} {number} #chaos"))) == 200
        if number == total // 5:
            stack.kill("worker")
        if number == total * 2 // 5:
            stack.kill("redis")
            shutil.rmtree(stack.data / "valkey" / "appendonlydir", ignore_errors=True)
        if number == total * 7 // 10:
            stack.kill("receiver")
    stack.wait_for(DONE, [(total,)], timeout_s=60, parameters=("%#chaos",))
    assert_exactly_once(stack, "%#chaos", total)
    stack.wait_for(
        "SELECT count(*) FROM action a JOIN message m ON m.id = a.message_id"
        " WHERE m.text LIKE '%%#chaos' AND a.state IN ('pending', 'sending')",
        [(0,)],
        timeout_s=90,
    )
    sends = httpx2.get(f"{stack.info['standins']['graph']}/_sends").json()
    callbacks = [send["body"].get("biz_opaque_callback_data") for send in sends if send["kind"] == "whatsapp"]
    assert len(callbacks) == len(set(callbacks)), "one action was sent twice"
    events = stack.rows("SELECT count(*), count(DISTINCT key) FROM crm_event")
    assert events[0][0] == events[0][1]
    calls = stack.rows(
        "SELECT count(*) FROM egress e JOIN message m ON m.id = e.message_id WHERE m.text LIKE '%%#chaos'"
    )
    assert calls[0][0] <= 1.10 * total, "too many calls of the model were paid for twice"


def test_a_provider_that_is_away_keeps_nobody_waiting_and_everything_is_read_when_it_is_back(stack):
    anthropic, seconds, per_s = stack.info["standins"]["anthropic"], 6, 20
    down = {"path": "/v1/messages", "times": 100_000, "status": 529, "body": {"type": "error", "error": {}}}
    httpx2.post(f"{anthropic}/_script", json={"steps": [down]})
    for second in range(seconds):
        began = time.monotonic()
        for number in range(per_s):
            words = "I will call my lawyer" if number == 0 else "Where is my order?"
            assert stack.post(whatsapp_body(message(f"{words} {second}.{number} #outage"))) == 200
        time.sleep(max(0, 1 - (time.monotonic() - began)))
    total = seconds * per_s
    # How soon is a matter of the machine's load: 3 s and a tick on a quiet one.
    placed = """
        SELECT count(DISTINCT m.id) FROM message m JOIN routing_decision d ON d.message_id = m.id
        WHERE m.text LIKE %s AND d.provisional
    """
    stack.wait_for(placed, [(total,)], parameters=("%#outage",), timeout_s=60)
    query = "SELECT count(*) FROM egress e JOIN message m ON m.id = e.message_id WHERE m.text LIKE '%%#outage'"
    ((failed,),) = stack.rows(query)
    assert stack.rows("SELECT count(*) FROM action a JOIN message m ON m.id = a.message_id"
                      " WHERE m.text LIKE '%%#outage' AND a.state NOT IN ('shadow', 'sent')") == [(0,)]  # fmt: skip
    httpx2.delete(f"{anthropic}/_script")
    stack.wait_for(DONE, [(total,)], parameters=("%#outage",), timeout_s=120)
    assert_exactly_once(stack, "%#outage", total)
    assert failed < total, "a provider that fails is left alone"
    order = stack.rows(
        "SELECT m.text LIKE 'I will%%' FROM message m JOIN message_analysis a ON a.message_id = m.id"
        " WHERE m.text LIKE '%%#outage' AND NOT a.provisional ORDER BY a.created_at LIMIT 60"
    )
    assert sum(urgent for (urgent,) in order) >= seconds - 1, "urgent words are read first"


def test_a_dead_child_is_back_within_two_seconds_on_the_same_port(stack):
    for group in ("beat", "console", "standins", "flower"):
        before = stack.info["pids"][group]
        stack.kill(group)
        deadline = time.monotonic() + 2
        while stack.info["pids"][group] in ([], before):
            assert time.monotonic() < deadline, group
            time.sleep(0.05)
    # And each answers again at the address it had; how soon is a matter of how long it takes to load.
    standins = stack.info["standins"]
    for address in (
        f"{stack.info['console_url']}/healthz", f"{standins['anthropic']}/_received", f"{standins['graph']}/_received",
        f"{stack.info['flower_url']}/healthcheck",
    ):  # fmt: skip
        deadline = time.monotonic() + 60
        while not http_answers(address):
            assert time.monotonic() < deadline, address
            time.sleep(0.1)


def test_postgres_killed_and_back_loses_nothing(stack):
    assert stack.post(whatsapp_body(message("before #pg"))) == 200
    stack.kill("postgres")
    assert stack.post(whatsapp_body(message("after #pg"))) == 200
    stack.wait_for(DONE, [(2,)], parameters=("%#pg",), timeout_s=60)
    assert_exactly_once(stack, "%#pg", 2)


def test_flower_needs_its_password_and_cannot_act(stack):
    url = stack.info["flower_url"]
    assert httpx2.get(f"{url}/tasks").status_code == 401
    worker = "analyze-1@any"
    assert httpx2.post(f"{url}/api/worker/shutdown/{worker}", auth=flower_auth(stack)).status_code in {403, 404, 405}


def test_processes_use_the_restricted_role_and_the_databases_socket(stack):
    users = stack.rows("SELECT DISTINCT usename, client_addr FROM pg_stat_activity WHERE application_name = 'earshot'")
    assert users == [("earshot_app", None)]


def test_the_other_tenant_has_none_of_it(stack):
    assert stack.post(whatsapp_body(message("nur fremd #other"), account="222000222"), secret="other-secret") == 200
    stack.wait_for(DONE, [(1,)], parameters=("%#other",))
    owners = stack.rows(
        "SELECT DISTINCT t.slug FROM message m JOIN tenant t ON t.id = m.tenant_id WHERE m.text LIKE '%%#other'"
    )
    assert owners == [("other",)]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["tenant", "list", "--json"], 0, '"slug": "acme"'),
        (["user", "list"], 0, "admin@localhost"),
        (["dead", "list"], 0, "nothing is parked"),
        (["doctor"], 0, "nothing is wrong"),
        (["crm", "check", "--tenant", "acme"], 0, "the credentials work"),
        (["apikey", "create", "--tenant", "acme", "--name", "t"], 0, "esk_"),
        (["apikey", "create", "--tenant", "nobody", "--name", "t"], 1, "no tenant 'nobody'"),
        (["dead", "replay"], 1, "earshot dead list"),
        (["user", "add", "--email", "x@y.z", "--role", "agent"], 1, "--tenant"),
        (["tenant", "apply", "/nonexistent.toml"], 1, "cannot be read"),
        (["nonsense"], 2, "invalid choice"),
    ],
)
def test_the_command_line_says_what_it_did_or_what_is_wrong(stack, arguments, code, words):
    done = stack.cli(*arguments)
    assert done.returncode == code, done.stderr
    assert words in done.stdout + done.stderr


def test_a_second_stack_on_the_same_folder_is_refused(stack):
    done = stack.cli("up")
    assert done.returncode == 1
    assert "already running" in done.stderr
