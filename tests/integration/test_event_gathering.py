"""Events of tasks go out together, in their order, also after the connection was lost. That Flower hears them: tests/acceptance."""

from types import SimpleNamespace

import pytest
from celery.events.state import State
from kombu.asynchronous import Hub

from worker import event_gathering
from worker.app import app


@pytest.fixture
def consumer(broker):
    """A worker's consumer with a loop, as far as events go. published: what went out; connect(): as after a lost connection."""
    with app.connection_for_write() as connection:
        consumer = SimpleNamespace(hub=Hub(), event_dispatcher=None, woken=0, published=[])

        def wake():
            consumer.woken += 1

        def connect():
            consumer.event_dispatcher = app.events.Dispatcher(
                connection, hostname="w@h", enabled=True, buffer_group=["task"], on_send_buffered=wake
            )
            consumer.event_dispatcher.producer = SimpleNamespace(
                publish=lambda events, **_: consumer.published.append([event["type"] for event in events])
            )

        consumer.connect = connect
        connect()
        yield consumer


def test_events_wait_for_the_next_turn_and_go_out_together_in_their_order(consumer):
    event_gathering.gather(consumer)
    for kind in ("task-received", "task-started", "task-succeeded"):
        consumer.event_dispatcher.send(kind, uuid="u")
    assert consumer.woken == 0 and consumer.published == []
    (scheduled,) = consumer.hub.timer.queue
    scheduled.entry()
    assert consumer.published == [["task-succeeded"]]


def test_the_end_of_a_task_tells_its_beginning_and_what_goes_on_is_told_as_it_comes():
    def event(kind, task, at, **said):
        return {"type": f"task-{kind}", "uuid": task, "timestamp": at, **said}

    told = event_gathering.fold(
        [
            event("received", "a", 1, name="earshot.minimize"),
            event("received", "b", 2, name="earshot.route"),
            event("started", "a", 3),
            event("retried", "a", 4),
            event("received", "a", 5, name="earshot.minimize"),
            event("started", "a", 6),
            event("succeeded", "a", 7, result="None"),
            event("started", "b", 8),
            event("started", "c", 9),
            event("succeeded", "c", 10),
            event("received", "c", 11),
        ]
    )
    assert told == [
        event("received", "b", 2, name="earshot.route"),
        event("retried", "a", 4, name="earshot.minimize", received=1, started=3),
        event("succeeded", "a", 7, name="earshot.minimize", received=5, started=6, result="None"),
        event("started", "b", 8),
        event("started", "c", 9),  # its receipt was told before
        event("succeeded", "c", 10),
        event("received", "c", 11, received=11),  # once more, and not over
    ]


def test_celerys_own_state_reads_the_same_from_one_event(consumer):
    def state_of(kinds, **said):
        state = State()
        for at, kind in enumerate(kinds):
            fields = {"uuid": "u", "name": "earshot.route", "timestamp": at, "local_received": at, "hostname": "w@h"}
            state.event({"type": f"task-{kind}", "clock": at, "pid": 1, **fields, **said.get(kind, {})})
        task = state.tasks["u"]
        return task.state, task.name, task.received, task.started, task.succeeded, task.worker.hostname

    kinds = ("received", "started", "succeeded")
    assert state_of(kinds) == ("SUCCESS", "earshot.route", 0, 1, 2, "w@h")
    assert state_of(kinds[2:], succeeded={"received": 0, "started": 1, "timestamp": 2}) == state_of(kinds)


def test_after_a_lost_connection_they_are_gathered_again(consumer):
    event_gathering.gather(consumer)
    consumer.connect()
    event_gathering.flush(consumer)
    consumer.event_dispatcher.send("task-received", uuid="u")
    assert consumer.woken == 0 and consumer.published == []
    event_gathering.flush(consumer)
    assert consumer.published == [["task-received"]]


def test_a_flood_of_them_goes_out_at_once(consumer):
    event_gathering.gather(consumer)
    for _ in range(event_gathering.AT_MOST):
        consumer.event_dispatcher.send("task-received", uuid="u")
    assert [len(events) for events in consumer.published] == [event_gathering.AT_MOST]


def test_without_a_loop_or_without_events_nothing_changes(consumer):
    consumer.hub = None
    event_gathering.gather(consumer)
    assert consumer.event_dispatcher.buffer_limit < event_gathering.AT_MOST
    consumer.event_dispatcher = None
    event_gathering.flush(consumer)


@pytest.mark.parametrize(("asked", "every_s"), [(None, event_gathering.ALIVE_EVERY_S), (2.0, 2.0)])
def test_a_worker_says_less_often_that_it_lives_unless_it_was_told_how_often(asked, every_s):
    worker = SimpleNamespace(options={"heartbeat_interval": asked})
    event_gathering.slow_down(worker)
    assert worker.options["heartbeat_interval"] == every_s
