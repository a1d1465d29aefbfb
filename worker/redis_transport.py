"""Kombu's Redis transport with one mend, two savings, and room for those who do not flood.

When the broker dies while tasks are under way, kombu 5.7 gives their messages back through a connection that is closed already and
meets `None.hostname`: an AttributeError, which Celery takes for a bug of ours and ends the worker for (in 6 of 6 tries with threads).
As a connection error it is what it is, and Celery connects anew; the messages come back by their visibility time-out.

And it makes a client of redis-py for every command, about three a task: a fifth of a busy worker's time. One client of the same pool of
connections is as good, and threads may share it.

What would be sent can be caught instead, for worker/chain_messages.py. And what is acknowledged leaves the broker's list of messages under
way together with the next message's entry in it, not by a trip of its own, which was a tenth of a busy worker's time.

A worker takes from its queues in turn, whatever it holds already. With every thread busy for a tenant's flood, whose calls of the model began
together and end together, anybody else's message waits for the next of them to end. So a flood's queue is left out while a process holds enough.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

import structlog
from kombu.asynchronous import get_event_loop
from kombu.transport import TRANSPORT_ALIASES, redis, virtual
from kombu.utils.scheduling import round_robin_cycle

from worker.lanes import FLOOD_SHARE, is_flood_queue

log = structlog.get_logger()

NAME = f"{__name__}:Transport"
SENTINEL_NAME = f"{__name__}:SentinelTransport"
# What no next message takes along leaves after so long. Whoever dies before that gets a message again that is done: stages are fenced.
TAKEN_OFF_WITHIN_S = 0.05
# How soon the queue of a flood that has taken its share is looked at again.
FLOOD_AGAIN_S = 0.1


class QoS(redis.QoS):
    """Gathers acknowledgements where an event loop runs; elsewhere each leaves at once."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._done: list[str] = []

    def ack(self, delivery_tag: str) -> None:
        """It is done, and need not come again."""
        loop = get_event_loop()
        if loop is None:
            super().ack(delivery_tag)
            return
        virtual.QoS.ack(self, delivery_tag)
        self._done.append(delivery_tag)
        if len(self._done) == 1:
            loop.call_later(TAKEN_OFF_WITHIN_S, self._take_off)

    @contextmanager
    def pipe_or_acquire(self, pipe: Any = None, client: Any = None) -> Generator[Any]:
        """Kombu's pipeline for one message's entry, with what is done in it already."""
        with super().pipe_or_acquire(pipe, client) as given:
            if pipe is None and self._done:
                done, self._done = self._done, []
                given.zrem(self.unacked_index_key, *done).hdel(self.unacked_key, *done)
            yield given

    def _take_off(self) -> None:
        if not self._done:
            return
        try:
            with self.pipe_or_acquire() as pipe:
                pipe.execute()
        # They come again in five minutes, and find that they are done.
        except self.channel.connection_errors as error:  # pyright: ignore[reportAttributeAccessIssue] -- left out of its stubs
            log.warning("acknowledgements_lost", code=type(error).__name__)

    @property
    def has_room_for_floods(self) -> bool:
        """Whether fewer of the messages that a process may hold are of floods than these may have."""
        most = self.prefetch_count * FLOOD_SHARE
        delivered, done = cast("dict[str, Any]", self._delivered), cast("set[str]", self._dirty)
        held = [tag for tag, message in delivered.items() if is_flood_queue(message.delivery_info["routing_key"])]
        return not most or len(held) - len(done.intersection(held)) < most

    def restore_unacked_once(self, stderr: Any = None) -> None:
        """At the end of the connection: what is under way goes back, and what is done does not."""
        self._take_off()
        super().restore_unacked_once(stderr)


class Turns(round_robin_cycle):  # pyright: ignore[reportMissingTypeArgument] -- generic in its stubs alone
    """The queues that are asked next: all in turn, or all but those of floods."""

    without_floods = False

    def consume(self, n: int) -> list[str]:  # pyright: ignore[reportIncompatibleMethodOverride] -- a list, against its stubs
        """At most n of them."""
        queues = cast("list[str]", super().consume(n))
        return [queue for queue in queues if not is_flood_queue(queue)] if self.without_floods else queues


class Channel(redis.Channel):
    """Says that a closed connection is closed, keeps its client, and leaves room for those who do not flood."""

    QoS = QoS
    _kept: Any = None
    _caught: list[tuple[str, dict[str, Any]]] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._queue_cycle = Turns()

    def _brpop_start(self, timeout: float | None = None) -> None:
        turns: Any = self._queue_cycle
        turns.without_floods = not cast("QoS", self.qos).has_room_for_floods
        super()._brpop_start(FLOOD_AGAIN_S if turns.without_floods else timeout)  # pyright: ignore[reportAttributeAccessIssue]

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002 -- kombu's own signature
        if self.connection.client is None:
            raise ConnectionError("the broker's connection is closed")
        return super()._connparams(asynchronous)  # pyright: ignore[reportAttributeAccessIssue] -- left out of its stubs

    @contextmanager
    def conn_or_acquire(self, client: Any = None) -> Generator[Any]:
        """The client given, or the one that is kept as long as its pool of connections is the channel's."""
        if client:
            yield client
            return
        kept, pool = self._kept, self.pool
        if kept is None or kept.connection_pool is not pool:
            kept = self._kept = self._create_client()  # pyright: ignore[reportAttributeAccessIssue] -- left out of its stubs
        yield kept

    @contextmanager
    def catching(self) -> Generator[list[tuple[str, dict[str, Any]]]]:
        """What is sent within comes into the list instead, with the key of the broker's list that it is for."""
        self._caught = caught = []
        try:
            yield caught
        finally:
            self._caught = None

    def _put(self, queue: str, message: dict[str, Any], **kwargs: Any) -> None:
        if self._caught is None:
            super()._put(queue, message, **kwargs)  # pyright: ignore[reportAttributeAccessIssue] -- left out of its stubs
            return
        priority = self._get_message_priority(message, reverse=False)
        self._caught.append((self._q_for_pri(queue, priority), message))  # pyright: ignore[reportAttributeAccessIssue]


class Transport(redis.Transport):
    """For `redis://` and `rediss://`."""

    Channel = Channel


class SentinelChannel(Channel, redis.SentinelChannel):
    """The same for a master that sentinels name."""


class SentinelTransport(redis.SentinelTransport):
    """For `sentinel://`."""

    Channel = SentinelChannel


def install() -> None:
    """Have these transports used for addresses of Redis, wherever in this process a connection is made."""
    TRANSPORT_ALIASES.update(redis=NAME, rediss=NAME, sentinel=SENTINEL_NAME)
