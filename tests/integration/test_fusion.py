"""Links run in place: only the short ones, only while they succeed, and each stays retryable alone."""

from types import SimpleNamespace

import pytest

from store.runs import RunRef
from worker import fusion
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
        def stage(ref):
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
    fusion.run_following(request, REF, stages=stages(ran))
    assert ran == ["persist", "route", "crm_sync"]
    assert names(request) == []


def test_analyze_never_runs_outside_its_own_pool(request_after):
    request, ran = request_after("minimize"), []
    fusion.run_following(request, REF, stages=stages(ran))
    assert ran == []
    assert names(request) == ["analyze", "persist", "route", "crm_sync"]


def test_a_failing_link_goes_back_to_the_broker_with_the_rest_behind_it(request_after):
    request, ran = request_after("analyze"), []
    fusion.run_following(request, REF, stages=stages(ran, route=RuntimeError("database gone")))
    assert ran == ["persist", "route"]
    assert names(request) == ["route", "crm_sync"]


def test_a_link_that_stops_ends_the_chain(request_after):
    request, ran = request_after("analyze"), []
    fusion.run_following(request, REF, stages=stages(ran, persist=Next.STOP))
    assert ran == ["persist"]
    assert request.chain is None


def test_one_setting_switches_it_off(request_after, monkeypatch):
    monkeypatch.setenv("EARSHOT_FUSE", "0")
    request, ran = request_after("analyze"), []
    fusion.run_following(request, REF, stages=stages(ran))
    assert ran == []
    assert names(request) == ["persist", "route", "crm_sync"]
