"""Traces and reports out of a whole stack: gunicorn's forked gevent workers and Celery's threads, and a collector that goes away."""

import json
import time

import pytest

from tests.conftest import ACME
from tests.leaks.canaries import found, person
from tests.observers import Observer
from tests.running_stack import start_stack, stop_stack
from tests.webhooks import whatsapp_body, whatsapp_message
from worker.pipeline import STAGES

QUILLON = person(5)
DONE = "SELECT count(*) FROM message WHERE state = 'done'"


@pytest.fixture(scope="module")
def observer():
    observer = Observer()
    yield observer
    observer.stop()


@pytest.fixture(scope="module")
def observed(tmp_path_factory, observer):
    stack = start_stack(
        tmp_path_factory.mktemp("observed") / "data", LOG_LEVEL="INFO", OTEL_EXPORTER_OTLP_ENDPOINT=observer.endpoint,
        OTEL_BSP_SCHEDULE_DELAY="100", SENTRY_DSN=observer.dsn, CANARY_EVERY_S="0",
    )  # fmt: skip
    path = tmp_path_factory.mktemp("tenants") / "acme.toml"
    path.write_text(ACME)
    applied = stack.cli("tenant", "apply", str(path))
    assert applied.returncode == 0, applied.stderr
    time.sleep(3)
    yield stack
    assert stop_stack(stack) == 0


def message(**more):
    return whatsapp_message(QUILLON.words(), sender=QUILLON["sender"], timestamp=str(int(time.time())), **more)


def test_one_webhook_is_one_trace_across_processes_and_joins_their_log_lines(observed, observer):
    """The provider fails once, so that there is something to log."""
    observed.client.post(
        f"{observed.info['standins']['anthropic']}/_script",
        json={"steps": [{"method": "POST", "path": "/v1/messages", "times": 1, "status": 500, "body": "{}"}]},
    )
    body = whatsapp_body(message(message_id=QUILLON["wamid"], name=QUILLON["name"]))
    assert observed.post(body) == 200
    observed.wait_for(DONE, [(1,)])

    def whole():
        roots = [one for one in observer.spans() if one.name == "webhook"]
        mine = [one for one in observer.spans() if roots and one.trace_id == roots[0].trace_id]
        return mine if {"webhook", "ring", *STAGES, "model_call"} <= {one.name for one in mine} else None

    trace = observer.wait_for(whole)
    services = (
        {one.service for one in trace if one.name in {"webhook", "ring"}},
        {one.service for one in trace if one.name in STAGES},
    )
    assert services == ({"earshot-receiver"}, {"earshot-worker"})
    assert len([one for one in trace if one.name == "model_call"]) == 2
    lines = [json.loads(line[line.index("{") :]) for line in observed.logs().splitlines() if '"trace_id"' in line]
    assert trace[0].trace_id in {line["trace_id"] for line in lines}


def test_both_forked_receivers_export(observed, observer):
    """Each process has its own exporter: what either of them takes in arrives, and no trace id comes twice."""
    before = len([one for one in observer.spans() if one.name == "webhook"])
    for _ in range(30):
        assert observed.post(whatsapp_body(message(name=QUILLON["name"]))) == 200
    observer.wait_for(lambda: len([one for one in observer.spans() if one.name == "webhook"]) >= before + 30)
    traces = [one.trace_id for one in observer.spans() if one.name == "webhook"]
    assert len(traces) == len(set(traces)) == before + 30


def test_nothing_of_the_customer_came(observer):
    assert observer.spans()
    assert found(observer.everything(), QUILLON.canaries) == {}


def test_with_a_collector_that_hangs_webhooks_are_answered_as_before(observed, observer):
    observer.never_answers()
    time.sleep(1)
    slowest_s = 0.0
    for _ in range(60):
        began = time.monotonic()
        assert observed.post(whatsapp_body(message(name=QUILLON["name"]))) == 200
        slowest_s = max(slowest_s, time.monotonic() - began)
    assert slowest_s < 2
    observed.wait_for(DONE, [(91,)])
