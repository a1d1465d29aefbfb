"""Kombu's transport to RabbitMQ with two mends, and a worker that holds no task back for later.

Waiting for the broker's answer ends: a broker that is frozen, or that takes nothing because its memory or disk is full, would hold the
caller for ever, and here that is a receiver's publisher or a stage. A connection on which an answer is missing is thrown away, because
the answer to one request must not be taken for the next one's.

With TLS the certificate must be the host's. Kombu checks who signed it, and not whose it is.

Celery keeps tasks with a countdown in 28 further queues when it finds quorum queues, declared by each worker. Ours have none on this
broker (worker/retry_policy.py), so nothing of it is set up.
"""

from typing import Any

from amqp.exceptions import RecoverableConnectionError
from celery.signals import worker_init
from kombu.transport import TRANSPORT_ALIASES, pyamqp

NAME = f"{__name__}:Transport"
TLS_NAME = f"{__name__}:TlsTransport"
ANSWER_WITHIN_S = 5.0


class Channel(pyamqp.Channel):
    """Waits for an answer, but not for ever."""

    def wait(self, method: Any, callback: Any = None, timeout: float | None = None, returns_tuple: bool = False) -> Any:  # noqa: FBT001, FBT002 -- py-amqp's own signature
        """As py-amqp's. Raises: RecoverableConnectionError after ANSWER_WITHIN_S without an answer."""
        connection = self.connection
        try:
            return super().wait(method, callback, timeout or ANSWER_WITHIN_S, returns_tuple)
        except TimeoutError:
            if connection is not None:
                connection.collect()
            message = "the broker does not answer"
            raise RecoverableConnectionError(message) from None


class Connection(pyamqp.Connection):
    """Has such channels."""

    Channel = Channel


class Transport(pyamqp.Transport):
    """For `amqp://`."""

    Connection = Connection


class TlsTransport(pyamqp.SSLTransport):
    """For `amqps://`."""

    Connection = Connection

    def establish_connection(self) -> Any:
        """As kombu's, and with nobody else than the host of the address."""
        client: Any = self.client
        client.ssl = {"server_hostname": client.hostname}
        return super().establish_connection()


def install() -> None:
    """Have this transport used for RabbitMQ's addresses, wherever in this process a connection is made."""
    TRANSPORT_ALIASES.update(amqp=NAME, amqps=TLS_NAME)
    worker_init.connect(_hold_nothing_back)


def _hold_nothing_back(**_: Any) -> None:
    # Only a worker has it loaded.
    from celery.worker.consumer.delayed_delivery import DelayedDelivery

    def is_needed(_self: DelayedDelivery, _consumer: Any) -> bool:
        return False

    DelayedDelivery.include_if = is_needed  # pyright: ignore[reportAttributeAccessIssue] -- the parameters' names are nobody's business
