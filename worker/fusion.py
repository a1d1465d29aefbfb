"""Runs the links that follow a stage in the same worker, without a trip through the broker, while they succeed.

A trip costs more than a short stage's own work. Each link keeps its id, its fence, its own transaction and its events, so that Flower
shows five tasks; a link that fails goes back to the broker alone, with the rest of the chain behind it and its own retry policy.
EARSHOT_FUSE=0 switches all of it off. Relies on two things of Celery 5.7: `request.chain` holds the links to come, next one last, and
is read only after the task body has returned; `worker_ready` is sent with the consumer, whose dispatcher sends events.
"""

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from celery import signature
from celery.signals import worker_ready

from config.crash_points import crash_point
from store.runs import RunRef
from worker.app import app
from worker.metrics import STAGE_SECONDS
from worker.stage import Next

# Short and in need of nothing but the database: any worker may run them. Minimize comes first, analyze has a pool of its own.
FUSABLE = ("earshot.persist", "earshot.route", "earshot.crm_sync")

log = structlog.get_logger()

_consumer: list[Any] = []


@worker_ready.connect
def _remember_consumer(sender: Any, **_: Any) -> None:
    _consumer[:] = [sender]


def is_on() -> bool:
    """Whether links are run in place."""
    return os.environ.get("EARSHOT_FUSE", "1") != "0"


def _send_event(kind: str, **fields: Any) -> None:
    dispatcher = _consumer[0].event_dispatcher if _consumer else None
    if dispatcher is not None and dispatcher.enabled:
        dispatcher.send(kind, **fields)


def run_following(request: Any, ref: RunRef, *, stages: Mapping[str, Callable[[RunRef], Next]]) -> None:
    """Run the next links of `request.chain` while they are fusable and succeed, and take them off the chain.

    stages: task name to what it does. A link that raises stays on the chain: Celery sends it when the task body has returned.
    """
    while is_on() and request.chain:
        link = signature(request.chain[-1], app=app)
        if link.task not in FUSABLE:
            return
        try:
            crash_point("fusion.before_link")
            verdict = _run_link(link, ref, request=request, stage=stages[link.task])
        except Exception as error:  # noqa: BLE001 -- whatever it is, its own task meets it again and knows what to do
            log.info("link_left_to_broker", stage=link.task, code=type(error).__name__, run_id=ref.run_id)
            return
        request.chain = request.chain[:-1] if verdict is Next.GO_ON else None


def _run_link(link: Any, ref: RunRef, *, request: Any, stage: Callable[[RunRef], Next]) -> Next:
    ids = {"uuid": link.id, "root_id": request.root_id, "parent_id": request.id}
    _send_event("task-received", name=link.task, args="()", kwargs=repr(dict(link.kwargs)), retries=0, **ids)
    _send_event("task-started", uuid=link.id)
    began = time.monotonic()
    try:
        with STAGE_SECONDS.labels(link.task.removeprefix("earshot.")).time():
            verdict = stage(ref)
    except Exception:
        _send_event("task-failed", uuid=link.id, exception="left to the broker", traceback="")
        raise
    _send_event("task-succeeded", uuid=link.id, result="None", runtime=time.monotonic() - began)
    return verdict
