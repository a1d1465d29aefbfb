"""Notes and tasks into the CRM, urgent ones first, each once by its key."""

from config.crash_points import crash_point
from crm_sync.base import RECORD_NOT_FOUND, CrmError, CrmEvent, Outcome
from store.crm_events import DueEvent, forgive_tries, postpone_event, settle_event, take_due_events
from store.crm_links import unlink_customer
from store.crm_searches import look_for
from store.crm_states import check_card
from store.db import Connection
from worker.crm_session import CrmSession
from worker.metrics import CRM_WRITES

BATCH = 100
MAX_TRIES = 20
MAX_RETRY_S = 900.0


def deliver_events(session: CrmSession) -> int:
    """Deliver one batch. Returns how many events were dealt with. Raises: CrmError when the CRM as a whole doesn't work."""
    with session.deps.database.tenant_transaction(session.tenant_id) as conn:
        events = {event.key: event for event in take_due_events(conn, session.tenant_id, limit=BATCH)}
    if not events:
        return 0
    session.meter.purpose = "event"
    try:
        crash_point("crm_events.before_emit")
        outcomes = session.crm.emit([_crm_event(event) for event in events.values()])
        crash_point("crm_events.after_emit")
    except CrmError:
        # The CRM's trouble, however long it lasts, must not use up what an event may be tried.
        with session.deps.database.tenant_transaction(session.tenant_id) as conn:
            forgive_tries(conn, [event.id for event in events.values()])
        raise
    with session.deps.database.tenant_transaction(session.tenant_id) as conn:
        for outcome in outcomes:
            _settle(conn, session, events[outcome.ref], outcome)
        crash_point("crm_events.settle_before_commit")
    return len(events)


def _crm_event(event: DueEvent) -> CrmEvent:
    return CrmEvent(
        key=event.key,
        record_id=event.record_id,
        kind="note" if event.kind == "note" else "task",
        subject=event.subject,
        body=event.body,
        due_at=event.due_at,
        high_priority=event.high_priority,
        may_exist=event.tries > 1,
    )


def _settle(conn: Connection, session: CrmSession, event: DueEvent, outcome: Outcome) -> None:
    error = outcome.error
    kind = session.connection.kind
    if error is None:
        settle_event(conn, event.id, state="sent", remote_id=outcome.event_id)
        CRM_WRITES.labels(kind, event.kind, "written").inc()
        return
    CRM_WRITES.labels(kind, event.kind, "not_written").inc()
    if error.code == RECORD_NOT_FOUND and event.tries < MAX_TRIES:
        # Merged or deleted there. Writing the card tells which, and follows a merge or has the person looked for; what is
        # forgotten here could not be followed any more. The event waits for that.
        if not check_card(conn, event.customer_id):
            unlink_customer(conn, event.customer_id, gone=event.record_id)
            look_for(conn, session.tenant_id, event.customer_id, is_urgent=True)
        seconds = min(2.0 ** min(event.tries - 1, 10), MAX_RETRY_S)
        postpone_event(conn, event.id, seconds=seconds, error_code=error.code)
    elif error.retry_after_s is not None and not error.permanent:
        # A limit in the middle of the batch: this one was not tried.
        forgive_tries(conn, [event.id])
        postpone_event(conn, event.id, seconds=error.retry_after_s, error_code=error.code)
    elif error.permanent or event.tries >= MAX_TRIES:
        settle_event(conn, event.id, state="failed", error_code=error.code)
    else:
        seconds = min(2.0 * 2 ** min(event.tries, 10), MAX_RETRY_S)
        postpone_event(conn, event.id, seconds=seconds, error_code=error.code)
