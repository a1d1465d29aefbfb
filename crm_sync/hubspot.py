"""HubSpot, API version 2026-09: labels as contact properties, events as notes and tasks.

The token is a service key or an app's access token with the scopes crm.objects.contacts.read and .write, and, to let
Earshot make its properties, crm.schemas.contacts.read and .write.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from crm_sync.base import (
    FIELD_MISSING,
    RECORD_NOT_FOUND,
    Account,
    Candidate,
    Capabilities,
    CrmError,
    CrmEvent,
    CustomerRef,
    EmittedEvent,
    Found,
    Outcome,
    ProvisionReport,
    StateWrite,
)
from crm_sync.batches import send_in_batches
from crm_sync.client import CrmClient, as_object
from crm_sync.hubspot_answers import Sent, read_refusal, records, sort_results
from crm_sync.hubspot_fields import BATCH, CUSTOMER_KEY, EVENT_KEY, VERSION, contact_properties, event_properties
from crm_sync.hubspot_provision import provision
from crm_sync.labels import field_values
from crm_sync.metering import AccountLimits, Meter, RateLimit
from crm_sync.phones import is_written_among, national_numbers, phone_variants
from crm_sync.tokens import TokenSource

# HubSpot searches four times a second, with a body of at most 3,000 characters: a few customers share one search.
SEARCH_CUSTOMERS = 8
SEARCH_LIMIT = 200

_OBJECTS = f"/crm/objects/{VERSION}"
_OBJECT_TYPES = {"note": "notes", "task": "tasks"}
_PHONE_PROPERTIES = ["phone", "mobilephone", "hs_calculated_phone_number", "hs_calculated_mobile_number"]
_EMAIL_PROPERTIES = ["email", "hs_additional_emails"]

T = TypeVar("T")


class HubSpot:
    """One portal. default_region: the tenant's country ("TR"), to read numbers on cards that lack a country code."""

    kind = "hubspot"
    capabilities = Capabilities(
        batch_update=BATCH,
        keyed_events=True,
        external_id=True,
        limits=AccountLimits(day=250_000, general=RateLimit(100, 10.0), search=RateLimit(4, 1.0)),
    )

    def __init__(
        self,
        *,
        tokens: TokenSource,
        base_url: str,
        send_summary: bool = True,
        default_region: str | None = None,
        timeout_s: float = 15.0,
        meter: Meter | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._send_summary = send_summary
        self._default_region = default_region
        self._client = CrmClient(
            base_url,
            tokens=tokens,
            authorization=lambda token: {"Authorization": f"Bearer {token.value}"},
            timeout_s=timeout_s,
            read_refusal=read_refusal,
            meter=meter,
            sleep=sleep,
        )

    def check(self) -> Account:
        """Raises: CrmError when the token or its scopes don't let us read contacts."""
        self._client.get(f"{_OBJECTS}/contacts", params={"limit": "1"})
        return Account(account_id=None)

    def provision(self, *, dry_run: bool = False) -> ProvisionReport:
        """Create our properties where they are missing. Without the schema scopes they are reported instead."""
        return provision(self._client, dry_run=dry_run)

    def find(self, customers: list[CustomerRef]) -> list[Found]:
        """One Found per input, in order. Search lags seconds behind writes: a record just made may not be found."""
        searchable = [customer for customer in customers if customer.phones or customer.emails]
        found = send_in_batches(searchable, size=SEARCH_CUSTOMERS, send=self._find, refused=_nobody)
        return _in_order(found, customers)

    def create(self, customers: list[CustomerRef]) -> list[Found]:
        """One contact per input, by our own key, so that a repeat after a lost answer gives the same contact."""
        known = [customer for customer in customers if customer.phones or customer.emails or customer.display_name]
        try:
            found = self._with_fields(lambda: send_in_batches(known, size=BATCH, send=self._create, refused=_nobody))
        except CrmError as error:
            if not error.code.startswith(FIELD_MISSING):
                raise
            # A portal without our key gets no contacts from us, but the labels of those it has.
            found = [_nobody(customer, error) for customer in known]
        return _in_order(found, customers)

    def write(self, writes: list[StateWrite]) -> list[Outcome]:
        """Write the labels. Where two customers share a record the newer labels stand: HubSpot takes an id once."""
        newest = {one.record_id: one for one in sorted(writes, key=_last_analyzed_at)}
        outcomes = self._with_fields(
            lambda: send_in_batches(
                list(newest.values()),
                size=BATCH,
                send=self._write,
                refused=lambda one, error: Outcome(one.record_id, error),
            )
        )
        errors = {outcome.ref: outcome.error for outcome in outcomes}
        return [Outcome(one.customer_id, errors[one.record_id]) for one in writes]

    def emit(self, events: list[CrmEvent]) -> list[Outcome]:
        """Add notes and tasks. One that is there already is left as it is: an agent may have worked on it."""
        outcomes = {outcome.ref: outcome for outcome in self._with_fields(lambda: self._emit_all(events))}
        return [outcomes[event.key] for event in events]

    def retract(self, events: list[EmittedEvent]) -> list[Outcome]:
        """Archive notes and tasks that we wrote."""
        raise NotImplementedError

    def read_fields(self, record_ids: list[str], fields: tuple[str, ...]) -> dict[str, dict[str, str | None]]:
        """Values of contact properties by record id; None where empty; a contact that is gone is left out."""
        values: dict[str, dict[str, str | None]] = {}
        for start in range(0, len(record_ids), BATCH):
            for contact in self._read("contacts", record_ids[start : start + BATCH], properties=list(fields)):
                properties = as_object(contact.get("properties"))
                values[contact["id"]] = {name: properties.get(name) or None for name in fields}
        return values

    def _with_fields(self, work: Callable[[], T]) -> T:
        """Do it; where the portal lacks a property of ours, make it once and do it again."""
        try:
            return work()
        except CrmError as error:
            if not error.code.startswith(FIELD_MISSING):
                raise
        self.provision()
        return work()

    def _find(self, customers: Sequence[CustomerRef]) -> list[Found]:
        contacts = {
            contact["id"]: as_object(contact.get("properties"))
            for groups in (_phone_groups(customers), _email_groups(customers))
            for contact in self._search(groups, alone=len(customers) == 1)
        }
        return [self._match(customer, contacts) for customer in customers]

    def _search(self, groups: list[dict[str, Any]], *, alone: bool) -> list[dict[str, Any]]:
        if not groups:
            return []
        search = {
            "filterGroups": groups,
            "properties": _PHONE_PROPERTIES + _EMAIL_PROPERTIES,
            "limit": SEARCH_LIMIT,
            "after": "0",
            "sorts": [],
        }
        contacts = records(self._client.post(f"{_OBJECTS}/contacts/search", search, idempotent=True))
        if len(contacts) >= SEARCH_LIMIT and not alone:
            # One customer's many duplicates would hide another's record: refused, so that it is searched in halves.
            raise CrmError("too_many_matches", permanent=True)
        return contacts

    def _match(self, customer: CustomerRef, contacts: dict[str, dict[str, Any]]) -> Found:
        """Search gives candidates: only a contact that really bears the number or the address counts."""
        ids = [record_id for record_id, properties in contacts.items() if self._is_same(customer, properties)]
        return Found(customer.customer_id, tuple(Candidate(record_id, "phone") for record_id in ids))

    def _is_same(self, customer: CustomerRef, properties: dict[str, Any]) -> bool:
        written = [properties.get(name) for name in _PHONE_PROPERTIES]
        emails = ";".join(properties.get(name) or "" for name in _EMAIL_PROPERTIES).lower().split(";")
        has_phone = is_written_among(customer.phones, written, region=self._default_region)
        return has_phone or not set(customer.emails).isdisjoint(emails)

    def _create(self, customers: Sequence[CustomerRef]) -> list[Found]:
        properties = {customer.customer_id: contact_properties(customer) for customer in customers}
        results = self._upsert("contacts", key_property=CUSTOMER_KEY, properties=properties)
        return [
            _nobody(customer, result)
            if isinstance(result, CrmError)
            else Found(customer.customer_id, (Candidate(result["id"], "created"),))
            for customer, result in zip(customers, results, strict=True)
        ]

    def _write(self, writes: Sequence[StateWrite]) -> list[Outcome]:
        inputs = [
            {"id": one.record_id, "properties": field_values(one.labels, with_summary=self._send_summary)}
            for one in writes
        ]
        answer = self._client.post(f"{_OBJECTS}/contacts/batch/update", {"inputs": inputs}, idempotent=True)
        results = sort_results(answer, [Sent(frozenset({one.record_id})) for one in writes])
        return [
            Outcome(one.record_id, result if isinstance(result, CrmError) else None)
            for one, result in zip(writes, results, strict=True)
        ]

    def _emit_all(self, events: list[CrmEvent]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for kind, object_type in _OBJECT_TYPES.items():
            outcomes += send_in_batches(
                [event for event in events if event.kind == kind],
                size=BATCH,
                send=lambda batch, object_type=object_type: self._emit(object_type, batch),
                refused=lambda event, error: Outcome(event.key, error),
            )
        return outcomes

    def _emit(self, object_type: str, events: Sequence[CrmEvent]) -> list[Outcome]:
        keys = [event.key for event in events]
        there = self._read(object_type, keys, properties=[EVENT_KEY], key_property=EVENT_KEY)
        results: dict[str, dict[str, Any] | CrmError] = {
            str(as_object(one.get("properties")).get(EVENT_KEY)): one for one in there
        }
        new = {event.key: event_properties(event) for event in events if event.key not in results}
        if new:
            made = self._upsert(object_type, key_property=EVENT_KEY, properties=new)
            results |= dict(zip(new, made, strict=True))
        return [self._link(object_type, event, results[event.key]) for event in events]

    def _link(self, object_type: str, event: CrmEvent, result: dict[str, Any] | CrmError) -> Outcome:
        """Hang a note or task on its contact, which upsert can't do. Linking twice is one link."""
        if isinstance(result, CrmError):
            return Outcome(event.key, result)
        path = f"{_OBJECTS}/{object_type}/{result['id']}/associations/default/contacts/{event.record_id}"
        try:
            self._client.request("PUT", path, idempotent=True)
        except CrmError as error:
            if not error.permanent:
                raise
            return Outcome(event.key, error)
        return Outcome(event.key)

    def _upsert(
        self, object_type: str, *, key_property: str, properties: dict[str, dict[str, str]]
    ) -> list[dict[str, Any] | CrmError]:
        """Make what is not there, by unique key; one result per key, in order."""
        # A trace per input makes HubSpot take the good ones beside a bad one, and say which is which.
        inputs = [
            {"id": key, "idProperty": key_property, "objectWriteTraceId": f"earshot-{key}", "properties": values}
            for key, values in properties.items()
        ]
        answer = self._client.post(f"{_OBJECTS}/{object_type}/batch/upsert", {"inputs": inputs}, idempotent=True)
        return sort_results(answer, [Sent(frozenset({key, f"earshot-{key}"})) for key in properties])

    def _read(
        self, object_type: str, ids: list[str], *, properties: list[str], key_property: str | None = None
    ) -> list[dict[str, Any]]:
        request: dict[str, Any] = {
            "inputs": [{"id": one} for one in ids],
            "properties": properties,
            "propertiesWithHistory": [],
        }
        if key_property:
            request["idProperty"] = key_property
        try:
            answer = self._client.post(f"{_OBJECTS}/{object_type}/batch/read", request, idempotent=True)
        except CrmError as error:
            # HubSpot may answer 404 instead of an empty list when none of them is there.
            if error.code != RECORD_NOT_FOUND:
                raise
            return []
        return records(answer)


def _last_analyzed_at(write: StateWrite) -> datetime:
    return write.labels.last_analyzed_at if write.labels else datetime.min.replace(tzinfo=UTC)


def _in_order(found: list[Found], customers: list[CustomerRef]) -> list[Found]:
    by_customer = {one.customer_id: one for one in found}
    return [by_customer.get(customer.customer_id) or _nobody(customer) for customer in customers]


def _nobody(customer: CustomerRef, error: CrmError | None = None) -> Found:
    return Found(customer.customer_id, error=error)


def _phone_groups(customers: Sequence[CustomerRef]) -> list[dict[str, Any]]:
    """Groups are joined by OR, five at most. HubSpot indexes a number, however typed, without its country code."""
    phones = {phone for customer in customers for phone in customer.phones}
    national = {number for phone in phones for number in national_numbers(phone)}
    full = {variant for phone in phones for variant in phone_variants(phone)}
    return [
        *_any_of("hs_searchable_calculated_phone_number", national),
        *_any_of("hs_searchable_calculated_mobile_number", national),
        *_any_of("hs_calculated_phone_number", full),
        *_any_of("phone", full),
        *_any_of("mobilephone", full),
    ]


def _email_groups(customers: Sequence[CustomerRef]) -> list[dict[str, Any]]:
    return _any_of("email", {email for customer in customers for email in customer.emails})


def _any_of(name: str, values: Iterable[str]) -> list[dict[str, Any]]:
    listed = sorted(values)
    return [{"filters": [{"propertyName": name, "operator": "IN", "values": listed}]}] if listed else []
