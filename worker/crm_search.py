"""Which CRM record is a customer: searched apart from writing, because search is the slowest and dearest that a CRM has."""

import random
from collections.abc import Sequence

import structlog

from channels.sample import is_sample_sender
from config.crash_points import crash_point
from crm_sync.base import Candidate, CrmError, CustomerRef, Found
from store.crm_links import link_customer
from store.crm_searches import DueSearch, SearchOutcome, list_due_searches, settle_search
from store.customers import get_display_name, list_identities
from store.db import Connection
from worker.crm_session import CrmSession
from worker.crm_values import read_values

log = structlog.get_logger()

# A few searches a second are all that a CRM gives.
BATCH = 25
# A contact may be made there at any time, but not often just after we have looked.
RETRY_S = 6 * 3600.0
PASSING_RETRY_S = 60.0
MAX_RETRY_S = 7 * 24 * 3600.0


def search_people(session: CrmSession) -> int:
    """Look for one batch of customers. Returns how many were looked for.

    A search that must wait for the CRM's limits holds up no card: it is tried later. Raises: CrmError for other trouble.
    """
    with session.deps.database.tenant_transaction(session.tenant_id) as conn:
        due = {one.customer_id: one for one in list_due_searches(conn, session.tenant_id, limit=BATCH)}
        samples = [customer_id for customer_id in due if is_sample_sender(list_identities(conn, customer_id))]
        for customer_id in samples:
            # A test of ours is nobody's record, and none must be made of it.
            settle_search(conn, customer_id, outcome="nobody", seconds=MAX_RETRY_S)
            del due[customer_id]
        references = [_reference(conn, customer_id) for customer_id in due]
    if not due:
        return len(samples)
    found: list[Found] = []
    session.meter.purpose = "card"
    try:
        found = session.crm.find(references)
        crash_point("crm_search.after_find")
        if session.connection.settings.create_contacts:
            found = _create_missing(session, references, found)
    except CrmError as error:
        if error.connection_broken or error.retry_after_s is None:
            raise
        # Who was found is linked all the same, when it was making contacts for the others that has to wait.
        known = [one for one in found if one.candidates]
        _settle(session, due, known, later_s=error.retry_after_s)
        return len(known)
    _settle(session, due, found)
    return len(due)


def _reference(conn: Connection, customer_id: str) -> CustomerRef:
    identities = list_identities(conn, customer_id)
    return CustomerRef(
        customer_id=customer_id,
        phones=tuple(value for kind, value in identities if kind == "phone"),
        emails=tuple(value.lower() for kind, value in identities if kind == "email"),
        display_name=get_display_name(conn, customer_id),
    )


def _create_missing(session: CrmSession, references: list[CustomerRef], found: list[Found]) -> list[Found]:
    nobody = {one.customer_id for one in found if not one.candidates and one.error is None}
    if not nobody:
        return found
    created = session.crm.create([one for one in references if one.customer_id in nobody])
    crash_point("crm_search.after_create")
    return [one for one in found if one.customer_id not in nobody] + created


def _settle(
    session: CrmSession, due: dict[str, DueSearch], found: list[Found], *, later_s: float | None = None
) -> None:
    linked: dict[str, str] = {}
    with session.deps.database.tenant_transaction(session.tenant_id) as conn:
        for one in found:
            if match := one.match:
                link_customer(
                    conn,
                    session.tenant_id,
                    customer_id=one.customer_id,
                    record_id=match.record_id,
                    matched_on=match.matched_on,
                )
                linked[one.customer_id] = match.record_id
                continue
            if one.error is not None and not one.error.permanent:
                # A limit or a blip in the middle of the batch: nothing was said of this customer.
                wait_s = one.error.retry_after_s or PASSING_RETRY_S
                settle_search(conn, one.customer_id, outcome="waiting", seconds=wait_s)
                continue
            outcome, candidates = _unclear(one)
            if one.error is not None:
                log.warning("crm_search_refused", tenant_id=session.tenant_id, code=one.error.code)
            seconds = min(RETRY_S * 2 ** min(due[one.customer_id].tries, 5), MAX_RETRY_S) * random.uniform(0.9, 1.1)  # noqa: S311
            settle_search(conn, one.customer_id, outcome=outcome, candidates=candidates, seconds=seconds)
        for customer_id in due.keys() - {one.customer_id for one in found}:
            settle_search(conn, customer_id, outcome="waiting", seconds=later_s or RETRY_S)
        crash_point("crm_search.settle_before_commit")
    if linked:
        read_values(session, linked)


def _unclear(found: Found) -> tuple[SearchOutcome, Sequence[Candidate]]:
    if found.candidates:
        return "ambiguous", found.candidates
    return ("refused" if found.error else "nobody"), ()
