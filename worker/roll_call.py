"""Which workers answer, and whether every queue is served by one."""

from typing import Any

from kombu.exceptions import OperationalError

from worker.app import app
from worker.roles import ROLES


def list_unserved_roles(broker_url: str, *, timeout_s: float = 3.0) -> dict[str, tuple[str, ...]]:
    """Roles without a worker, with the queues that nobody empties. Raises: ConnectionError when the broker can't be asked."""
    app.conf.update(broker_url=broker_url)
    try:
        answers: Any = app.control.inspect(timeout=timeout_s).active_queues() or {}
    except (OperationalError, OSError) as error:
        raise ConnectionError(type(error).__name__) from None
    served: set[str] = {queue["name"] for queues in answers.values() for queue in queues}
    return {
        role: unserved
        for role, spec in ROLES.items()
        if (unserved := tuple(queue for queue in spec.queues if queue not in served))
    }
