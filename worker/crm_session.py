"""A tenant's CRM, ready to be spoken to: adapter, shared token, shared budget; and what its trouble means for the connection."""

from dataclasses import dataclass

import structlog

from crm_sync.base import Crm, CrmError
from crm_sync.registry import ADAPTERS, build_crm, has_constant_token
from store.crm_connections import CrmConnection, hold, note_account, note_provisioned, note_success, pause_and_tell
from worker.crm_meter import AccountMeter
from worker.crm_tokens import SharedToken
from worker.deps import Deps
from worker.metrics import CRM_TROUBLE

log = structlog.get_logger()

MAX_HOLD_S = 300.0


@dataclass(frozen=True)
class CrmSession:
    """One tenant's CRM and who asks."""

    deps: Deps
    tenant_id: int
    connection: CrmConnection
    crm: Crm
    meter: AccountMeter


def open_session(deps: Deps, tenant_id: int, connection: CrmConnection) -> CrmSession:
    """Nothing is asked yet. Raises: CrmError for a kind without adapter or credentials without a part; StoreError."""
    kind, credentials = connection.kind, connection.credentials
    if kind not in ADAPTERS:
        raise CrmError(f"crm_not_supported:{kind}", permanent=False, connection_broken=True)
    meter = AccountMeter(
        deps.settings.redis_url.get_secret_value(),
        # Until the CRM has told whose account it is, the tenant's connection counts for itself.
        account=f"{kind}:{connection.account_id}" if connection.account_id else f"{kind}:tenant:{tenant_id}",
        day_share=connection.settings.day_share,
        day_limit=connection.settings.day_limit,
    )
    crm = build_crm(
        kind,
        credentials,
        settings=deps.settings,
        default_region=deps.tenants.get(tenant_id).default_region,
        send_summary=connection.settings.send_summary,
        tokens=None if has_constant_token(kind, credentials) else _shared_token(deps, tenant_id),
        meter=meter,
    )
    meter.limits = crm.capabilities.limits
    return CrmSession(deps, tenant_id, connection, crm, meter)


def _shared_token(deps: Deps, tenant_id: int) -> SharedToken:
    return SharedToken(deps.database, tenant_id, keyring=deps.keyring, settings=deps.settings)


def provision_once(session: CrmSession) -> None:
    """Before the first write after the tenant file was applied: is it still the same account? And make our fields there.

    What may not be made is kept for the administrator. Raises: CrmError, StoreError.
    """
    if session.connection.provisioned:
        return
    if session.connection.account_id is not None:
        account_id = session.crm.check().account_id
        with session.deps.database.tenant_transaction(session.tenant_id) as conn:
            note_account(conn, session.tenant_id, account_id)
    report = session.crm.provision()
    if report.missing:
        log.warning("crm_fields_missing", tenant_id=session.tenant_id, fields=len(report.missing))
    with session.deps.database.tenant_transaction(session.tenant_id) as conn:
        note_provisioned(conn, session.tenant_id, missing=report.missing)


def note_trouble(deps: Deps, tenant_id: int, connection: CrmConnection, error: CrmError) -> None:
    """The CRM as a whole did not work: it rests, or, when only an administrator can help, is paused and people are told."""
    CRM_TROUBLE.labels(connection.kind, "paused" if error.connection_broken else "held").inc()
    with deps.database.tenant_transaction(tenant_id) as conn:
        if error.connection_broken:
            log.error("crm_paused", tenant_id=tenant_id, code=error.code)
            pause_and_tell(conn, tenant_id, connection.kind, code=error.code)
        else:
            seconds = error.retry_after_s or min(2.0 * 2 ** min(connection.tries, 10), MAX_HOLD_S)
            log.warning("crm_held", tenant_id=tenant_id, code=error.code, seconds=round(seconds))
            hold(conn, tenant_id, seconds=seconds, because=error.code)


def note_working(session: CrmSession) -> None:
    """It answered."""
    if session.connection.tries:
        with session.deps.database.tenant_transaction(session.tenant_id) as conn:
            note_success(conn, session.tenant_id)
