"""Cards that must lose what we wrote: the customer was erased here, or a message was taken back."""

from crm_sync.base import RECORD_NOT_FOUND, CrmError, EmittedEvent, StateWrite
from store.crm_erasures import (
    DueErasure,
    list_due_erasures,
    list_others_on,
    postpone_erasure,
    settle_erasure,
)
from store.crm_states import write_anew
from worker.crm_session import CrmSession

BATCH = 50
MAX_TRIES = 20
RETRY_S = 60.0
MAX_RETRY_S = 6 * 3600.0


def erase_cards(session: CrmSession) -> int:
    """Erase one batch. Returns how many were dealt with. Raises: CrmError when the CRM as a whole doesn't work; StoreError."""
    with session.deps.database.tenant_transaction(session.tenant_id) as conn:
        due = list_due_erasures(conn, session.tenant_id, limit=BATCH)
    if not due:
        return 0
    session.meter.purpose = "event"
    failed = _clear(session, [one for one in due if one.clears_card]) | _retract(session, due)
    with session.deps.database.tenant_transaction(session.tenant_id) as conn:
        for one in due:
            error = failed.get(one.id)
            if error is None:
                settle_erasure(conn, one.id, state="done")
            elif one.tries >= MAX_TRIES:
                settle_erasure(conn, one.id, state="failed", error_code=error.code)
            else:
                seconds = error.retry_after_s or min(RETRY_S * 2 ** min(one.tries, 9), MAX_RETRY_S)
                postpone_erasure(conn, one.id, seconds=seconds, error_code=error.code)
        # A card that two customers share says now what is to be said of the other.
        for customer_id in list_others_on(conn, session.tenant_id, [one.record_id for one in due if one.clears_card]):
            write_anew(conn, customer_id)
    return len(due)


def _clear(session: CrmSession, erasures: list[DueErasure]) -> dict[str, CrmError]:
    if not erasures:
        return {}
    outcomes = session.crm.write([StateWrite(one.id, one.record_id, labels=None) for one in erasures])
    return {one.ref: one.error for one in outcomes if one.error is not None and one.error.code != RECORD_NOT_FOUND}


def _retract(session: CrmSession, erasures: list[DueErasure]) -> dict[str, CrmError]:
    owner: dict[str, str] = {}
    events: list[EmittedEvent] = []
    for erasure in erasures:
        for event in erasure.events:
            owner[event["key"]] = erasure.id
            events.append(
                EmittedEvent(
                    key=event["key"], record_id=erasure.record_id, kind=event["kind"], event_id=event.get("event_id")
                )
            )
    outcomes = session.crm.retract(events) if events else []
    return {
        owner[one.ref]: one.error for one in outcomes if one.error is not None and one.error.code != RECORD_NOT_FOUND
    }
