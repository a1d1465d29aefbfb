"""One look at a broker by its address, for whoever asks what is wrong."""

from typing import Any

import redis
from amqp.exceptions import AccessRefused, NotAllowed, PreconditionFailed
from kombu import Connection
from kombu.exceptions import OperationalError

from config.server_addresses import kind_of
from worker.app import broker_settings
from worker.shared_redis import eviction_policy, look_at_redis

LOOK_S = 3


def problem_of_broker(url: str) -> tuple[str, str] | None:
    """(what is wrong, what to do); None: nothing."""
    return _of_rabbitmq(url) if kind_of(url) == "amqp" else _of_redis(url)


def _of_redis(url: str) -> tuple[str, str] | None:
    try:
        with look_at_redis(url, timeout_s=LOOK_S) as client:
            policy = eviction_policy(client)
    except redis.RedisError as error:
        return (
            f"it does not answer ({type(error).__name__}): messages are stored and wait",
            "Start it, and check BROKER_URL.",
        )
    if policy not in {"noeviction", None}:
        return (
            f"it may throw queued tasks away (maxmemory-policy {policy})",
            "`redis-cli CONFIG SET maxmemory-policy noeviction`, and the same in its configuration.",
        )
    return None


def _of_rabbitmq(url: str) -> tuple[str, str] | None:
    told = broker_settings(url)
    options = told["broker_transport_options"]
    with Connection(url, connect_timeout=LOOK_S, transport_options=options) as connection:
        try:
            connection.ensure_connection(max_retries=1, timeout=LOOK_S)
            for queue in told["task_queues"]:
                channel: Any = connection.channel()
                channel.queue_declare(queue.name, durable=True, auto_delete=False, arguments=queue.queue_arguments)
                channel.close()
        except AccessRefused:
            return (
                "it refuses the user of BROKER_URL, or their right to its queues",
                "Check its user, password and rights.",
            )
        except NotAllowed:
            return (
                "it lacks the virtual host that BROKER_URL names after the last slash",
                "Add it, or correct BROKER_URL.",
            )
        except PreconditionFailed:
            return (
                "a queue of ours stands there already and is of another kind than a quorum queue with our limits",
                "Stop the workers, delete the queue and start them: whatever waited in it is started again from Postgres.",
            )
        except (OperationalError, *connection.connection_errors, *connection.channel_errors) as error:
            code = type(error.__cause__ or error).__name__
            return f"it does not answer ({code}): messages are stored and wait", "Start it, and check BROKER_URL."
    return None
