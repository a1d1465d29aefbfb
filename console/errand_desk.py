"""Sends a worker on an errand and looks whether it is back, for pages and programs."""

from collections.abc import Mapping

import structlog
from kombu.exceptions import OperationalError

from store.db import Database
from store.errands import Errand, ErrandKind, add_errand, find_errand, take_ring
from worker.pipeline import ring_errand

log = structlog.get_logger()


def send_on_errand(database: Database, tenant_id: int, kind: ErrandKind, given: Mapping[str, object]) -> str:
    """Write it down, then tell a worker. Returns its id. Raises: StoreError."""
    with database.tenant_transaction(tenant_id) as conn:
        errand_id = add_errand(conn, tenant_id, kind, given)
    ring(kind, tenant_id, errand_id)
    return errand_id


def look_for_errand(database: Database, tenant_id: int, errand_id: str | None) -> Errand | None:
    """The tenant's errand of this id, or None; a worker is told again of one that waits too long. Raises: StoreError."""
    if errand_id is None:
        return None
    with database.tenant_transaction(tenant_id) as conn:
        found = find_errand(conn, tenant_id, errand_id)
        rings = found is not None and not found.is_over and take_ring(conn, tenant_id, errand_id)
    if found is not None and rings:
        ring(found.kind, tenant_id, errand_id)
    return found


def ring(kind: ErrandKind, tenant_id: int, errand_id: str) -> None:
    """Tell a worker of an errand that was written down."""
    try:
        ring_errand(kind, tenant_id=tenant_id, errand_id=errand_id)
    except (OperationalError, OSError) as error:
        # Whoever looks again rings again.
        log.warning("ring_lost", code=type(error).__name__)
