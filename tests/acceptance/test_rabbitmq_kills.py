"""A whole stack on RabbitMQ while its workers and the node itself are killed: nothing is lost, and each message is analyzed once."""

import itertools
import json
import signal
import threading
import time

import httpx2
import pytest

from tests.acceptance.once import assert_exactly_once
from tests.conftest import ACME
from tests.running_stack import start_stack, stop_stack
from tests.waiting import wait_until
from tests.webhooks import whatsapp_body, whatsapp_message

_numbers = itertools.count(1)
TEXT = "This is the third time the parcel is late. I want my money back!"


@pytest.fixture(scope="module")
def stack(tmp_path_factory, rabbitmq):
    data = tmp_path_factory.mktemp("rabbitmq-stack")
    stack = start_stack(data / "data", BROKER_URL=rabbitmq.url)
    (data / "acme.toml").write_text(ACME)
    applied = stack.cli("tenant", "apply", str(data / "acme.toml"))
    assert applied.returncode == 0, applied.stderr
    time.sleep(3)
    yield stack
    assert stop_stack(stack) == 0


def body(mark):
    sender = f"90531{next(_numbers):07d}"
    return whatsapp_body(whatsapp_message(f"{TEXT} #{mark}", sender=sender, timestamp=str(int(time.time()))))


def post(stack, mark, count, *, meanwhile=None):
    """meanwhile: by number of messages that were taken, what happens then beside the load."""
    happening = []
    for number in range(count):
        assert stack.post(body(mark)) == 200
        if meanwhile and number in meanwhile:
            happening.append(threading.Thread(target=meanwhile[number]))
            happening[-1].start()
    for one in happening:
        one.join()


def expect_each_once(stack, mark, count, *, timeout_s):
    done = "SELECT count(*) FROM message WHERE text LIKE %s AND state = 'done'"
    stack.wait_for(done, [(count,)], timeout_s=timeout_s, parameters=(f"%#{mark}",))
    assert_exactly_once(stack, f"%#{mark}", count)


def restart(node, *, away_s):
    node.kill()
    time.sleep(away_s)
    node.start()


def test_messages_go_all_the_way_over_rabbitmq_and_flower_sees_them(stack, rabbitmq):
    assert json.loads((stack.data / "stack.json").read_text())["broker_url"] == rabbitmq.url
    post(stack, "calm", 20)
    expect_each_once(stack, "calm", 20, timeout_s=30)
    user, _, password = stack.info["flower_auth"].partition(":")
    with httpx2.Client(base_url=stack.info["flower_url"], auth=(user, password), timeout=10) as flower:
        stages = {f"earshot.{stage}" for stage in ("minimize", "analyze", "persist", "route", "crm_sync")}

        def all_are_seen():
            tasks = flower.get("/api/tasks", params={"limit": 500}).json()
            return stages <= {task["name"] for task in tasks.values()}

        wait_until(all_are_seen)  # what the work is watched by gives way to it
        assert flower.post("/api/worker/shutdown/stages-1@any").status_code == 403


def test_doctor_finds_every_role_served_over_rabbitmq(stack):
    told = [json.loads(line) for line in stack.cli("doctor", "--json").stdout.splitlines()]
    assert not [one for one in told if one["subject"] in {"broker", "redis", "workers", "beat"}], told


def test_nothing_is_lost_when_workers_and_the_node_are_killed(stack, rabbitmq):
    meanwhile = {
        30: lambda: stack.kill("worker"),
        60: lambda: restart(rabbitmq, away_s=1),
        90: lambda: stack.kill("worker"),
    }
    post(stack, "killed", 120, meanwhile=meanwhile)
    expect_each_once(stack, "killed", 120, timeout_s=90)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nothing_is_lost_when_the_node_also_loses_its_data_or_hangs(stack, rabbitmq):
    def lose_everything():
        rabbitmq.kill()
        rabbitmq.lose_data()
        rabbitmq.start()

    def hang():
        rabbitmq.send(signal.SIGSTOP)
        time.sleep(25)
        rabbitmq.send(signal.SIGCONT)

    faults = (
        lambda: stack.kill("worker"),
        lose_everything,
        hang,
        lambda: restart(rabbitmq, away_s=20),
        lambda: stack.kill("worker"),
    )
    for number, fault in enumerate(faults):
        post(stack, f"broken{number}", 60, meanwhile={20: fault})
        expect_each_once(stack, f"broken{number}", 60, timeout_s=150)
