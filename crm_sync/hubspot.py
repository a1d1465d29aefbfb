"""HubSpot, API version 2026-09: labels as contact properties, events as notes and tasks.

The token is a service key or an app's access token with the scopes crm.objects.contacts.read and .write, and, to let Earshot make
its properties, crm.schemas.contacts.read and .write.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

from crm_sync.base import (
    FIELD_MISSING,
    RECORD_NOT_FOUND,
    CrmError,
    CrmEvent,
    CustomerRef,
    Found,
    Outcome,
    ProvisionReport,
    StateWrite,
)
from crm_sync.batches import send_in_batches
from crm_sync.client import CrmClient, as_object, as_objects
from crm_sync.hubspot_answers import MISSING_SCOPES, Sent, read_refusal, sort_results
from crm_sync.hubspot_fields import CUSTOMER_KEY, EVENT_KEY, FIELDS, GROUP, contact_properties, event_properties
from crm_sync.labels import field_values
from crm_sync.phones import is_written_among, national_numbers, phone_variants

VERSION = "2026-09"
BATCH = 100
# HubSpot searches four times a second, with a body of at most 3,000 characters: a few customers share one search.
SEARCH_CUSTOMERS = 8
SEARCH_LIMIT = 200

_PHONE_PROPERTIES = ["phone", "mobilephone", "hs_calculated_phone_number", "hs_calculated_mobile_number"]
_EMAIL_PROPERTIES = ["email", "hs_additional_emails"]

T = TypeVar("T")


class HubSpot:
    """One portal. default_region: the tenant's country, to read numbers on cards that lack a country code."""

    kind = "hubspot"

    def __init__(
        self,
        token: str,
        *,
        base_url: str,
        send_summary: bool = True,
        default_region: str | None = None,
        timeout_s: float = 15.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._send_summary = send_summary
        self._default_region = default_region
        self._client = CrmClient(
            base_url,
            headers={"Authorization": f"Bearer {token}"},
            timeout_s=timeout_s,
            read_refusal=read_refusal,
            sleep=sleep,
        )

    def check(self) -> None:
        """Raises: CrmError when the token or its scopes don't let us read contacts."""
        self._client.get(f"/crm/objects/{VERSION}/contacts", params={"limit": "1"})

    def provision(self) -> ProvisionReport:
        """Create our properties where they are missing. Without the schema scopes they are reported instead."""
        reports = [self._provision_object(object_type) for object_type in FIELDS]
        return ProvisionReport(
            created=tuple(name for report in reports for name in report.created),
            present=tuple(name for report in reports for name in report.present),
            missing=tuple(name for report in reports for name in report.missing),
        )

    def find(self, customers: list[CustomerRef]) -> list[Found]:
        """One Found per input, in order. Search lags behind writes by seconds, so a record just made may not be found."""
        searchable = [customer for customer in customers if customer.phones or customer.emails]
        found = send_in_batches(
            searchable, size=SEARCH_CUSTOMERS, send=self._find, refused=lambda customer, error: _not_found(customer, error)
        )
        by_customer = {one.customer_id: one for one in found}
        return [by_customer.get(customer.customer_id) or _not_found(customer) for customer in customers]

    def create(self, customers: list[CustomerRef]) -> list[Found]:
        """One contact per input. By our own key, so that a repeat after a lost answer gives the same contact."""
        return self._with_fields(
            lambda: send_in_batches(customers, size=BATCH, send=self._create, refused=_not_created)
        )

    def write(self, writes: list[StateWrite]) -> list[Outcome]:
        """Write the labels; where two customers share a record, the newer ones stand."""
        newest = {one.record_id: one for one in sorted(writes, key=lambda one: one.labels.last_analyzed_at)}
        outcomes = self._with_fields(
            lambda: send_in_batches(
                list(newest.values()), size=BATCH, send=self._write, refused=lambda one, error: Outcome(one.record_id, error)
            )
        )
        errors = {outcome.ref: outcome.error for outcome in outcomes}
        return [Outcome(one.customer_id, errors[one.record_id]) for one in writes]

    def emit(self, events: list[CrmEvent]) -> list[Outcome]:
        """Add notes and tasks. One that is there already is left as it is: an agent may have worked on it."""
        return self._with_fields(lambda: self._emit_all(events))

    def read_value(self, record_ids: list[str], field: str) -> dict[str, str | None]:
        """The value of a contact property per record; None where it is empty or the contact is gone."""
        values: dict[str, str | None] = dict.fromkeys(record_ids)
        for start in range(0, len(record_ids), BATCH):
            for contact in self._read("contacts", record_ids[start : start + BATCH], properties=[field]):
                values[str(contact.get("id"))] = as_object(contact.get("properties")).get(field) or None
        return values

    def _with_fields(self, work: Callable[[], T]) -> T:
        """Do it; where a property of ours is missing (a new portal, a zealous admin), make it once and do it again."""
        try:
            return work()
        except CrmError as error:
            if not error.code.startswith(FIELD_MISSING):
                raise
        self.provision()
        return work()

    def _provision_object(self, object_type: str) -> ProvisionReport:
        wanted = FIELDS[object_type]
        reasons: dict[str, str] = {}
        try:
            before = self._property_names(object_type)
            absent = [one for one in wanted if one["name"] not in before]
            if absent:
                self._make_group(object_type)
                reasons = self._create_properties(object_type, absent)
            after = self._property_names(object_type) if absent else before
        except CrmError as error:
            if not error.code.startswith(MISSING_SCOPES):
                raise
            return ProvisionReport(missing=tuple(f"{object_type}.{one['name']} ({error.code})" for one in wanted))
        return ProvisionReport(
            created=tuple(f"{object_type}.{one['name']}" for one in absent if one["name"] in after),
            present=tuple(f"{object_type}.{one['name']}" for one in wanted if one["name"] in before),
            missing=tuple(
                f"{object_type}.{one['name']} ({reasons.get(one['name'], 'not_created')})"
                for one in absent
                if one["name"] not in after
            ),
        )

    def _property_names(self, object_type: str) -> set[str]:
        answer = self._client.get(f"/crm/properties/{VERSION}/{object_type}")
        return {str(one.get("name")) for one in as_objects(answer.get("results"))}

    def _make_group(self, object_type: str) -> None:
        path = f"/crm/properties/{VERSION}/{object_type}/groups"
        groups = as_objects(self._client.get(path).get("results"))
        if GROUP["name"] in {one.get("name") for one in groups}:
            return
        try:
            self._client.post(path, GROUP, idempotent=True)
        except CrmError as error:
            # Another worker made it first; anything else shows when the properties are made.
            if not error.permanent:
                raise

    def _create_properties(self, object_type: str, absent: list[dict[str, Any]]) -> dict[str, str]:
        """Why properties were refused, by name."""

        def send(batch: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
            path = f"/crm/properties/{VERSION}/{object_type}/batch/create"
            self._client.post(path, {"inputs": list(batch)}, idempotent=True)
            return []

        refused = send_in_batches(
            absent, size=BATCH, send=send, refused=lambda one, error: (str(one["name"]), error.code)
        )
        return dict(refused)

    def _find(self, customers: Sequence[CustomerRef]) -> list[Found]:
        search = {
            "filterGroups": _filter_groups(customers),
            "properties": _PHONE_PROPERTIES + _EMAIL_PROPERTIES,
            "limit": SEARCH_LIMIT,
            "after": "0",
            "sorts": [],
        }
        answer = self._client.post(f"/crm/objects/{VERSION}/contacts/search", search, idempotent=True)
        contacts = as_objects(answer.get("results"))
        if len(contacts) >= SEARCH_LIMIT and len(customers) > 1:
            # One customer's many duplicates would hide another's record: search for fewer at a time.
            raise CrmError("too_many_matches", permanent=True)
        return [self._match(customer, contacts) for customer in customers]

    def _match(self, customer: CustomerRef, contacts: list[dict[str, Any]]) -> Found:
        """Search gives more than was asked for: only a contact that really bears the number or address counts."""
        ids = {
            str(contact.get("id"))
            for contact in contacts
            if self._is_same(customer, properties=as_object(contact.get("properties")))
        }
        return Found(customer.customer_id, next(iter(ids)) if len(ids) == 1 else None, len(ids))

    def _is_same(self, customer: CustomerRef, *, properties: dict[str, Any]) -> bool:
        written = [properties.get(name) for name in _PHONE_PROPERTIES]
        emails = ";".join(properties.get(name) or "" for name in _EMAIL_PROPERTIES).lower().split(";")
        return is_written_among(customer.phones, written, region=self._default_region) or bool(
            set(customer.emails) & set(emails)
        )

    def _create(self, customers: Sequence[CustomerRef]) -> list[Found]:
        results = self._upsert(
            "contacts",
            key_property=CUSTOMER_KEY,
            properties={customer.customer_id: contact_properties(customer) for customer in customers},
        )
        return [
            _not_created(customer, result)
            if isinstance(result, CrmError)
            else Found(customer.customer_id, str(result["id"]), 1)
            for customer, result in zip(customers, results, strict=True)
        ]

    def _write(self, writes: Sequence[StateWrite]) -> list[Outcome]:
        inputs = [
            {"id": one.record_id, "properties": field_values(one.labels, with_summary=self._send_summary)} for one in writes
        ]
        answer = self._client.post(
            f"/crm/objects/{VERSION}/contacts/batch/update", {"inputs": inputs}, idempotent=True
        )
        results = sort_results(answer, [Sent(frozenset({one.record_id}), frozenset()) for one in writes])
        return [_outcome(one.record_id, result) for one, result in zip(writes, results, strict=True)]

    def _emit_all(self, events: list[CrmEvent]) -> list[Outcome]:
        outcomes: dict[str, Outcome] = {}
        kinds: tuple[tuple[Literal["note", "task"], str], ...] = (("note", "notes"), ("task", "tasks"))
        for kind, object_type in kinds:
            sent = send_in_batches(
                [event for event in events if event.kind == kind],
                size=BATCH,
                send=lambda batch, object_type=object_type: self._emit(object_type, batch),
                refused=lambda event, error: Outcome(event.key, error),
            )
            outcomes |= {outcome.ref: outcome for outcome in sent}
        return [outcomes[event.key] for event in events]

    def _emit(self, object_type: str, events: Sequence[CrmEvent]) -> list[Outcome]:
        ids = self._event_ids(object_type, events)
        new = [event for event in events if event.key not in ids]
        errors: dict[str, CrmError] = {}
        if new:
            results = self._upsert(
                object_type, key_property=EVENT_KEY, properties={event.key: event_properties(event) for event in new}
            )
            for event, result in zip(new, results, strict=True):
                if isinstance(result, CrmError):
                    errors[event.key] = result
                else:
                    ids[event.key] = str(result["id"])
        errors |= self._associate(object_type, [(event, ids[event.key]) for event in events if event.key in ids])
        return [Outcome(event.key, errors.get(event.key)) for event in events]

    def _event_ids(self, object_type: str, events: Sequence[CrmEvent]) -> dict[str, str]:
        """Ids, by key, of the events that are there already."""
        keys = [event.key for event in events]
        there = self._read(object_type, keys, properties=[EVENT_KEY], key_property=EVENT_KEY)
        return {str(as_object(one.get("properties")).get(EVENT_KEY)): str(one.get("id")) for one in there}

    def _associate(self, object_type: str, pairs: list[tuple[CrmEvent, str]]) -> dict[str, CrmError]:
        """Hang notes or tasks on their contacts, which upsert can't do. Errors by event key."""
        if not pairs:
            return {}
        answer = self._client.post(
            f"/crm/associations/{VERSION}/{object_type}/contacts/batch/associate/default",
            {"inputs": [{"from": {"id": own_id}, "to": {"id": event.record_id}} for event, own_id in pairs]},
            idempotent=True,
        )
        sent = [Sent(frozenset({own_id}), frozenset({event.record_id})) for event, own_id in pairs]
        results = sort_results(answer, sent)
        return {
            event.key: result
            for (event, _), result in zip(pairs, results, strict=True)
            if isinstance(result, CrmError)
        }

    def _upsert(
        self, object_type: str, *, key_property: str, properties: dict[str, dict[str, str]]
    ) -> list[dict[str, Any] | CrmError]:
        """Make what is not there, by unique key; one result per key, in order."""
        # A trace per input makes HubSpot accept the good ones beside a bad one, and say which is which.
        inputs = [
            {"id": key, "idProperty": key_property, "objectWriteTraceId": f"earshot-{key}", "properties": values}
            for key, values in properties.items()
        ]
        answer = self._client.post(
            f"/crm/objects/{VERSION}/{object_type}/batch/upsert", {"inputs": inputs}, idempotent=True
        )
        return sort_results(answer, [Sent(frozenset({f"earshot-{key}", key}), frozenset()) for key in properties])

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
            answer = self._client.post(f"/crm/objects/{VERSION}/{object_type}/batch/read", request, idempotent=True)
        except CrmError as error:
            # HubSpot answers 404 instead of an empty list when none of them is there.
            if error.code != RECORD_NOT_FOUND:
                raise
            return []
        return as_objects(answer.get("results"))


def _outcome(ref: str, result: dict[str, Any] | CrmError) -> Outcome:
    return Outcome(ref, result if isinstance(result, CrmError) else None)


def _not_found(customer: CustomerRef, error: CrmError | None = None) -> Found:
    return Found(customer.customer_id, record_id=None, matches=0, error=error)


def _not_created(customer: CustomerRef, error: CrmError) -> Found:
    # On a conflict somebody has made the contact meanwhile: the next search finds it.
    return Found(customer.customer_id, record_id=None, matches=int(error.code == "conflict"), error=error)


def _filter_groups(customers: Sequence[CustomerRef]) -> list[dict[str, Any]]:
    """Groups are joined by OR, five at most. HubSpot indexes numbers without country code, however they were typed."""
    phones = [phone for customer in customers for phone in customer.phones]
    national = sorted({number for phone in phones for number in national_numbers(phone)})
    full = sorted({variant for phone in phones for variant in phone_variants(phone)})
    emails = sorted({email for customer in customers for email in customer.emails})
    wanted = {
        "hs_searchable_calculated_phone_number": national,
        "hs_searchable_calculated_mobile_number": national,
        "phone": full,
        "mobilephone": full,
        "email": emails,
    }
    return [
        {"filters": [{"propertyName": name, "operator": "IN", "values": values}]} for name, values in wanted.items() if values
    ]
