"""What our mend of kombu's Redis transport is for."""

from collections import Counter
from contextlib import ExitStack, suppress

import pytest
from kombu import Connection, Producer, Queue
from kombu.asynchronous import Hub, set_event_loop

from worker import app  # noqa: F401 -- installs it, as in every process
from worker.lanes import FLOODS_IN_WORK, in_work
from worker.redis_transport import Channel


def test_giving_messages_back_through_a_closed_connection_is_a_lost_connection_and_no_bug(broker):
    connection = Connection(broker)
    channel = connection.default_channel
    assert isinstance(channel, Channel)
    channel.connection.client = None  # what closing leaves behind
    channel._disconnect_pools()
    with pytest.raises(connection.connection_errors):
        channel.qos.restore_unacked()


@pytest.fixture
def channel(broker):
    with Connection(broker) as connection:
        channel = connection.default_channel
        channel.queue_declare("taken-off")
        channel.queue_purge("taken-off")
        channel.client.delete(channel.unacked_key, channel.unacked_index_key)
        yield channel
        set_event_loop(None)


def take(channel, number):
    """Messages as a worker takes them."""
    queue = Queue("taken-off")(channel)
    with Producer(channel) as producer:
        for one in range(number):
            producer.publish({"n": one}, routing_key="taken-off", declare=[queue])
    return [queue.get() for _ in range(number)]


def under_way(channel):
    return channel.client.hlen(channel.unacked_key), channel.client.zcard(channel.unacked_index_key)


def test_what_is_done_leaves_with_the_next_message(channel):
    set_event_loop(Hub())
    first, second = take(channel, 2)
    assert under_way(channel) == (2, 2)
    first.ack()
    second.ack()
    assert under_way(channel) == (2, 2)
    (third,) = take(channel, 1)
    assert under_way(channel) == (1, 1) and third.payload == {"n": 0}


def test_when_nothing_follows_it_leaves_by_itself_and_at_the_end_of_the_connection(channel):
    hub = Hub()
    set_event_loop(hub)
    first, second = take(channel, 2)
    first.ack()
    ((_, entry),) = [(due, one) for due, _, one in hub.timer.queue if not one.canceled]
    entry()
    assert under_way(channel) == (1, 1)
    second.ack()
    channel.qos.restore_unacked_once()
    assert under_way(channel) == (0, 0) and channel.queue_declare("taken-off").message_count == 0


def test_without_an_event_loop_it_leaves_at_once(channel):
    (only,) = take(channel, 1)
    only.ack()
    assert under_way(channel) == (0, 0)


def test_without_a_broker_the_worker_goes_on(channel, monkeypatch):
    set_event_loop(Hub())
    (only,) = take(channel, 1)
    only.ack()
    monkeypatch.setattr(channel, "conn_or_acquire", lambda *_: (_ for _ in ()).throw(channel.connection_errors[0]))
    channel.qos._take_off()


@pytest.fixture
def consume(broker):
    """Take what comes, of a queue of floods and one of others, as a worker does that holds at most ten; returns a function that lets what waits
    come, and tells the names of the queues of everything that is held.
    """
    with Connection(broker) as connection:
        channel = connection.default_channel
        for queue in ("taken", "taken_flood"):
            channel.queue_declare(queue)
            channel.queue_purge(queue)
        channel.client.delete(channel.unacked_key, channel.unacked_index_key)
        channel.basic_qos(0, 10, False)
        held = []
        for queue in ("taken", "taken_flood"):
            channel.basic_consume(queue, no_ack=False, callback=held.append, consumer_tag=queue)

        def let_come():
            with suppress(TimeoutError):
                while True:
                    connection.drain_events(timeout=0.5)
            return Counter(message.delivery_info["routing_key"] for message in held)

        let_come.held, let_come.channel = held, channel
        let_come.send = lambda queue, number, **headers: [
            Producer(channel).publish({"n": one}, routing_key=queue, headers=headers) for one in range(number)
        ]
        let_come.end = lambda queue: next(
            held.pop(number).ack() or True
            for number, message in enumerate(held)
            if message.delivery_info["routing_key"] == queue
        )
        yield let_come
        for message in held:
            message.ack()


@pytest.fixture
def asking():
    """As if so many messages of floods were waiting for the model: asking(number)."""
    with ExitStack() as calls:

        def begin(number):
            for _ in range(number):
                calls.enter_context(in_work.call(1, is_flood=True))

        begin.end = calls.close
        yield begin


def test_those_behind_the_one_that_was_waited_for_come_with_it_from_each_queue_in_turn(consume, asking):
    asking(20)
    consume.send("taken", 5)
    consume.send("taken_flood", 5)
    consume.channel.connection.drain_events([consume.channel], timeout=1)
    came = Counter(message.delivery_info["routing_key"] for message in consume.held)
    assert came == {"taken": 5, "taken_flood": 5}
    assert [one.payload["n"] for one in consume.held if one.delivery_info["routing_key"] == "taken"] == [0, 1, 2, 3, 4]
    assert under_way(consume.channel) == (10, 10)
    for message in consume.held:
        message.ack()
    consume.held.clear()
    assert under_way(consume.channel) == (0, 0)


def test_whoever_dies_with_those_behind_in_hand_loses_none(consume):
    consume.send("taken", 4)
    consume.channel.connection.drain_events([consume.channel], timeout=1)
    assert len(consume.held) == 4
    for tag in list(consume.channel.qos._delivered):
        consume.channel.qos.restore_by_tag(tag)
    consume.channel.qos._delivered.clear()
    consume.held.clear()
    assert under_way(consume.channel) == (0, 0)
    assert consume() == {"taken": 4} and {one.payload["n"] for one in consume.held} == {0, 1, 2, 3}


def test_what_is_no_message_of_ours_stays_in_its_queue(consume):
    consume.send("taken", 1)
    consume.channel.client.lpush("taken", "no message")
    consume.channel.connection.drain_events([consume.channel], timeout=1)
    assert len(consume.held) == 1 and consume.channel.client.lrange("taken", 0, -1) == [b"no message"]
    consume.channel.client.delete("taken")


@pytest.fixture
def others_write(monkeypatch):
    monkeypatch.setattr("worker.lanes.LATELY_S", 60)
    in_work._flooded_at.clear()
    with in_work.message(2, is_flood=False):
        pass


def test_a_flood_has_few_messages_in_work_besides_those_that_wait_for_the_model(consume, asking, others_write):
    consume.send("taken_flood", 20)
    assert consume() == {"taken_flood": FLOODS_IN_WORK}
    consume.send("taken", 3)
    assert consume() == {"taken_flood": FLOODS_IN_WORK, "taken": 3}
    asking(2)
    assert consume() == {"taken_flood": FLOODS_IN_WORK + 2, "taken": 3}
    asking.end()
    assert consume() == {"taken_flood": FLOODS_IN_WORK + 2, "taken": 3}


def test_while_nobody_else_writes_a_flood_has_the_threads_that_it_may_have(consume, monkeypatch):
    monkeypatch.setattr("worker.lanes.LATELY_S", 0)
    consume.send("taken_flood", 20)
    assert consume() == {"taken_flood": 8}


def test_what_is_tried_again_later_keeps_no_other_of_its_flood_waiting(consume, others_write):
    consume.send("taken_flood", 4, eta="2026-11-30T00:00:00+00:00")
    consume.send("taken_flood", 20)
    assert consume() == {"taken_flood": 4 + FLOODS_IN_WORK}


def test_a_flood_leaves_threads_to_the_others(consume, asking):
    asking(20)
    consume.send("taken_flood", 20)
    assert consume() == {"taken_flood": 8}
    consume.send("taken", 3)
    assert consume() == {"taken_flood": 8, "taken": 2}
    consume.end("taken")
    assert consume() == {"taken_flood": 8, "taken": 2}


def test_a_flood_goes_on_as_soon_as_one_of_it_has_ended(consume, asking):
    asking(20)
    consume.send("taken_flood", 20)
    assert consume() == {"taken_flood": 8}
    consume.end("taken_flood")
    assert consume() == {"taken_flood": 8}


def test_without_a_flood_the_others_have_every_thread(consume):
    consume.send("taken", 20)
    assert consume() == {"taken": 10}
