"""What is older than tenants keep it goes, round by round: whole months first, then in bounded batches."""

import time
from datetime import datetime

import structlog

from config.retention import Retention
from store.db import StoreError
from store.erased_identities import forget_old_identities
from store.retention import PARTS, Part, drop_past_months, forget_unread_bodies, kept_since, remove_batch
from store.tenants import get_tenant_config, list_tenants
from worker.deps import Deps

log = structlog.get_logger()

# Of one tenant and part in one round, so that a tenant with years to remove keeps nobody else waiting.
SHARE_S = 5.0


def keep_retention(deps: Deps, *, now: datetime) -> None:
    """One round; repeating it changes nothing, and two at once take turns. Raises: StoreError."""
    with deps.database.system_transaction() as conn:
        forget_unread_bodies(conn)
        forget_old_identities(conn)
        tenants = [one.id for one in list_tenants(conn)]
    kept: dict[int, Retention] = {}
    for tenant_id in tenants:
        with deps.database.tenant_transaction(tenant_id) as conn:
            kept[tenant_id] = get_tenant_config(conn, tenant_id).retention
    for part in PARTS:
        if part == "raw":  # nothing hangs on them: whole months go first, and leave little to do
            _drop_months(deps, part, list(kept.values()), now=now)
        done = [_remove(deps, tenant_id, part, retention, now=now) for tenant_id, retention in kept.items()]
        if part != "raw" and all(done):
            _drop_months(deps, part, list(kept.values()), now=now)


def _drop_months(deps: Deps, part: Part, tenants: list[Retention], *, now: datetime) -> None:
    try:
        with deps.database.system_transaction() as conn:
            dropped = drop_past_months(conn, part, tenants, now=now)
    except StoreError as error:  # somebody reads there: the next round drops it
        log.warning("months_not_dropped", code=error.code)
        return
    if dropped:
        log.info("months_dropped", tables=dropped)


def _remove(deps: Deps, tenant_id: int, part: Part, retention: Retention, *, now: datetime) -> bool:
    """Whether nothing is left to remove."""
    before = kept_since(retention, part, now=now)
    if before is None:
        return True
    ends_at = time.monotonic() + SHARE_S
    while time.monotonic() < ends_at:
        with deps.database.tenant_transaction(tenant_id) as conn:
            if not remove_batch(conn, tenant_id, part, before=before):
                return True
    return False
