"""Labels onto CRM cards, in batches as large as the CRM takes; a card that says the same already is left alone."""

import hashlib
import json
from dataclasses import asdict

from config.crash_points import crash_point
from crm_sync.base import RECORD_NOT_FOUND, CrmError, Outcome, StateWrite
from crm_sync.labels import CustomerLabels, field_values
from store.crm_connections import hold_cards
from store.crm_labels import compute_labels
from store.crm_links import follow_merge, unlink_customer
from store.crm_searches import look_again
from store.crm_states import (
    DirtyState,
    WrittenState,
    list_dirty_states,
    lock_states,
    postpone_state,
    settle_clean,
    settle_states,
)
from store.db import Connection
from worker.crm_meter import BUDGET_USED
from worker.crm_session import CrmSession
from worker.metrics import CRM_WRITES

# A CRM that takes one record at a time still gets a worthwhile round.
MIN_BATCH = 100
# A card that the CRM refuses for what stands on it: a person there must act first.
REFUSED_RETRY_S = 6 * 3600.0
MAX_RETRY_S = 900.0
CLEARED = "cleared"


def labels_hash(labels: CustomerLabels | None) -> str:
    """Equal for labels that look the same on the card, so that an unchanged one is not written again."""
    if labels is None:
        return CLEARED
    shown = {key: value for key, value in asdict(labels).items() if key != "last_analyzed_at"}
    return hashlib.sha256(json.dumps(shown, sort_keys=True, default=str).encode()).hexdigest()


def write_cards(session: CrmSession) -> int:
    """Write one batch. Returns how many cards were dealt with. Raises: CrmError when the CRM as a whole doesn't work; StoreError."""
    with session.deps.database.tenant_transaction(session.tenant_id) as conn:
        limit = max(session.crm.capabilities.batch_update, MIN_BATCH)
        states = list_dirty_states(conn, session.tenant_id, limit=limit)
        if not states:
            return 0
        writes = _leave_out_what_stands(conn, session, states)
    if not writes:
        return len(states)
    is_bulk = all(state.is_bulk for state, _ in writes.values())
    session.meter.purpose = "bulk" if is_bulk else "card"
    try:
        crash_point("crm_cards.before_write")
        outcomes = session.crm.write([write for _, write in writes.values()])
        crash_point("crm_cards.after_write")
    except CrmError as error:
        if error.code != BUDGET_USED:
            raise
        outcomes = [Outcome(customer_id, error) for customer_id in writes]
    used_up = next((one.error for one in outcomes if one.error is not None and one.error.code == BUDGET_USED), None)
    if used_up is not None:
        with session.deps.database.tenant_transaction(session.tenant_id) as conn:
            hold_cards(conn, session.tenant_id, seconds=used_up.retry_after_s or MAX_RETRY_S, is_bulk=is_bulk)
        # What was not written is due as before, once the hold is over.
        outcomes = [one for one in outcomes if one.error is None or one.error.code != BUDGET_USED]
    with session.deps.database.tenant_transaction(session.tenant_id) as conn:
        _settle(conn, session, writes, outcomes)
        crash_point("crm_cards.settle_before_commit")
    return 0 if used_up is not None else len(states)


def _leave_out_what_stands(
    conn: Connection, session: CrmSession, states: list[DirtyState]
) -> dict[str, tuple[DirtyState, StateWrite]]:
    lock_states(conn, [state.customer_id for state in states])
    labels = compute_labels(
        conn, [state.customer_id for state in states], with_summary=session.connection.settings.send_summary
    )
    writes: dict[str, tuple[DirtyState, StateWrite]] = {}
    unchanged: list[WrittenState] = []
    for state in states:
        wanted = labels.get(state.customer_id)
        if wanted is None and state.written_hash is None:
            settle_clean(conn, state.customer_id, version=state.version)
        elif labels_hash(wanted) == state.written_hash:
            unchanged.append(_written(state, wanted, record_id=state.record_id, has_changed=False))
        else:
            writes[state.customer_id] = (state, StateWrite(state.customer_id, state.record_id, wanted))
    settle_states(conn, session.tenant_id, unchanged)
    return writes


def _written(state: DirtyState, labels: CustomerLabels | None, *, record_id: str, has_changed: bool) -> WrittenState:
    values = field_values(labels, with_summary=False) if has_changed else None
    return WrittenState(
        customer_id=state.customer_id,
        record_id=record_id,
        version=state.version,
        because=state.because,
        written_hash=labels_hash(labels),
        negative_30d=labels.negative_30d if labels else 0,
        fields=values,
    )


def _settle(
    conn: Connection,
    session: CrmSession,
    writes: dict[str, tuple[DirtyState, StateWrite]],
    outcomes: list[Outcome],
) -> None:
    lock_states(conn, list(writes))
    written: list[WrittenState] = []
    for outcome in outcomes:
        state, write = writes[outcome.ref]
        if outcome.error is None:
            record_id = outcome.record_id or write.record_id
            if record_id != write.record_id:
                follow_merge(conn, state.customer_id, gone=write.record_id, record_id=record_id)
            written.append(_written(state, write.labels, record_id=record_id, has_changed=True))
            continue
        if outcome.error.code == RECORD_NOT_FOUND:
            # Merged or deleted there: look for the customer again.
            unlink_customer(conn, state.customer_id, gone=write.record_id)
            look_again(conn, session.tenant_id, state.customer_id)
        else:
            wait_s = _retry_s(state.tries, outcome.error)
            postpone_state(conn, state.customer_id, seconds=wait_s, error_code=outcome.error.code)
    settle_states(conn, session.tenant_id, written)
    kind = session.connection.kind
    CRM_WRITES.labels(kind, "card", "written").inc(len(written))
    CRM_WRITES.labels(kind, "card", "not_written").inc(len(outcomes) - len(written))


def _retry_s(tries: int, error: CrmError) -> float:
    if error.permanent:
        return REFUSED_RETRY_S
    return error.retry_after_s or min(2.0 * 2 ** min(tries, 10), MAX_RETRY_S)
