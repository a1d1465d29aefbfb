"""Traces and reports of bugs, with the real SDKs: what they tell, and that they can tell nothing of a customer."""

import json
import subprocess
import sys
import threading
import time

import pytest
from structlog.testing import CapturingLogger

from channels.base import ChannelError
from config import error_reports, span_export, tracing
from config.error_reports import report, start_error_reports
from config.settings import SettingsError
from config.tracing import continued, current_trace, span, start_tracing, trace_ids
from console.app import create_app as create_console
from store.db import StoreError
from tests.integration.console_visitor import add_visitor, signed_in
from tests.leaks.canaries import found, person
from tests.observers import Observer
from tests.webhooks import signature, whatsapp_body, whatsapp_message
from webhook_receiver.intake import Intake
from webhook_receiver.publisher import Publisher
from worker import steps, tasks
from worker.app import app as celery_app
from worker.pipeline import STAGES

QUILLON = person(4)


@pytest.fixture
def observer():
    observer = Observer()
    yield observer
    observer.stop()


@pytest.fixture
def traced(observer, monkeypatch):
    """This process exports spans, for as long as the test lasts."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    monkeypatch.setattr(tracing, "_tracer", None)
    start_tracing("test", endpoint=observer.endpoint)
    yield observer
    span_export._end(tracing._tracer.span_processor._span_processors[0])


@pytest.fixture
def reported(observer, monkeypatch):
    """This process reports bugs."""
    import sentry_sdk

    monkeypatch.setattr(error_reports, "_service", None)
    start_error_reports("test", dsn=observer.dsn)
    yield observer
    sentry_sdk.get_client().close(timeout=1)


def named(observer, name):
    return [one for one in observer.spans() if one.name == name]


def message(**more):
    return whatsapp_message(
        QUILLON.words(), sender=QUILLON["sender"], message_id=QUILLON["wamid"], name=QUILLON["name"],
        timestamp=str(int(time.time())), **more,
    )  # fmt: skip


def post(client, body, *, secret="acme-secret"):
    return client.post("/webhooks/whatsapp", data=body, headers={"X-Hub-Signature-256": signature(body, secret)})


@pytest.fixture
def rung(monkeypatch):
    """Chains that would be sent to the broker: first task's name and arguments."""
    sent, came = [], threading.Event()

    def keep(name, args=None, kwargs=None, **options):
        sent.append((name, kwargs))
        came.set()

    monkeypatch.setattr(celery_app, "send_task", keep)
    monkeypatch.setattr("celery.canvas._chain.apply_async", lambda chain, **_: (sent.append(chain.tasks), came.set()))
    return lambda: came.wait(10) and sent


def run_chain(links, monkeypatch):
    """The tasks of a chain in this process, one after another as a worker would take them."""
    monkeypatch.setenv("EARSHOT_FUSE", "0")
    for link in links:
        celery_app.tasks[link.task].apply(kwargs=dict(link.kwargs), throw=True)


@pytest.fixture
def working(deps, monkeypatch):
    """Tasks use the test's dependencies."""
    monkeypatch.setattr(tasks, "deps", lambda: deps)
    return deps


# What a trace tells


def test_one_webhook_is_one_trace_as_far_as_the_crm(traced, settings, start_receiver, rung, working, monkeypatch):
    client = start_receiver(settings)
    assert post(client, whatsapp_body(message())).status_code == 200
    (links,) = rung()
    run_chain(links, monkeypatch)
    traced.wait_for(lambda: named(traced, "crm_sync"))
    spans = traced.spans()
    (webhook,) = named(traced, "webhook")
    whole = [one for one in spans if one.trace_id == webhook.trace_id]
    assert {"webhook", "ring", *STAGES, "model_call", "transaction"} == {one.name for one in whole}
    assert webhook.parent_id == ""
    assert webhook.facts == {
        "earshot.channel": "whatsapp", "http.route": "/webhooks/<kind>", "earshot.messages": 1, "http.response.status_code": 200,
    }  # fmt: skip
    ids = {name: links[0].kwargs[name] for name in ("tenant_id", "message_id", "run_id")}
    for name in ("ring", *STAGES):
        (stage,) = [one for one in whole if one.name == name]
        assert stage.facts == {f"earshot.{key}": value for key, value in ids.items()}, name
    (ring,) = named(traced, "ring")
    assert ring.parent_id == webhook.span_id
    assert all(one.parent_id == ring.span_id for one in whole if one.name in STAGES)
    (call,) = named(traced, "model_call")
    assert call.facts["earshot.outcome"] == "answered" and call.facts["gen_ai.usage.input_tokens"] > 0
    assert call.facts["earshot.cost_microusd"] > 0 and call.facts["gen_ai.request.model"] == settings.anthropic_model


def test_the_provider_hears_nothing_of_our_traces(
    traced, settings, standins, start_receiver, rung, working, monkeypatch
):
    import httpx2

    client = start_receiver(settings)
    post(client, whatsapp_body(message()))
    (links,) = rung()
    run_chain(links, monkeypatch)
    received = httpx2.get(f"{standins['anthropic']}/_received").text
    assert '"path"' in received and "traceparent" not in received


def test_webhooks_that_are_stored_together_keep_traces_of_their_own(traced, settings, start_receiver, monkeypatch):
    offered = {}
    monkeypatch.setattr(
        Publisher, "offer", lambda self, runs: offered.update({run.run_id: current_trace() for run in runs})
    )
    client = start_receiver(settings)
    app = client.application
    bodies = [whatsapp_body(whatsapp_message(f"hi {n}")) for n in range(12)]
    threads = [threading.Thread(target=lambda body=body: post(app.test_client(), body)) for body in bodies]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(offered) == 12
    assert len({trace[:35] for trace in offered.values()}) == 12


def test_a_senders_own_trace_is_not_honoured(traced, settings, start_receiver, rung):
    client, body = start_receiver(settings), whatsapp_body(message())
    client.post(
        "/webhooks/whatsapp", data=body,
        headers={"X-Hub-Signature-256": signature(body, "acme-secret"), "traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"},
    )  # fmt: skip
    (webhook,) = traced.wait_for(lambda: named(traced, "webhook"))
    assert webhook.trace_id != "ab" * 16 and webhook.parent_id == ""


def test_what_the_reconciler_rings_again_begins_a_trace_with_the_runs_id(traced, receive, working, monkeypatch):
    (ref,) = receive(whatsapp_body(message()))
    celery_app.tasks["earshot.minimize"].apply(
        kwargs={"tenant_id": ref.tenant_id, "message_id": ref.message_id, "run_id": ref.run_id}, throw=True
    )
    (stage,) = traced.wait_for(lambda: named(traced, "minimize"))
    assert stage.parent_id == "" and stage.facts["earshot.run_id"] == ref.run_id


def test_log_lines_name_the_trace_they_belong_to(traced, capsys):
    import structlog

    from config.logs import configure_logging

    configure_logging(level="INFO", log_format="json")
    with span("webhook"):
        structlog.get_logger("test").warning("not_stored", code="x")
        ids = trace_ids()
    structlog.get_logger("test").warning("not_stored", code="y")
    within, after = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert len(ids["trace_id"]) == 32 and ids.items() <= within.items()
    assert "trace_id" not in after


def test_an_exception_is_told_by_class_and_code(traced):
    for error in (
        StoreError("sqlstate_23505", permanent=True),
        ValueError(QUILLON.words()),
        ChannelError("call +905324734590 now", permanent=True),
    ):
        with pytest.raises(type(error)), span("stage"):
            raise error
    traced.wait_for(lambda: len(named(traced, "stage")) == 3)
    facts = [one.facts for one in named(traced, "stage")]
    assert facts == [
        {"error.type": "StoreError", "earshot.code": "sqlstate_23505"}, {"error.type": "ValueError"}, {"error.type": "ChannelError"},
    ]  # fmt: skip


def test_a_span_keeps_what_is_no_id_code_or_count_to_itself(traced):
    with span(
        "stage", outcome=QUILLON["phone, international"], model=QUILLON["e-mail"], endpoint=QUILLON["IBAN"]
    ) as here:
        here.note(text=QUILLON.words(), run_id=QUILLON["wamid"], channel=QUILLON["name"])
    (stage,) = traced.wait_for(lambda: named(traced, "stage"))
    assert stage.facts == {}


def test_sampling_is_the_sdks_own_setting(observer, monkeypatch):
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    monkeypatch.setattr(tracing, "_tracer", None)
    start_tracing("test", endpoint=observer.endpoint)
    with span("webhook") as here:
        here.note(messages=1)
        trace = current_trace()
    assert int(trace[-2:], 16) & 1 == 0
    with continued(trace), span("ring"):
        assert current_trace()[:35] == trace[:35] and int(current_trace()[-2:], 16) & 1 == 0


# What nobody is told


@pytest.fixture
def quoting(monkeypatch):
    """Bugs whose texts quote the message, in receiver, worker and console."""

    def fail(*_, **__):
        words = QUILLON.words()  # a local variable that a report might take along
        try:
            raise KeyError(words)
        except KeyError as error:
            raise ValueError(f"{words} {QUILLON['sender']} {QUILLON['wamid']} {QUILLON['name']}") from error

    return fail


def test_nothing_of_a_customer_arrives_at_either(
    traced, reported, settings, start_receiver, rung, working, quoting, owner, tenant_ids, monkeypatch
):
    client = start_receiver(settings)
    client.application.config["PROPAGATE_EXCEPTIONS"] = False
    body = whatsapp_body(message())
    with monkeypatch.context() as broken:
        broken.setattr(Intake, "take", quoting)
        assert post(client, body).status_code == 500
    assert post(client, body).status_code == 200
    (links,) = rung()
    with monkeypatch.context() as broken:
        broken.setattr(steps, "minimize", quoting)
        celery_app.tasks["earshot.minimize"].apply(kwargs=dict(links[0].kwargs))
    run_chain(links, monkeypatch)
    console = create_console({}, settings=settings)
    console.config["PROPAGATE_EXCEPTIONS"] = False
    visitor = signed_in(console, add_visitor(owner, tenant_ids["acme"], email=QUILLON["e-mail"]))
    assert visitor.get(f"/?q={QUILLON['sender']}").status_code in {302, 200}
    with monkeypatch.context() as broken:
        broken.setitem(console.view_functions, "inbox.show", quoting)
        assert visitor.get(f"/inbox?q={QUILLON['phone, international']}").status_code == 500
    console.extensions["database"].close()
    traced.wait_for(lambda: named(traced, "crm_sync") and named(traced, "page"))
    reported.wait_for(lambda: len(reported.events()) >= 3)
    time.sleep(0.3)
    assert {"webhook", "minimize"} <= {one.name for one in traced.spans() if "ValueError" in one.facts.values()}
    assert ("inbox.show", 500) in {
        (one.facts.get("earshot.endpoint"), one.facts.get("http.response.status_code")) for one in named(traced, "page")
    }
    assert found(traced.everything(), QUILLON.canaries) == {}
    for canary in QUILLON.canaries:  # each would be found, in a span, in a report, and packed
        assert canary.kind in found(traced.everything() + canary.value.encode(), [canary])


@pytest.mark.parametrize("canary", QUILLON.canaries, ids=lambda one: one.kind)
def test_what_was_planted_is_found_at_both(traced, reported, canary):
    import sentry_sdk
    from opentelemetry.trace import set_span_in_context

    planted = tracing._tracer.start_span("planted", context=set_span_in_context(None))
    planted.set_attribute("text", canary.value)
    planted.end()
    traced.wait_for(lambda: named(traced, "planted"))
    assert canary.kind in found(traced.everything(), [canary])
    traced.received.clear()
    sentry_sdk.capture_event({"exception": {"values": [{"type": "Planted", "value": canary.value}]}})
    reported.wait_for(reported.events)
    assert canary.kind in found(reported.everything(), [canary])


def test_a_report_says_where_it_was_and_whose_work_it_was_at(reported):
    import structlog

    def broken():
        tasks._lane(None)

    with structlog.contextvars.bound_contextvars(tenant_id=7, message_id="m", text="no", task="earshot.route"):
        try:
            broken()
        except AttributeError as error:
            report(error)
    (event,) = reported.wait_for(reported.events)
    assert event["tags"] == {"service": "test", "tenant_id": "7", "message_id": "m", "task": "earshot.route"}
    (told,) = event["exception"]["values"]
    assert (told["type"], told["value"]) == ("AttributeError", "")
    frames = [(frame["filename"], frame["function"]) for frame in told["stacktrace"]["frames"]]
    assert frames[0] == ("worker/tasks.py", "_lane") and all(frame[0] == "worker/tasks.py" for frame in frames)
    assert set(event) <= error_reports.KEPT


# When nobody takes them


@pytest.mark.parametrize("state", ["away", "hangs", "refuses"])
def test_without_a_collector_webhooks_are_answered_as_before(traced, settings, start_receiver, monkeypatch, state):
    monkeypatch.setattr(Publisher, "offer", lambda self, runs: None)
    client = start_receiver(settings)
    if state == "away":
        traced.stop()
    elif state == "hangs":
        traced.never_answers()
    else:
        traced.answers(500, QUILLON.words().encode())
    monkeypatch.setattr(span_export, "log", CapturingLogger())
    began = time.monotonic()
    for number in range(40):
        assert post(client, whatsapp_body(whatsapp_message(f"hi {number}"))).status_code == 200
        if number % 10 == 0:
            time.sleep(0.1)
    assert time.monotonic() - began < 5
    assert len(span_export.log.calls) <= 1
    if state == "away":
        traced.stop = lambda: None


def test_spans_that_nobody_takes_are_a_log_line_a_minute(monkeypatch):
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    class Broken(SpanExporter):
        def export(self, spans):
            if len(spans) > 1:
                raise OSError(QUILLON.words())
            return SpanExportResult.FAILURE

    now = [1000.0]
    monkeypatch.setattr(span_export.time, "monotonic", lambda: now[0])
    exporter = span_export.QuietExporter(Broken())
    monkeypatch.setattr(span_export, "log", CapturingLogger())
    for batch in (["a"], ["b", "c"], ["d"]):
        assert exporter.export(batch) is SpanExportResult.FAILURE
    now[0] += 60
    exporter.export(["e"])
    told = [(call.args, call.kwargs) for call in span_export.log.calls]
    assert told == [(("spans_not_exported",), {"spans": 1}), (("spans_not_exported",), {"spans": 4})]


# When they are off, or not installed


@pytest.mark.parametrize(
    ("start", "missing", "told"),
    [
        (lambda: start_tracing("x", endpoint="http://127.0.0.1:1"), "opentelemetry.sdk", "earshot[otel]"),
        (lambda: start_tracing("x", endpoint="http://127.0.0.1:1"), "opentelemetry.exporter.otlp.proto.http", "earshot[otel]"),
        (lambda: start_error_reports("x", dsn="http://k@127.0.0.1:1/1"), "sentry_sdk", "earshot[sentry]"),
    ],
)  # fmt: skip
def test_without_the_extra_the_process_says_what_to_install(monkeypatch, start, missing, told):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(tracing, "_tracer", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == missing else find(name, *more))
    with pytest.raises(SettingsError) as refused:
        start()
    assert f"pip install '{told}'" in str(refused.value)


def test_a_dsn_that_is_none_is_refused_without_being_told():
    with pytest.raises(SettingsError, match="SENTRY_DSN") as refused:
        start_error_reports("x", dsn="kanarkey9f27c1")
    assert "kanarkey" not in str(refused.value)


@pytest.mark.parametrize("module", ["webhook_receiver.app", "console.app", "worker.app"])
def test_when_off_nothing_of_them_is_loaded(module):
    # Redis' own client loads the part for metrics, where it is installed, and the model's SDK the interface; neither sends anything.
    code = f"""
import sys
import {module}, worker.tasks
from config.error_reports import report
from config.observing import start_observing
from config.settings import load_settings
from config.tracing import span
start_observing("x", load_settings({{"DATABASE_URL": "postgresql://x", "REDIS_URL": "redis://x", "EARSHOT_KEYS": "k"}}))
with span("webhook", messages=1):
    report(ValueError())
ours = ("opentelemetry.sdk.trace.export", "opentelemetry.exporter", "config.span_export", "sentry_sdk")
sys.exit(" ".join(name for name in sys.modules if name.startswith(ours)) or 0)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
