"""Write one tenant's due labels, notes and tasks to its CRM, in batches, one outcome per customer."""

import hashlib
import json
from dataclasses import asdict

import structlog

from crm_sync.base import RECORD_NOT_FOUND, Crm, CrmError, CrmEvent, CustomerRef, Found, StateWrite
from crm_sync.labels import CustomerLabels
from crm_sync.registry import build_crm
from store.crm import (
    ClaimedEvent,
    ClaimedState,
    claim_events,
    claim_states,
    compute_labels,
    link_customer,
    postpone_event,
    postpone_state,
    settle_event,
    settle_state,
    unlink_customer,
)
from store.customers import get_display_name, list_identities
from store.tenants import CrmConnection, find_crm_connection, mark_crm_provisioned, pause_crm
from worker.deps import Deps

log = structlog.get_logger()

BATCH = 100
UNLINKED_RETRY_S = 6 * 3600.0
MAX_RETRY_S = 900.0
MAX_EVENT_TRIES = 20


def _labels_hash(labels: CustomerLabels | None) -> str:
    """Equal for labels that look the same on the card, so that an unchanged one is not written again."""
    if labels is None:
        return "cleared"
    shown = {key: value for key, value in asdict(labels).items() if key != "last_analyzed_at"}
    return hashlib.sha256(json.dumps(shown, sort_keys=True, default=str).encode()).hexdigest()


def _backoff_s(tries: int, error: CrmError) -> float:
    return error.retry_after_s or min(2.0 * 2 ** min(tries, 10), MAX_RETRY_S)


def flush_crm(deps: Deps, *, tenant_id: int) -> None:
    """Deliver what is due. Whatever is not delivered keeps its row and comes again. Raises: StoreError."""
    with deps.database.tenant_transaction(tenant_id) as conn:
        connection = find_crm_connection(conn, tenant_id, keyring=deps.keyring)
        if connection is None or connection.paused_because:
            return
        states = claim_states(conn, tenant_id, limit=BATCH)
        events = claim_events(conn, tenant_id, limit=BATCH)
    if not states and not events:
        return
    _Flush(deps, tenant_id, connection).deliver(states, events)


class _Flush:
    """One pass over one tenant's due rows."""

    def __init__(self, deps: Deps, tenant_id: int, connection: CrmConnection) -> None:
        self._deps = deps
        self._tenant_id = tenant_id
        self._connection = connection

    def deliver(self, states: list[ClaimedState], events: list[ClaimedEvent]) -> None:
        try:
            crm = build_crm(
                self._connection.kind,
                self._connection.credentials,
                settings=self._deps.settings,
                default_region=self._deps.tenants.get(self._tenant_id).default_region,
                send_summary=self._connection.send_summary,
            )
            self._provision_once(crm)
            links = self._links(crm, states, events)
        except CrmError as error:
            self._postpone_all(states, events, error)
            return
        self._write_states(crm, states, links)
        self._emit_events(crm, events, links)

    def _provision_once(self, crm: Crm) -> None:
        if self._connection.provisioned:
            return
        report = crm.provision()
        if report.missing:
            log.warning("crm_fields_missing", tenant_id=self._tenant_id, missing=list(report.missing))
        with self._deps.database.tenant_transaction(self._tenant_id) as conn:
            mark_crm_provisioned(conn, self._tenant_id)

    def _links(self, crm: Crm, states: list[ClaimedState], events: list[ClaimedEvent]) -> dict[str, str | None]:
        """Customer to record id; customers without a link are looked for now, out of the hot path."""
        links: dict[str, str | None] = {item.customer_id: item.record_id for item in (*states, *events)}
        unlinked = [customer_id for customer_id, record_id in links.items() if record_id is None]
        if not unlinked:
            return links
        references = [self._reference(customer_id) for customer_id in unlinked]
        found = crm.find(references)
        self._link(links, found, because="exactly one record matches")
        if self._connection.create_contacts:
            nobody = {item.customer_id for item in found if not item.candidates and item.error is None}
            created = crm.create([reference for reference in references if reference.customer_id in nobody])
            self._link(links, created, because="created by Earshot")
        return links

    def _reference(self, customer_id: str) -> CustomerRef:
        with self._deps.database.tenant_transaction(self._tenant_id) as conn:
            identities = list_identities(conn, customer_id)
            name = get_display_name(conn, customer_id)
        phones = tuple(value for kind, value in identities if kind == "phone")
        return CustomerRef(customer_id=customer_id, phones=phones, display_name=name)

    def _link(self, links: dict[str, str | None], found: list[Found], *, because: str) -> None:
        with self._deps.database.tenant_transaction(self._tenant_id) as conn:
            for item in found:
                if item.error is not None:
                    log.warning("crm_search_refused", tenant_id=self._tenant_id, code=item.error.code)
                if match := item.match:
                    link_customer(
                        conn, self._tenant_id, customer_id=item.customer_id, record_id=match.record_id, because=because
                    )
                    links[item.customer_id] = match.record_id

    def _write_states(self, crm: Crm, states: list[ClaimedState], links: dict[str, str | None]) -> None:
        with self._deps.database.tenant_transaction(self._tenant_id) as conn:
            labels = compute_labels(
                conn, [state.customer_id for state in states], with_summary=self._connection.send_summary
            )
            writes: dict[str, tuple[ClaimedState, StateWrite, str]] = {}
            for state in states:
                record_id, wanted = links[state.customer_id], labels.get(state.customer_id)
                if wanted is None and state.written_hash is None:  # nothing stands there
                    settle_state(conn, state.customer_id, version=state.version, written_hash=None, negative_30d=None)
                elif record_id is None:
                    postpone_state(conn, state.customer_id, seconds=UNLINKED_RETRY_S, error_code="not_linked")
                elif (fingerprint := _labels_hash(wanted)) == state.written_hash:
                    settle_state(
                        conn,
                        state.customer_id,
                        version=state.version,
                        written_hash=fingerprint,
                        negative_30d=wanted.negative_30d if wanted else None,
                    )
                else:
                    write = StateWrite(customer_id=state.customer_id, record_id=record_id, labels=wanted)
                    writes[state.customer_id] = (state, write, fingerprint)
        if writes:
            self._settle_writes(crm, writes)

    def _settle_writes(self, crm: Crm, writes: dict[str, tuple[ClaimedState, StateWrite, str]]) -> None:
        try:
            outcomes = crm.write([write for _, write, _ in writes.values()])
        except CrmError as error:
            self._postpone_all([state for state, _, _ in writes.values()], [], error)
            return
        with self._deps.database.tenant_transaction(self._tenant_id) as conn:
            for outcome in outcomes:
                state, write, fingerprint = writes[outcome.ref]
                if outcome.error is None:
                    settle_state(
                        conn,
                        state.customer_id,
                        version=state.version,
                        written_hash=fingerprint,
                        negative_30d=write.labels.negative_30d if write.labels else None,
                    )
                else:
                    if outcome.error.code == RECORD_NOT_FOUND:
                        # Merged or deleted there: look for the customer again.
                        unlink_customer(conn, state.customer_id)
                    wait_s = UNLINKED_RETRY_S if outcome.error.permanent else _backoff_s(state.tries, outcome.error)
                    postpone_state(conn, state.customer_id, seconds=wait_s, error_code=outcome.error.code)

    def _emit_events(self, crm: Crm, events: list[ClaimedEvent], links: dict[str, str | None]) -> None:
        ready: dict[str, tuple[ClaimedEvent, CrmEvent]] = {}
        with self._deps.database.tenant_transaction(self._tenant_id) as conn:
            for event in events:
                record_id = links[event.customer_id]
                if record_id is None:
                    postpone_event(conn, event.id, seconds=UNLINKED_RETRY_S, error_code="not_linked")
                    continue
                ready[event.key] = (
                    event,
                    CrmEvent(
                        key=event.key,
                        record_id=record_id,
                        kind="note" if event.kind == "note" else "task",
                        subject=event.subject,
                        body=event.body,
                        due_at=event.due_at,
                        high_priority=event.high_priority,
                        may_exist=event.tries > 1,
                    ),
                )
        if not ready:
            return
        try:
            outcomes = crm.emit([crm_event for _, crm_event in ready.values()])
        except CrmError as error:
            self._postpone_all([], [event for event, _ in ready.values()], error)
            return
        with self._deps.database.tenant_transaction(self._tenant_id) as conn:
            for outcome in outcomes:
                event = ready[outcome.ref][0]
                if outcome.error is None:
                    settle_event(conn, event.id, state="sent")
                elif outcome.error.permanent or event.tries >= MAX_EVENT_TRIES:
                    settle_event(conn, event.id, state="failed", error_code=outcome.error.code)
                else:
                    postpone_event(
                        conn, event.id, seconds=_backoff_s(event.tries, outcome.error), error_code=outcome.error.code
                    )

    def _postpone_all(self, states: list[ClaimedState], events: list[ClaimedEvent], error: CrmError) -> None:
        log.warning("crm_unavailable", tenant_id=self._tenant_id, code=error.code, broken=error.connection_broken)
        with self._deps.database.tenant_transaction(self._tenant_id) as conn:
            if error.connection_broken:
                pause_crm(conn, self._tenant_id, because=error.code)
            for state in states:
                postpone_state(conn, state.customer_id, seconds=_backoff_s(state.tries, error), error_code=error.code)
            for event in events:
                postpone_event(conn, event.id, seconds=_backoff_s(event.tries, error), error_code=error.code)
