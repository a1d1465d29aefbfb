"""Links run in place: only the short ones, only while they succeed, and each stays retryable alone."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from celery.events.state import State

from store.runs import RunRef
from worker import fusion
from worker.app import app
from worker.errors import StepError
from worker.pipeline import STAGES, _stage_signature
from worker.stage import Next

REF = RunRef(1, "m", "r")


@pytest.fixture
def request_after():
    """The request of a stage's task with the rest of its chain, as Celery hands it over: next link last."""

    def build(stage):
        rest = [
            dict(_stage_signature(name, REF).set(task_id=f"id-{name}")) for name in STAGES[STAGES.index(stage) + 1 :]
        ]
        return SimpleNamespace(chain=list(reversed(rest)) or None, id=f"id-{stage}", root_id="id-minimize")

    return build


def stages(ran, **behaviour):
    def build(name):
        def stage(ref, _):
            ran.append(name)
            verdict = behaviour.get(name, Next.GO_ON)
            if isinstance(verdict, Exception):
                raise verdict
            return verdict

        return stage

    return {f"earshot.{name}": build(name) for name in STAGES}


def names(request):
    return [link["task"].removeprefix("earshot.") for link in reversed(request.chain or [])]


def test_after_the_model_the_short_stages_run_in_place(request_after):
    request, ran = request_after("analyze"), []
    fusion.Following(request, REF, stages=stages(ran)).run()
    assert ran == ["persist", "route", "crm_sync"]
    assert names(request) == []


@pytest.fixture
def serving(monkeypatch):
    """This process serves these queues, as a worker does."""

    def serve(*queues):
        monkeypatch.setattr(fusion, "_consumer", [SimpleNamespace(event_dispatcher=None)])
        monkeypatch.setattr(app.amqp.queues, "_consume_from", {name: app.amqp.queues[name] for name in queues})

    return serve


def test_where_the_model_is_asked_the_whole_way_is_one_trip(request_after, serving):
    serving("analyze", "analyze_flood")
    request, ran = request_after("minimize"), []
    fusion.Following(request, REF, stages=stages(ran)).run()
    assert ran == ["analyze", "persist", "route", "crm_sync"] and names(request) == []


@pytest.mark.parametrize("queues", [(), ("minimize", "minimize_flood", "persist", "route", "crm_sync")])
def test_analyze_never_runs_outside_its_own_pool(request_after, serving, queues):
    serving(*queues)
    request, ran = request_after("minimize"), []
    fusion.Following(request, REF, stages=stages(ran)).run()
    assert ran == []
    assert names(request) == ["analyze", "persist", "route", "crm_sync"]


def test_a_failing_link_goes_back_to_the_broker_with_the_rest_behind_it(request_after):
    request, ran = request_after("analyze"), []
    fusion.Following(request, REF, stages=stages(ran, route=RuntimeError("database gone"))).run()
    assert ran == ["persist", "route"]
    assert names(request) == ["route", "crm_sync"]


def test_a_link_that_must_wait_is_sent_with_the_rest_for_when_it_is_due(request_after, serving, broker):
    serving("analyze")
    request, ran = request_after("minimize"), []
    refused = StepError("rate_limited", permanent=False, retry_after_s=7)
    began = datetime.now(UTC)
    with app.connection_for_write() as connection:
        connection.default_channel.queue_purge("analyze")  # another test's message may wait there
    fusion.Following(request, REF, stages=stages(ran, analyze=refused)).run()
    assert ran == ["analyze"] and request.chain is None
    with app.connection_for_write() as connection:
        message = connection.default_channel.basic_get("analyze", no_ack=True)
    headers, (_, kwargs, embed) = message.headers, message.payload
    assert (headers["task"], headers["id"], headers["retries"]) == ("earshot.analyze", "id-analyze", 1)
    due = datetime.fromisoformat(headers["eta"])
    assert began + timedelta(seconds=5) < due <= datetime.now(UTC) + timedelta(seconds=7)
    assert [link["task"] for link in reversed(embed["chain"])] == [
        "earshot.persist",
        "earshot.route",
        "earshot.crm_sync",
    ]
    assert kwargs == {"tenant_id": 1, "message_id": "m", "run_id": "r"}


def test_one_that_must_wait_long_is_left_to_the_reconciler(request_after, serving):
    serving("analyze")
    request, ran = request_after("minimize"), []
    paused = StepError("budget", permanent=False, retry_after_s=300)
    fusion.Following(request, REF, stages=stages(ran, analyze=paused)).run()
    assert ran == ["analyze"] and request.chain is None


def test_a_link_that_stops_ends_the_chain(request_after):
    request, ran = request_after("analyze"), []
    fusion.Following(request, REF, stages=stages(ran, persist=Next.STOP)).run()
    assert ran == ["persist"]
    assert request.chain is None


def test_one_setting_switches_it_off(request_after, monkeypatch):
    monkeypatch.setenv("EARSHOT_FUSE", "0")
    request, ran = request_after("analyze"), []
    fusion.Following(request, REF, stages=stages(ran)).run()
    assert ran == []
    assert names(request) == ["persist", "route", "crm_sync"]


def answering(ran, **behaviour):
    """Stages of which `analyze` has an answer to store, and stores it with what is behind it."""
    made = stages(ran, **behaviour)

    def analyze(_, behind):
        ran.append("analyze")
        try:
            behind.join(None)
        except RuntimeError:
            ran.append("undone")
            behind.part()
        else:
            behind.confirm()
        return Next.GO_ON

    return made | {"earshot.analyze": analyze}


def test_what_follows_an_answer_runs_in_its_transaction_and_once(request_after, serving):
    serving("analyze")
    request, ran = request_after("minimize"), []
    fusion.Following(request, REF, stages=answering(ran)).run()
    assert ran == ["analyze", "persist", "route", "crm_sync"] and names(request) == []


def test_flower_learns_of_a_link_in_that_transaction_by_one_event(request_after, monkeypatch):
    told = []
    dispatcher = SimpleNamespace(enabled=True, send=lambda kind, **fields: told.append((kind, fields)))
    monkeypatch.setattr(fusion, "_consumer", [SimpleNamespace(event_dispatcher=dispatcher)])
    request, made = request_after("analyze"), answering([])
    made["earshot.analyze"](REF, fusion.Following(request, REF, stages=made))
    assert [fields["name"] for _, fields in told] == ["earshot.persist", "earshot.route", "earshot.crm_sync"]
    seen = State()
    for clock, (kind, fields) in enumerate(told):
        sent = {"type": kind, "hostname": "w", "timestamp": 9e9, "local_received": 9e9, "clock": clock, "utcoffset": 0}
        seen.event({**sent, "pid": 1, **fields})
    route = seen.tasks["id-route"]
    assert (route.name, route.state, route.parent_id) == ("earshot.route", "SUCCESS", "id-analyze")
    assert route.received < route.succeeded == 9e9 and route.runtime >= 0 and "run_id" in route.kwargs


def test_what_follows_an_answer_in_its_own_task_is_done_too(request_after):
    request, ran = request_after("analyze"), []
    made = answering(ran)
    following = fusion.Following(request, REF, stages=made)
    made["earshot.analyze"](REF, following)
    following.run()
    assert ran == ["analyze", "persist", "route", "crm_sync"] and names(request) == []


def test_where_it_fails_there_the_links_run_one_by_one(request_after, serving):
    serving("analyze")
    request, ran = request_after("minimize"), []
    fusion.Following(request, REF, stages=answering(ran, route=RuntimeError("odd"))).run()
    assert ran == ["analyze", "persist", "route", "undone", "persist", "route"]
    assert names(request) == ["route", "crm_sync"]


def test_one_that_stops_there_ends_the_chain(request_after, serving):
    serving("analyze")
    request, ran = request_after("minimize"), []
    fusion.Following(request, REF, stages=answering(ran, persist=Next.STOP)).run()
    assert ran == ["analyze", "persist"] and request.chain is None


def test_switched_off_nothing_joins(request_after, monkeypatch):
    monkeypatch.setenv("EARSHOT_FUSE", "0")
    request, ran = request_after("analyze"), []
    made = answering(ran)
    following = fusion.Following(request, REF, stages=made)
    made["earshot.analyze"](REF, following)
    following.run()
    assert ran == ["analyze"] and names(request) == ["persist", "route", "crm_sync"]
