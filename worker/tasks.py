"""The Celery tasks of a message's way: names, queues and retry policies. What they do is in steps.py and its neighbours."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import structlog
from celery import Task
from kombu.exceptions import OperationalError

from config.crash_points import crash_point
from config.error_reports import report
from config.tracing import continued
from store.db import StoreError
from store.held_runs import HeldRun
from store.runs import RunRef
from worker import analyze_step, canary_steps, fusion, steps
from worker.app import app
from worker.claim_ahead import minimize_and_claim
from worker.deps import deps
from worker.errors import StepError, innermost_frame
from worker.lanes import in_work
from worker.metrics import STAGE_FAILURES
from worker.pipeline import ring_action
from worker.quiet_work import do_quietly
from worker.retry_policy import MODEL_RETRIES, STORE_RETRIES, retry_in_s
from worker.stage import Next

log = structlog.get_logger()

if TYPE_CHECKING:
    StageTask = Task[Any, Any]
else:  # the class takes no type arguments at run time
    StageTask = Task


def _run_stage(task: StageTask, ref: RunRef, said: dict[str, Any]) -> None:
    with continued(said.get("trace")), in_work.message(ref.tenant_id, is_flood=ref.is_flood):
        _run_in_trace(task, ref, is_suspect=bool(said.get("is_suspect")))


def _run_in_trace(task: StageTask, ref: RunRef, *, is_suspect: bool) -> None:
    """Run one stage; stop the chain when the stage says so, retry what another try may cure, park what none will.

    is_suspect: see begin_try. Not for analyze, whose lease counts every try.
    """
    stages = CANARY_STAGES if ref.is_canary else STAGES
    structlog.contextvars.bind_contextvars(
        task=task.name, task_id=task.request.id, tenant_id=ref.tenant_id, message_id=ref.message_id
    )
    try:
        is_suspect = is_suspect and task.name != "earshot.analyze"
        if is_suspect and not steps.begin_try(deps(), ref):
            task.request.chain = None
            log.error("run_parked", code="poison", run_id=ref.run_id)
            return
        following = fusion.Following(task.request, ref, stages=stages)
        verdict = fusion.timed(task.name, stages, ref, following)
        if verdict is Next.STOP:
            task.request.chain = None
        else:
            following.run()
    except (StepError, StoreError) as error:
        if is_suspect:
            do_quietly(lambda: steps.end_try(deps(), ref), name="end_try")
        _retry_or_park(task, ref, error)
    except Exception as error:  # noqa: BLE001 -- a bug must park its message with a reason, not loop
        # The text of an unknown exception may quote the customer: only its class is told.
        report(error)
        _retry_or_park(task, ref, StepError(f"bug_{type(error).__name__}", permanent=False))
        log.error("stage_failed", code=type(error).__name__, where=innermost_frame(error))  # noqa: TRY400
    finally:
        structlog.contextvars.unbind_contextvars("task", "task_id", "tenant_id", "message_id")


def _stage_name(task: StageTask) -> str:
    return task.name.removeprefix("earshot.")


def _retry_or_park(task: StageTask, ref: RunRef, error: StepError | StoreError) -> None:
    retries: int = task.request.retries
    is_bug = error.code.startswith("bug_")
    if error.permanent or (is_bug and retries >= 2):
        (canary_steps.give_up if ref.is_canary else steps.bury_run)(deps(), ref, error_code=error.code)
        task.request.chain = None
        STAGE_FAILURES.labels(_stage_name(task), "parked").inc()
        log.error("run_parked", code=error.code, run_id=ref.run_id)
        return
    countdown = retry_in_s(error, retries=retries, max_retries=task.max_retries or 0)
    if countdown is None:
        task.request.chain = None
        STAGE_FAILURES.labels(_stage_name(task), "left_to_reconciler").inc()
        log.warning("stage_left_to_reconciler", code=error.code, run_id=ref.run_id)
        return
    STAGE_FAILURES.labels(_stage_name(task), "retried").inc()
    log.info("stage_retried", code=error.code, retries=retries, run_id=ref.run_id)
    raise task.retry(exc=StepError(error.code, permanent=False), countdown=countdown) from None


def _route_and_ring(ref: RunRef, held: HeldRun | None) -> Next:
    routed = steps.route(deps(), ref, now=datetime.now(UTC), held=held)
    deps().database.once_committed(lambda: _ring(ref, routed.action_ids))
    return routed.verdict


def _ring(ref: RunRef, action_ids: tuple[str, ...]) -> None:
    for action_id in action_ids:
        try:
            ring_action(tenant_id=ref.tenant_id, action_id=action_id)
        except OperationalError as lost:  # its row is the promise, and the reconciler rings it
            log.warning("broker_unreachable", what="action", code=type(lost).__name__, run_id=ref.run_id)
    crash_point("route.after_ring")


def _minimize_and_claim(ref: RunRef, following: fusion.Following) -> Next:
    if not following.leads_at_once_to("earshot.analyze"):
        return steps.minimize(deps(), ref)
    verdict, following.claimed = minimize_and_claim(deps(), ref)
    return verdict


STAGES: dict[str, fusion.Stage] = {
    "earshot.minimize": _minimize_and_claim,
    "earshot.analyze": lambda ref, following: analyze_step.analyze(deps(), ref, following, claimed=following.claimed),
    "earshot.persist": lambda ref, following: steps.persist(deps(), ref, held=following.held),
    "earshot.route": lambda ref, following: _route_and_ring(ref, following.held),
    "earshot.crm_sync": lambda ref, following: steps.crm_sync(deps(), ref, held=following.held),
}


def _lane(said: dict[str, Any]) -> dict[str, bool]:
    return {name: bool(said.get(name)) for name in ("is_flood", "is_canary")}


CANARY_STAGES: dict[str, fusion.Stage] = {
    "earshot.minimize": lambda ref, _: canary_steps.minimize(deps(), ref),
    "earshot.analyze": lambda ref, _: canary_steps.analyze(deps(), ref),
    "earshot.persist": lambda ref, _: canary_steps.persist(deps(), ref),
    "earshot.route": lambda ref, _: canary_steps.route(deps(), ref, now=datetime.now(UTC)),
    "earshot.crm_sync": lambda ref, _: canary_steps.crm_sync(deps(), ref),
}


@app.task(name="earshot.minimize", queue="minimize", bind=True, max_retries=STORE_RETRIES)
def minimize(self: StageTask, *, tenant_id: int, message_id: str, run_id: str, **said: Any) -> None:
    """Strip personal data."""
    _run_stage(self, RunRef(tenant_id, message_id, run_id, **_lane(said)), said)


@app.task(name="earshot.analyze", queue="analyze", bind=True, max_retries=MODEL_RETRIES)
def analyze(self: StageTask, *, tenant_id: int, message_id: str, run_id: str, **said: Any) -> None:
    """Ask the model."""
    _run_stage(self, RunRef(tenant_id, message_id, run_id, **_lane(said)), said)


@app.task(name="earshot.persist", queue="persist", bind=True, max_retries=STORE_RETRIES)
def persist(self: StageTask, *, tenant_id: int, message_id: str, run_id: str, **said: Any) -> None:
    """Append the analysis."""
    _run_stage(self, RunRef(tenant_id, message_id, run_id, **_lane(said)), said)


@app.task(name="earshot.route", queue="route", bind=True, max_retries=STORE_RETRIES)
def route(self: StageTask, *, tenant_id: int, message_id: str, run_id: str, **said: Any) -> None:
    """Decide, and ring the actions that were planned."""
    _run_stage(self, RunRef(tenant_id, message_id, run_id, **_lane(said)), said)


@app.task(name="earshot.crm_sync", queue="crm_sync", bind=True, max_retries=STORE_RETRIES)
def crm_sync(self: StageTask, *, tenant_id: int, message_id: str, run_id: str, **said: Any) -> None:
    """Record what the CRM must say."""
    _run_stage(self, RunRef(tenant_id, message_id, run_id, **_lane(said)), said)
