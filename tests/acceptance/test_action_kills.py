"""Automations while workers are killed and the far sides misbehave: each planned once, sent at most once, doubts shown.

Workers are real processes that get SIGKILL at moments drawn by lot; what takes minutes in life (leases, pauses between tries) is
shortened by moving the rows' times, never by touching a state.
"""

import os
import random
import signal
import time
from collections import Counter

import httpx2
import pytest
import redis

from channels.body import decode_body
from channels.registry import PARSERS
from config.tenant_file import parse_tenant_file
from store.intake import get_dedupe_pepper
from store.runs import RunRef
from store.tenants import apply_tenant
from tests.conftest import ACME, TEST_KEY
from tests.http_receiver import HttpReceiver
from tests.webhooks import whatsapp_body, whatsapp_message
from webhook_receiver.intake import store_share
from webhook_receiver.shares import Accepted
from worker.pipeline import start
from worker.roles import ROLES, worker_arguments

# Minutes together, most of it waiting: the full run has them.
pytestmark = pytest.mark.slow

REFUND = "The parcel is late for the third time. I want my money back!"
PRAISE = "Thank you so much, this is wonderful"
RULES = """
[actions.tag]
tags = ["refund"]
[actions.webhook]
enabled = true
url = "{url}"
secret = "a secret of at least 24 characters"
[[rules]]
name = "money_back"
because = "A test's rule."
when = {{ sentiment = ["negative"] }}
then = {{ queue = "senior", priority = "P1", actions = ["escalate_to_human", "send_refund_form", "tag", "webhook"] }}
[[rules]]
name = "praise"
because = "A test's rule."
when = {{ sentiment = ["positive"] }}
then = {{ queue = "auto", priority = "P4", actions = ["close_with_thanks", "send_nps_invite", "webhook"] }}
"""
OVER = {"sent", "failed", "uncertain", "expired", "cancelled", "shadow"}


class Endpoint(HttpReceiver):
    """A tenant's endpoint that has bad moments; `taken`: how often it took each id."""

    def __init__(self, lot):
        super().__init__()
        self.taken = Counter()
        self._lot = lot
        self.respond = self._moody

    def _moody(self, handler):
        webhook_id = handler.headers["webhook-id"]
        mood = self._lot.random()
        if mood < 0.1:  # half of these have taken it and don't say so
            self.taken[webhook_id] += mood < 0.05
            handler.close_connection = True
            return
        if mood < 0.2:
            time.sleep(0.3)
        status = 503 if 0.2 <= mood < 0.3 else 200
        if status == 200:
            self.taken[webhook_id] += 1
        handler.send_response(status)
        handler.send_header("Content-Length", "10")
        handler.end_headers()
        if mood > 0.9:  # half an answer
            handler.wfile.write(b"{")
            handler.close_connection = True
        else:
            handler.wfile.write(b"{}        ")


def moods(lot, number):
    """Steps of the Graph stand-in: two of three calls go well, the others late, half, wrong or lost."""
    wrong = [
        {"delay_s": 0.5},
        {"status": 500, "body": {}},
        {"status": 200, "body": {"half": "an ans"}},
        {"status": 429, "body": {"error": {"code": 130429, "message": "slower"}}},
        {"drop": "before"},
        {"drop": "after"},
    ]
    steps = [lot.choice(wrong) if lot.random() < 0.33 else {} for _ in range(number)]
    return [{"method": "POST", "path": "*/messages", **step} for step in steps]


@pytest.fixture
def environ(app_url, servers, standins):
    with redis.Redis.from_url(servers[1]) as client:
        client.flushall()
    for url in standins.values():
        httpx2.delete(f"{url}/_received")
        httpx2.delete(f"{url}/_script")
    return {
        **os.environ,
        "DATABASE_URL": app_url,
        "REDIS_URL": servers[1],
        "EARSHOT_KEYS": TEST_KEY,
        "ANTHROPIC_API_KEY": "test",
        "ANTHROPIC_BASE_URL": standins["anthropic"],
        "ANALYZER_LABEL": "stand-in",
        "GRAPH_API_URL": standins["graph"],
        "INSTAGRAM_API_URL": standins["graph"],
        "HUBSPOT_API_URL": standins["hubspot"],
        "ALLOW_PRIVATE_URLS": "true",
        "LOG_LEVEL": "ERROR",
    }


@pytest.fixture
def endpoint():
    receiver = Endpoint(random.Random(7))
    yield receiver
    receiver.stop()


def take_in(database, keyring, tenant_id, *, messages):
    """Store the messages as the receiver does, each of another customer, and start them."""
    with database.system_transaction() as conn:
        pepper = get_dedupe_pepper(conn, keyring=keyring)
    at = int(time.time())
    for number in range(messages):
        text = REFUND if number % 2 else PRAISE
        body = whatsapp_body(whatsapp_message(text, sender=f"9055500{number:05}", timestamp=str(at)))
        accepted = Accepted.of(PARSERS["whatsapp"](decode_body(body)))
        with database.tenant_transaction(tenant_id) as conn:
            (stored,) = store_share(conn, tenant_id, accepted, pepper=pepper).runs
        start(RunRef(stored.tenant_id, stored.message_id, stored.run_id))


def hasten(owner):
    """Time passes: pauses are over, and who was sending a quarter of a minute ago is dead."""
    owner.execute("UPDATE action SET next_at = now() WHERE state = 'pending' AND next_at > now() + interval '1 second'")
    owner.execute(
        "UPDATE action SET lease_until = now() - interval '1 s' "
        "WHERE state = 'sending' AND lease_until < now() + interval '15 seconds'"
    )


def is_over(owner):
    (runs,) = owner.execute("SELECT count(*) FROM run WHERE state <> 'dead'").fetchone()
    open_actions = owner.execute("SELECT count(*) FROM action WHERE NOT state = ANY(%s)", (list(OVER),)).fetchone()[0]
    return runs == 0 and open_actions == 0


def has_begun(owner):
    """Whether there is something to lose."""
    return owner.execute("SELECT count(*) >= 5 FROM action WHERE form IS NOT NULL").fetchone()[0]


def kill_until_over(owner, run, lot, *, kills, timeout_s):
    workers = {role: run(*worker_arguments(role)) for role in ROLES}
    began = time.monotonic()
    next_kill = began
    while kills or not is_over(owner):
        assert time.monotonic() - began < timeout_s, owner.execute(
            "SELECT kind, state, error_code, count(*) FROM action GROUP BY 1, 2, 3"
        ).fetchall()
        if kills and time.monotonic() > next_kill and has_begun(owner):
            # Mostly the one that sends: it has something to lose.
            role = lot.choice(["delivery", "delivery", "stages", "analyze"])
            os.kill(workers[role].pid, signal.SIGKILL)
            workers[role].wait()
            workers[role] = run(*worker_arguments(role))
            kills -= 1
            next_kill = time.monotonic() + lot.uniform(1.0, 4.0)
        hasten(owner)
        time.sleep(0.5)
    print(f"over after {time.monotonic() - began:.0f} s")


def planned_and_kept(owner):
    """By message: the kinds that its decision planned, and those that have a row."""
    planned = {
        message_id: sorted(action["kind"] for action in actions)
        for message_id, actions in owner.execute(
            "SELECT message_id::text, actions FROM routing_decision WHERE NOT provisional"
        ).fetchall()
    }
    kept = dict(
        owner.execute(
            'SELECT message_id::text, array_agg(kind ORDER BY kind COLLATE "C") FROM action GROUP BY message_id'
        ).fetchall()
    )
    return planned, kept


@pytest.mark.parametrize(
    ("messages", "kills", "timeout_s"),
    [
        pytest.param(80, 3, 150, id="80", marks=pytest.mark.timeout(170)),
        pytest.param(1500, 25, 1500, id="1500", marks=[pytest.mark.slow, pytest.mark.timeout(1600)]),
    ],
)
def test_every_automation_is_planned_once_sent_at_most_once_and_shown_when_in_doubt(
    owner, database, keyring, tenant_ids, standins, broker, run, endpoint, messages, kills, timeout_s
):
    lot = random.Random(messages)
    text = ACME + RULES.format(url=endpoint.url())
    with database.system_transaction() as conn:
        config = parse_tenant_file(text, source="test", environ={"ALLOW_PRIVATE_URLS": "true"})
        apply_tenant(conn, config, keyring=keyring)
    before = len(httpx2.get(f"{standins['graph']}/_sends").json())
    httpx2.post(f"{standins['graph']}/_script", json={"steps": moods(lot, messages * 2)})
    take_in(database, keyring, tenant_ids["acme"], messages=messages)
    kill_until_over(owner, run, lot, kills=kills, timeout_s=timeout_s)

    planned, kept = planned_and_kept(owner)
    assert len(planned) == messages
    assert kept == {message_id: kinds for message_id, kinds in planned.items() if kinds}
    keys = owner.execute("SELECT count(*), count(DISTINCT idempotency_key) FROM action").fetchone()
    assert keys[0] == keys[1] == sum(len(kinds) for kinds in planned.values())

    states = dict(owner.execute("SELECT id::text, state FROM action WHERE form IS NOT NULL").fetchall())
    sends = httpx2.get(f"{standins['graph']}/_sends").json()[before:]
    arrived = Counter(send["body"]["biz_opaque_callback_data"] for send in sends)
    assert max(arrived.values()) == 1
    assert set(arrived) <= set(states)
    assert {one for one, state in states.items() if state == "sent"} <= set(arrived)
    assert not {one for one, state in states.items() if state in {"failed", "expired", "cancelled"}} & set(arrived)
    print(Counter(states.values()), f"{len(arrived)} arrived")

    hooks = dict(owner.execute("SELECT id::text, state FROM action WHERE kind = 'webhook'").fetchall())
    assert len(hooks) == messages
    assert set(endpoint.taken) <= set(hooks)
    assert {one for one, state in hooks.items() if state == "sent"} <= set(endpoint.taken)
    print(f"webhooks: {Counter(hooks.values())}, told more than once: {sum(n > 1 for n in endpoint.taken.values())}")

    uncertain = {one for one, state in states.items() if state == "uncertain"}
    assert uncertain, "nothing was in doubt, so this test shows nothing"
    owner.execute("UPDATE action SET created_at = created_at - interval '11 minutes'")
    deadline = time.monotonic() + 30
    while True:
        shown = owner.execute("SELECT key FROM alert WHERE kind = 'send_uncertain' AND resolved_at IS NULL").fetchall()
        if {key.removeprefix("send_uncertain:") for (key,) in shown} == uncertain:
            break
        assert time.monotonic() < deadline, (len(shown), len(uncertain))
        time.sleep(0.2)
