"""Which queues the caller's tenant has; a call that names another one is refused."""

from config.queue_names import known_queues
from config.rules import nearest
from config.tenant import TenantConfig
from console.api.problems import Problem
from routing.queues import QUEUES
from store.conversation_lists import count_queues
from store.db import Connection
from store.tenants import get_tenant_config


def list_purposes(config: TenantConfig) -> dict[str, str]:
    """What each queue of the tenant is for, by name: those that everybody has, then its own."""
    return {**QUEUES, **{name: own.about for name, own in config.queues.items()}}


def check_queue(conn: Connection, tenant_id: int, name: str, *, field: str) -> None:
    """Raises: Problem when it is no queue of the tenant, nor one taken out of its file in which conversations still stand."""
    known = known_queues(get_tenant_config(conn, tenant_id))
    if name not in known and name not in {one.queue for one in count_queues(conn, tenant_id)}:
        fix = f"there is no such queue{nearest(name, known)}; see GET /queues"
        raise Problem(422, "unknown_queue", field=field, fix=fix)
