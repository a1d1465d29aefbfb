"""Which workers answer, and whether every queue is served by one."""

from collections.abc import Sequence
from typing import Any

from kombu.exceptions import OperationalError

from worker.app import app, broker_settings
from worker.roles import ROLES


def list_unserved_roles(broker_url: str, *, tries_s: Sequence[float] = (2.0, 6.0)) -> dict[str, tuple[str, ...]]:
    """Roles without a worker, with the queues that nobody empties. Raises: ConnectionError when the broker can't be asked.

    tries_s: how long to wait for answers; asked again only while a queue seems to have nobody, because busy workers answer late.
    """
    app.conf.update(broker_settings(broker_url))
    served: set[str] = set()
    unserved: dict[str, tuple[str, ...]] = {}
    for timeout_s in tries_s:
        try:
            answers: Any = app.control.inspect(timeout=timeout_s).active_queues() or {}
        except (OperationalError, OSError) as error:
            raise ConnectionError(type(error).__name__) from None
        served |= {queue["name"] for queues in answers.values() for queue in queues}
        unserved = {
            role: idle
            for role, spec in ROLES.items()
            if (idle := tuple(queue for queue in spec.queues if queue not in served))
        }
        if not unserved:
            break
    return unserved
