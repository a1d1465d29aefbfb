"""Kombu's Redis transport with one mend, three savings, and room for those who do not flood.

When the broker dies while tasks are under way, kombu 5.7 gives their messages back through a connection that is closed already and
meets `None.hostname`: an AttributeError, which Celery takes for a bug of ours and ends the worker for (in 6 of 6 tries with threads).
As a connection error it is what it is, and Celery connects anew; the messages come back by their visibility time-out.

And it makes a client of redis-py for every command, about three a task: a fifth of a busy worker's time. One client of the same pool of
connections is as good, and threads may share it.

What would be sent can be caught instead, for worker/chain_messages.py. And what is acknowledged leaves the broker's list of messages under
way together with the next message's entry in it, not by a trip of its own, which was a tenth of a busy worker's time.

And with the message that was waited for come those behind it: what is popped and what is noted as under way are one script, so that a message
of a full queue costs no trip of its own, and none is lost between the two. Kombu pops one, notes it, and waits for the next.

A worker takes from its queues in turn, whatever it holds already. With every thread busy for a tenant's flood, whose calls of the model began
together and end together, anybody else's message waits for the next of them to end; and whatever of a flood is in work takes its turns at the
interpreter before it. So a flood's queue is left out while a process holds enough, or has enough in work.
"""

from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from time import time
from typing import Any, cast

import structlog
from kombu.asynchronous import get_event_loop
from kombu.transport import TRANSPORT_ALIASES, redis, virtual
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import dumps, loads
from kombu.utils.scheduling import round_robin_cycle

from worker.lanes import FLOOD_SHARE, in_work, is_flood_queue

log = structlog.get_logger()

NAME = f"{__name__}:Transport"
SENTINEL_NAME = f"{__name__}:SentinelTransport"
# What no next message takes along leaves after so long. Whoever dies before that gets a message again that is done: stages are fenced.
TAKEN_OFF_WITHIN_S = 0.25
# How soon the queue of a flood that has taken its share is looked at again.
FLOOD_AGAIN_S = 0.03
# So many come with one that was waited for: what a process takes, no other has.
MOST_BEHIND = 9
# Keys: the times and the messages under way, and queues in their turn. Arguments: now, how many, how many of floods at most, and which of the
# queues are theirs. Takes one of each by turns and notes it as kombu does, under its tag; what has none is put back. Answers queue, message,
# queue, message ...
_TAKE_BEHIND = """
local left, left_for_floods = tonumber(ARGV[2]), tonumber(ARGV[3])
local taken, index, empty = {}, 3, 0
while left > 0 and empty < #KEYS - 2 do
    local is_flood = ARGV[index + 1] == '1'
    local item = not (is_flood and left_for_floods <= 0) and redis.call('RPOP', KEYS[index])
    local tag = item and string.match(item, '"delivery_tag": ?"([^"]+)"')
    if tag then
        redis.call('ZADD', KEYS[1], ARGV[1], tag)
        redis.call('HSET', KEYS[2], tag, '[' .. item .. ', "", "' .. KEYS[index] .. '"]')
        taken[#taken + 1], taken[#taken + 2] = KEYS[index], item
        left, empty = left - 1, 0
        if is_flood then left_for_floods = left_for_floods - 1 end
    else
        if item then redis.call('RPUSH', KEYS[index], item) end
        empty = empty + 1
    end
    index = index < #KEYS and index + 1 or 3
end
return taken
"""


class QoS(redis.QoS):
    """Gathers acknowledgements where an event loop runs; elsewhere each leaves at once."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._done: list[str] = []
        self.behind: deque[tuple[str, str]] = deque()
        """(queue, message) that came with the one before: noted as under way, and not yet delivered."""
        self._is_noted = False

    def append(self, message: Any, delivery_tag: str) -> None:
        """Note it as under way, and take those behind it."""
        if self._is_noted:
            virtual.QoS.append(self, message, delivery_tag)
            return
        given = message.delivery_info
        entry = dumps([message._raw, given["exchange"], given["routing_key"]])  # noqa: SLF001 -- as kombu does
        queues, most, most_of_floods = self._queues_behind(is_flood=is_flood_queue(given["routing_key"]))
        with self.pipe_or_acquire() as pipe:
            pipe.zadd(self.unacked_index_key, {delivery_tag: time()}).hset(self.unacked_key, delivery_tag, entry)
            if queues:
                keys = [self.unacked_index_key, self.unacked_key, *queues]
                are_floods = [int(is_flood_queue(queue)) for queue in queues]
                pipe.eval(_TAKE_BEHIND, len(keys), *keys, time(), most, most_of_floods, *are_floods)
            answers = pipe.execute()
        virtual.QoS.append(self, message, delivery_tag)
        taken = [bytes_to_str(part) for part in answers[-1]] if queues else []
        self.behind.extend(zip(taken[::2], taken[1::2], strict=True))

    def _queues_behind(self, *, is_flood: bool) -> tuple[list[str], int, int]:
        """(whose next messages may be taken with the one at hand, how many, how many of floods): none beyond what a process may hold."""
        room = cast("int | None", self.can_consume_max_estimate())
        most = MOST_BEHIND if room is None else min(MOST_BEHIND, room - 1)
        if most <= 0 or self.channel.connection.client is None:
            return [], 0, 0
        queues = cast("Any", self.channel)._queue_cycle.in_turn()  # noqa: SLF001 -- as kombu does
        return queues, most, max(0, int(min(most, self.room_for_floods - is_flood)))

    def deliver_behind(self) -> None:
        """Hand out what came with the last one."""
        while self.behind:
            queue, message = self.behind.popleft()
            self._is_noted = True
            try:
                cast("Any", self.channel).connection._deliver(loads(message), queue)  # noqa: SLF001 -- as kombu does
            finally:
                self._is_noted = False

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
    def room_for_floods(self) -> float:
        """How many messages of floods more a process may take: of those that it holds few are in work, and all are no more than their part."""
        if not self.prefetch_count:
            return float("inf")
        delivered, done = cast("dict[str, Any]", self._delivered), cast("set[str]", self._dirty)
        held = [
            message
            for tag, message in delivered.items()
            if is_flood_queue(message.delivery_info["routing_key"]) and tag not in done
        ]
        # What is tried again later is held until its time has come, and no work.
        due = [message for message in held if not message.headers.get("eta")]
        return min(
            self.prefetch_count * FLOOD_SHARE - len(held), in_work.most_of_floods + in_work.floods_asking - len(due)
        )

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

    def in_turn(self) -> list[str]:
        """All of them, as they stand."""
        return list(cast("list[str]", self.items))


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
        turns.without_floods = cast("QoS", self.qos).room_for_floods <= 0
        super()._brpop_start(FLOOD_AGAIN_S if turns.without_floods else timeout)  # pyright: ignore[reportAttributeAccessIssue]

    def _brpop_read(self, **options: Any) -> Any:
        read = super()._brpop_read(**options)  # pyright: ignore[reportAttributeAccessIssue]
        cast("QoS", self.qos).deliver_behind()
        return read

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
