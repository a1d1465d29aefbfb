"""What the CRM says a customer is worth: read on schedule and kept with the customer, so that routing never asks the CRM."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

import structlog

from config.crm import CrmSettings
from crm_sync.base import CrmError
from store.crm_connections import find_connection, list_tenants_with_values
from store.crm_links import CustomerValue, list_stale_values, note_values_unread, store_values, unlink_customer
from store.crm_searches import look_again
from store.crm_states import check_card
from worker.crm_session import CrmSession, note_trouble, open_session
from worker.deps import Deps

log = structlog.get_logger()

REREAD_AFTER_S = 24 * 3600.0
# Customers who have not written for longer are read when they write again.
ACTIVE_DAYS = 90
BATCH = 100
BATCHES_A_ROUND = 50


def judge_value(fields: Mapping[str, str | None], settings: CrmSettings) -> CustomerValue:
    """What a record's fields mean under the tenant's mapping. A number that is none counts as not given."""
    high_value = False
    if settings.high_value:
        said = fields.get(settings.high_value.field)
        if settings.high_value.at_least is not None:
            amount = _number(said)
            high_value = amount is not None and amount >= settings.high_value.at_least
        else:
            wanted = {one.strip().casefold() for one in settings.high_value.is_one_of}
            # A multiple choice is written with semicolons.
            high_value = not wanted.isdisjoint(one.strip().casefold() for one in (said or "").split(";"))
    return CustomerValue(
        high_value=high_value,
        tier=fields.get(settings.tier_field) if settings.tier_field else None,
        value=_number(fields.get(settings.value_field)) if settings.value_field else None,
    )


def _number(text: str | None) -> Decimal | None:
    try:
        number = Decimal((text or "").strip().replace(",", ""))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def list_tenants_to_read(deps: Deps) -> list[int]:
    """Tenants who map a field. Raises: StoreError."""
    with deps.database.system_transaction() as conn:
        return list_tenants_with_values(conn)


def read_stale_values(deps: Deps, *, tenant_id: int) -> None:
    """Read again what was read too long ago, of customers who wrote lately. Raises: StoreError."""
    with deps.database.tenant_transaction(tenant_id) as conn:
        connection = find_connection(conn, tenant_id, keyring=deps.keyring)
    if connection is None or connection.paused_because or not connection.settings.fields_read:
        return
    try:
        session = open_session(deps, tenant_id, connection)
        session.meter.purpose = "bulk"
        for _ in range(BATCHES_A_ROUND):
            with deps.database.tenant_transaction(tenant_id) as conn:
                stale = list_stale_values(
                    conn, tenant_id, older_than_s=REREAD_AFTER_S, active_days=ACTIVE_DAYS, limit=BATCH
                )
            if not stale:
                return
            read_values(session, stale)
    except CrmError as error:
        # Reading is the first thing to give up when the day's budget ends; it must hold up nothing else.
        if error.connection_broken:
            note_trouble(deps, tenant_id, connection, error)
        else:
            log.warning("crm_values_unread", tenant_id=tenant_id, code=error.code)


def read_values(session: CrmSession, links: Mapping[str, str]) -> None:
    """Read and keep what the records of these customers say; links: customer to record id. Raises: CrmError, StoreError."""
    settings = session.connection.settings
    if not settings.fields_read:
        return
    try:
        values = session.crm.read_fields(sorted(set(links.values())), settings.fields_read)
    except CrmError as error:
        if not error.permanent:
            raise
        # The tenant names a field that the CRM lacks: said where the administrator looks, and nobody is made valuable by it.
        log.warning("crm_field_unreadable", tenant_id=session.tenant_id, code=error.code)
        values = {record_id: dict[str, str | None]() for record_id in links.values()}
    with session.deps.database.tenant_transaction(session.tenant_id) as conn:
        known = {
            customer: judge_value(values[record], settings) for customer, record in links.items() if record in values
        }
        store_values(conn, known)
        gone = sorted(links.keys() - known.keys())
        note_values_unread(conn, gone)
        for customer_id in gone:
            # Merged or deleted there: writing the card tells which, and follows a merge.
            if not check_card(conn, customer_id):
                unlink_customer(conn, customer_id, gone=links[customer_id])
                look_again(conn, session.tenant_id, customer_id)
