"""What waits in the broker's queues, and whether it has lost them since it was last looked at."""

from typing import Any

import redis
from amqp.exceptions import NotFound
from kombu.exceptions import OperationalError

from config.server_addresses import kind_of
from worker.app import QUORUM, app
from worker.roles import ROLES

# Lives in the broker: when it is gone, so are the queues. In Redis a key, in RabbitMQ a queue of the same kind as the others, which
# nobody else declares: the others are there again as soon as a worker is.
MARK = "earshot:queues-alive"

QUEUES = tuple(queue for spec in ROLES.values() for queue in spec.queues)


def count_waiting() -> dict[str, int] | None:
    """Messages that wait, by queue, without those that a worker holds. None: the broker came up without its queues, once for each loss.

    Raises: kombu OperationalError when the broker does not answer, or takes nothing.
    """
    if kind_of(app.conf.broker_url) == "amqp":
        return _count_in_rabbitmq()
    try:
        return _count_in_redis()
    except redis.RedisError as error:
        raise OperationalError(type(error).__name__) from None


def has_lost_queues() -> bool:
    """Whether the broker came up without its queues since they were last counted, on a connection that is kept.

    Raises: kombu OperationalError when the broker does not answer.
    """
    pool: Any = app.pool  # its stubs say that it holds producers
    with pool.acquire(block=True) as connection:
        try:
            if kind_of(app.conf.broker_url) == "amqp":
                connection.ensure_connection(max_retries=1)
                return _is_mark_gone(connection)
            is_redis = connection.transport.driver_type == "redis"
            return is_redis and not connection.default_channel.client.exists(MARK)
        except connection.connection_errors + connection.channel_errors as error:
            connection.collect()
            raise OperationalError(type(error).__name__) from None


def _is_mark_gone(connection: Any) -> bool:
    channel = connection.channel()
    try:
        channel.queue_declare(MARK, passive=True)
    except NotFound:  # which has closed the channel
        return True
    channel.close()
    return False


def _count_in_redis() -> dict[str, int] | None:
    pool: Any = app.pool  # its stubs say that it holds producers
    with pool.acquire(block=True) as connection:
        if connection.transport.driver_type != "redis":  # pragma: no cover -- an in-memory broker of somebody's tests
            return dict.fromkeys(QUEUES, 0)
        client = connection.default_channel.client
        if client.set(MARK, "1", nx=True):
            return None
        with client.pipeline(transaction=False) as pipe:
            for queue in QUEUES:
                pipe.llen(queue)
            return dict(zip(QUEUES, map(int, pipe.execute()), strict=True))


def _count_in_rabbitmq() -> dict[str, int] | None:
    # A connection that is kept: RabbitMQ writes three lines to its log for each that comes and goes.
    pool: Any = app.pool  # its stubs say that it holds producers
    with pool.acquire(block=True) as connection:
        try:
            connection.ensure_connection(max_retries=1)
            return _look_at_rabbitmq(connection)
        except connection.connection_errors + connection.channel_errors as error:
            connection.collect()
            raise OperationalError(type(error).__name__) from None


def _look_at_rabbitmq(connection: Any) -> dict[str, int] | None:
    channel = connection.channel()
    try:
        channel.queue_declare(MARK, passive=True)
        depths = {queue: channel.queue_declare(queue, passive=True).message_count for queue in QUEUES}
    except NotFound:  # which has closed the channel
        _declare(connection)
        return None
    channel.close()
    return depths


def _declare(connection: Any) -> None:
    """All of them, so that what is told of each is so; the mark is the last, because it says so."""
    with connection.channel() as channel:
        for queue in app.amqp.queues.values():
            queue.bind(channel).declare()
        channel.queue_declare(MARK, durable=True, auto_delete=False, arguments=QUORUM)
