"""Runs the links that follow a stage in the same worker, without a trip through the broker, while they succeed.

A trip costs more than a short stage's own work. Each link keeps its id, its fence and its events, so that Flower shows five tasks; a link
that fails goes back to the broker alone, with the rest of the chain behind it and its own retry policy. What follows an answer of the
model shares one transaction with storing it; where anything in it fails, the answer is stored alone and each link has its own.
EARSHOT_FUSE=0 switches all of it off. Relies on three things of Celery 5.7: `request.chain` holds the links to come, next one last, and
is read only after the task body has returned; a link is sent with its chain and its count of retries as options; `worker_ready` is sent
with the consumer, whose dispatcher sends events, and the application knows which queues its worker takes from.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from celery import signature
from celery.signals import worker_ready
from kombu.exceptions import OperationalError

from config.crash_points import crash_point
from config.tracing import span
from store.db import StoreError
from store.held_runs import HeldRun
from store.runs import RunRef
from worker.app import app
from worker.errors import StepError
from worker.metrics import STAGE_FAILURES, STAGE_SECONDS
from worker.model_call import ClaimedCall
from worker.pipeline import is_fused
from worker.retry_policy import retry_in_s
from worker.stage import Next

# Short and in need of nothing but the database: any worker may run them. Others run in place where their queue is served.
SHORT = ("earshot.persist", "earshot.route", "earshot.crm_sync")

log = structlog.get_logger()

_consumer: list[Any] = []


@worker_ready.connect
def _remember_consumer(sender: Any, **_: Any) -> None:
    _consumer[:] = [sender]


def _send_event(kind: str, **fields: Any) -> None:
    dispatcher = _consumer[0].event_dispatcher if _consumer else None
    if dispatcher is not None and dispatcher.enabled:
        dispatcher.send(kind, **fields)


def _may_run_here(link: Any) -> bool:
    if link.task in SHORT:
        return True
    return bool(_consumer) and link.options.get("queue") in app.amqp.queues.consume_from


class Following:
    """The links behind a stage that runs now: `request.chain`, of which they are taken off as they succeed.

    stages: task name to what it does. A link that fails in an orderly way is sent to its own queue for its next try; one that raises
    anything else stays on the chain: Celery sends it when the task body has returned.
    """

    claimed: ClaimedCall | None = None
    """The call to the model, where the stage before has claimed it."""

    def __init__(self, request: Any, ref: RunRef, *, stages: "Mapping[str, Stage]") -> None:
        self._request, self._ref, self._stages = request, ref, stages
        self._ahead: list[Any] = list(request.chain or ())
        self._joined: list[_Done] = []
        self.held: HeldRun | None = None
        """The run, while the joint transaction at hand holds it."""

    def leads_at_once_to(self, task: str) -> bool:
        """Whether this task's link runs next, here."""
        if not is_fused() or not self._ahead:
            return False
        link = signature(self._ahead[-1], app=app)
        return link.task == task and _may_run_here(link)

    def run(self) -> None:
        """Run them while they may run here and succeed."""
        self._request.chain = self._ahead or None
        while is_fused() and self._request.chain:
            link = signature(self._request.chain[-1], app=app)
            if not _may_run_here(link):
                return
            self._ahead = self._request.chain[:-1]
            try:
                crash_point("fusion.before_link")
                verdict = self._run_link(link)
            except (StepError, StoreError) as error:
                log.info("link_left_to_broker", stage=link.task, code=error.code, run_id=self._ref.run_id)
                if not error.permanent:
                    _send_back(link, self._ref, request=self._request, error=error)
                return
            except Exception as error:  # noqa: BLE001 -- whatever it is, its own task meets it again and knows what to do
                log.info("link_left_to_broker", stage=link.task, code=type(error).__name__, run_id=self._ref.run_id)
                return
            self._request.chain = (self._ahead or None) if verdict is Next.GO_ON else None

    def _run_link(self, link: Any) -> Next:
        # Started where it was received: an event for each would be a third of what events cost.
        _send_event("task-received", **self._described(link))
        began = time.monotonic()
        try:
            verdict = timed(str(link.task), self._stages, self._ref, self)
        except Exception:
            _send_event("task-failed", uuid=link.id, exception="left to the broker", traceback="")
            raise
        _send_event("task-succeeded", uuid=link.id, result="None", runtime=time.monotonic() - began)
        return verdict

    def _described(self, link: Any) -> dict[str, Any]:
        """What the first event of a task says of it."""
        return {
            "uuid": link.id,
            "root_id": self._request.root_id,
            "parent_id": self._request.id,
            "name": link.task,
            "args": "()",
            "kwargs": repr(dict(link.kwargs)),
            "retries": 0,
        }

    def join(self, held: HeldRun) -> None:
        """Run the short links in the joint transaction at hand, which holds the run. They count as done when it is committed (`confirm`).

        Raises: what a link raises; the transaction must then be given up (`part`).
        """
        self.held = held
        try:
            while is_fused() and len(self._joined) < len(self._ahead):
                link = signature(self._ahead[-1 - len(self._joined)], app=app)
                if link.task not in SHORT:
                    return
                received_at, began = time.time(), time.monotonic()
                verdict = timed(str(link.task), self._stages, self._ref, self)
                self._joined.append(_Done(link, verdict, received_at, time.monotonic() - began))
                if verdict is Next.STOP:
                    return
        finally:
            self.held = None

    def confirm(self) -> None:
        """What ran in the joint transaction is so, and is told."""
        for done in self._joined:
            # It is over when it is told: one event says when it was received too.
            said = {**self._described(done.link), "received": done.received_at, "result": "None"}
            _send_event("task-succeeded", runtime=done.seconds, **said)
            self._ahead = self._ahead[:-1] if done.verdict is Next.GO_ON else []
        self._joined = []

    def part(self) -> None:
        """The joint transaction was undone: the links run one by one, each for itself."""
        self._joined = []


Stage = Callable[[RunRef, Following], Next]


@dataclass(frozen=True)
class _Done:
    """A link that ran in a transaction not yet committed."""

    link: Any
    verdict: Next
    received_at: float
    seconds: float


def timed(task: str, stages: Mapping[str, Stage], ref: RunRef, following: Following) -> Next:
    """Run the stage of this task's name: its time is a metric, and a span where traces are collected."""
    name = task.removeprefix("earshot.")
    with (
        STAGE_SECONDS.labels(name).time(),
        span(name, tenant_id=ref.tenant_id, message_id=ref.message_id, run_id=ref.run_id),
    ):
        return stages[task](ref, following)


def _send_back(link: Any, ref: RunRef, *, request: Any, error: StepError | StoreError) -> None:
    """For its next try, with the rest of the chain; where that can't be, the reconciler rings it."""
    rest, request.chain = request.chain[:-1], None
    countdown = retry_in_s(error, retries=0, max_retries=1)
    outcome = "left_to_reconciler" if countdown is None else "retried"
    STAGE_FAILURES.labels(link.task.removeprefix("earshot."), outcome).inc()
    if countdown is None:
        return
    try:
        link.apply_async(
            chain=rest or None, parent_id=request.id, root_id=request.root_id, countdown=countdown, retries=1
        )
    except OperationalError as lost:
        log.warning("broker_unreachable", what=link.task, code=type(lost).__name__, run_id=ref.run_id)
