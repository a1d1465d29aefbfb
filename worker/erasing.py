"""Erasures of customers, step by step: each is whole in its own transaction, so that a killed worker loses nothing and repeats nothing."""

import time

import structlog

from store.customer_erasure import erase_some, postpone_erasure, take_due_erasures
from store.db import StoreError
from worker.deps import Deps

log = structlog.get_logger()

TAKEN_AT_ONCE = 20
# One turn; the next tick goes on. A customer of a thousand messages takes some seconds.
TURN_S = 20.0
RETRY_S = 2.0


def take_due(deps: Deps) -> list[tuple[int, str]]:
    """(tenant id, request id) of what is due. Raises: StoreError."""
    with deps.database.system_transaction() as conn:
        return take_due_erasures(conn, limit=TAKEN_AT_ONCE)


def erase_customer(deps: Deps, *, tenant_id: int, erasure_id: str) -> None:
    """Go on until it is done, has to wait, or the turn is over. Raises: StoreError when the database is away."""
    ends_at, pepper = time.monotonic() + TURN_S, deps.dedupe_pepper
    while time.monotonic() < ends_at:
        try:
            with deps.database.tenant_transaction(tenant_id) as conn:
                step = erase_some(conn, tenant_id, erasure_id, pepper=pepper)
        except StoreError as error:
            log.warning("erasure_interrupted", erasure_id=erasure_id, code=error.code)
            with deps.database.tenant_transaction(tenant_id) as conn:
                postpone_erasure(conn, tenant_id, erasure_id, seconds=RETRY_S, error_code=error.code)
            return
        if step == "done":
            log.info("customer_erased", erasure_id=erasure_id)
        if step != "more":
            return
