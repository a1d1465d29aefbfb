"""Events of tasks go out together, in their order, also after the connection was lost. That Flower hears them: tests/acceptance."""

from types import SimpleNamespace

import pytest
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
    assert consumer.published == [["task-received", "task-started", "task-succeeded"]]


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
