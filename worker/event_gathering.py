"""Sends the events of tasks, by which Flower knows them, twice a second instead of at each turn of the worker's loop.

A loop that turns a hundred times a second published a handful of events each time, which took as long as a stage. And of a task that is over when
they leave one event goes out instead of three: when it was received and started stands in it. Flower takes a tenth of a millisecond for each.
Relies on two things of Celery 5.7: `worker_ready` is sent with the consumer when its loop begins; its dispatcher, a new one after each lost
connection, keeps events of the group `task` in a list until it is told to flush or has `buffer_limit` of them. Where there is no loop nothing
changes.

A worker's sign of life leaves every ten seconds instead of two: at rest it was most of what Flower and the broker had to do.
"""

from collections.abc import Sequence
from typing import Any

from celery.signals import worker_init, worker_ready

FLUSH_EVERY_S = 0.5
AT_MOST = 500
ALIVE_EVERY_S = 10.0
# Events that a later one of the same task can tell, and as what it tells them.
_BEGINNINGS = {"task-received": "received", "task-started": "started"}


def install() -> None:
    """Have the workers of this process gather their events."""
    worker_init.connect(slow_down)
    worker_ready.connect(gather)


def slow_down(sender: Any, **_: Any) -> None:
    """Have this worker's signs of life sent less often, unless `--heartbeat-interval` says how often."""
    if sender.options.get("heartbeat_interval") is None:
        sender.options["heartbeat_interval"] = ALIVE_EVERY_S


def gather(sender: Any, **_: Any) -> None:
    """Have this consumer's events gathered."""
    if sender.hub is not None:
        flush(sender)
        sender.hub.call_repeatedly(FLUSH_EVERY_S, flush, sender)


def flush(consumer: Any) -> None:
    """Send what was gathered, and see to it that more is gathered."""
    dispatcher = consumer.event_dispatcher
    if dispatcher is None or not dispatcher.enabled:
        return
    dispatcher.on_send_buffered, dispatcher.buffer_limit = None, AT_MOST
    with dispatcher.mutex:  # a thread whose event is the last that there is room for flushes too
        events = dispatcher._group_buffer["task"]  # noqa: SLF001 -- nothing public shows them
        gathered = len(events)  # threads add more behind these meanwhile
        events[:gathered] = fold(events[:gathered])
    dispatcher.flush()


def fold(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same in fewer events: the end of a task says when it was received and started, where these were to be told together with it."""
    ended = {event["uuid"] for event in events if event["type"] == "task-succeeded"}
    began: dict[str, dict[str, Any]] = {}
    told: list[dict[str, Any]] = []
    for event in events:
        task = event["uuid"]
        # A start whose receipt was told before is told: Flower counts down by it what it has counted up.
        if task in ended and (event["type"] == "task-received" or (event["type"] == "task-started" and task in began)):
            began[task] = {**began.get(task, {}), **event, _BEGINNINGS[event["type"]]: event["timestamp"]}
        else:
            told.append({**began.pop(task, {}), **event})
    return [*told, *began.values()]
