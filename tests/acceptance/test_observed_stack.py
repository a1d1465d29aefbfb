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


def whole_traces(observer):
    """Those that hold all of a message's way."""
    names = {}
    for one in observer.spans():
        names.setdefault(one.trace_id, set()).add((one.service, one.name))
    way = {("earshot-receiver", name) for name in ("webhook", "ring")}
    way |= {("earshot-worker", name) for name in (*STAGES, "model_call", "transaction")}
    return [trace_id for trace_id, found in names.items() if way <= found]


def test_one_webhook_is_one_trace_across_processes(observed, observer):
    """One that has to wait, as on a busy machine, is rung again in a trace of its own: then another one is sent."""
    for number in range(1, 6):
        assert observed.post(whatsapp_body(message(name=QUILLON["name"]))) == 200
        observed.wait_for(DONE, [(number,)])
        time.sleep(1)
        if whole_traces(observer):
            return
    raise AssertionError(sorted({(one.trace_id[:6], one.service, one.name) for one in observer.spans()}))


def test_log_lines_of_a_failing_call_name_its_trace(observed, observer):
    observed.client.post(
        f"{observed.info['standins']['anthropic']}/_script",
        json={"steps": [{"method": "POST", "path": "/v1/messages", "times": 1, "status": 500, "body": "{}"}]},
    )
    assert observed.post(whatsapp_body(message(message_id=QUILLON["wamid"], name=QUILLON["name"]))) == 200

    def joined():
        lines = [json.loads(line[line.index("{") :]) for line in observed.logs().splitlines() if '"trace_id"' in line]
        failed = {one.trace_id for one in observer.spans() if one.facts.get("earshot.code") == "provider_error_500"}
        failed |= {one.trace_id for one in observer.spans() if one.facts.get("earshot.code") == "provider_error"}
        return failed & {line["trace_id"] for line in lines}

    observer.wait_for(joined)


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
