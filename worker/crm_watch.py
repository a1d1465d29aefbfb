"""CRM connections over time: paused ones are tried again, values that grew stale are read anew."""

import structlog

from crm_sync.base import CrmError
from store.crm_connections import find_connection, list_paused_tenants, list_unchecked_tenants, note_check
from worker.crm_session import open_session
from worker.crm_values import list_tenants_to_read
from worker.deps import Deps
from worker.pipeline import ring_crm_task

log = structlog.get_logger()

# An administrator who has repaired it needs to tell nobody; one that stays broken costs a request in half an hour.
RECHECK_AFTER_S = 1800.0


def watch(deps: Deps) -> None:
    """Ring what is due. Raises: StoreError."""
    with deps.database.system_transaction() as conn:
        to_check = list_paused_tenants(conn, longer_than_s=RECHECK_AFTER_S) + list_unchecked_tenants(conn)
    for tenant_id in to_check:
        ring_crm_task("earshot.check_crm", tenant_id=tenant_id)
    for tenant_id in list_tenants_to_read(deps):
        ring_crm_task("earshot.read_crm_values", tenant_id=tenant_id)


def check(deps: Deps, *, tenant_id: int) -> None:
    """Ask a paused CRM whether it works again, then everything that waited is due; and a new one whose account it is.

    Raises: StoreError.
    """
    with deps.database.tenant_transaction(tenant_id) as conn:
        connection = find_connection(conn, tenant_id, keyring=deps.keyring)
    if connection is None or (connection.paused_because is None and connection.account_id is not None):
        return
    because: str | None = None
    account_id: str | None = None
    try:
        account_id = open_session(deps, tenant_id, connection).crm.check().account_id
    except CrmError as error:
        if connection.paused_because is None:
            return  # whoever writes next finds it out, and rests or pauses
        because = error.code
    with deps.database.tenant_transaction(tenant_id) as conn:
        note_check(conn, tenant_id, works=because is None, account_id=account_id, because=because)
    log.info("crm_checked", tenant_id=tenant_id, code=because or "works")
