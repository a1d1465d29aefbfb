"""HubSpot, API version 2026-09, with a service key.

State is written by record id in batches; notes and tasks are upserted by a unique property of ours, so that a repeat makes no second
one. Paths, limits and the string-only property values: HubSpot's API specification of that version.
"""

from datetime import datetime
from html import escape
from typing import Any

from crm_sync.base import CrmError, CrmEvent, CustomerRef, Found, Outcome, ProvisionReport, StateWrite
from crm_sync.client import CrmClient
from crm_sync.labels import CustomerLabels, negative_label
from crm_sync.phones import digits, phone_variants, same_phone

VERSION = "2026-09"
OBJECTS = f"/crm/objects/{VERSION}"
PROPERTIES = f"/crm/properties/{VERSION}"
BATCH = 100
GROUP = "earshot"
EVENT_KEY = "earshot_event_key"
MAX_BODY_CHARS = 65_000
# What people typed, and what HubSpot makes of it: the number with country code.
SEARCHED = ("phone", "mobilephone", "hs_calculated_phone_number", "hs_calculated_mobile_number")
# association type ids of HubSpot's own links: note → contact, task → contact
ASSOCIATIONS = {"note": 202, "task": 204}
OBJECT_OF = {"note": "notes", "task": "tasks"}


def _property(name: str, label: str, kind: str, field: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "label": label, "type": kind, "fieldType": field, "groupName": GROUP, **more}


# Topics are a string and not an enumeration: HubSpot refuses options it does not know, and tenants change their topics.
CONTACT_PROPERTIES = [
    _property(
        "earshot_sentiment",
        "Sentiment",
        "enumeration",
        "select",
        options=[
            {"label": value.capitalize(), "value": value, "displayOrder": order, "hidden": False}
            for order, value in enumerate(("positive", "neutral", "negative"))
        ],
    ),
    _property("earshot_score", "Sentiment confidence", "number", "number"),
    _property("earshot_last_intent", "Last intent", "string", "text"),
    _property("earshot_topics", "Topics", "string", "text"),
    _property("earshot_last_summary", "Last summary", "string", "textarea"),
    _property("earshot_negative_30d", "Negative messages in last 30 days", "number", "number"),
    _property("earshot_label", "Earshot", "string", "text"),
    _property("earshot_last_analyzed_at", "Last analyzed at", "datetime", "date"),
]
EVENT_PROPERTY = _property(EVENT_KEY, "Earshot event key", "string", "text", hasUniqueValue=True)


def field_values(labels: CustomerLabels) -> dict[str, str]:
    """The labels as property values: HubSpot takes strings only, "" clears."""
    return {
        "earshot_sentiment": labels.sentiment,
        "earshot_score": f"{labels.score:.2f}",
        "earshot_last_intent": labels.intent,
        "earshot_topics": "; ".join(labels.topics),
        "earshot_last_summary": labels.summary or "",
        "earshot_negative_30d": str(labels.negative_30d),
        "earshot_label": negative_label(labels.negative_30d) if labels.negative_30d else "",
        "earshot_last_analyzed_at": _timestamp(labels.last_analyzed_at),
    }


def _timestamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


class HubSpot:
    """One portal."""

    kind = "hubspot"

    def __init__(self, client: CrmClient) -> None:
        self._client = client

    def check(self) -> None:
        """Raises: CrmError."""
        self._client.call("GET", f"{OBJECTS}/contacts?limit=1", repeatable=True)

    def provision(self) -> ProvisionReport:
        """Make our property group and properties where they are missing. What we may not make is reported, not raised."""
        created: list[str] = []
        present: list[str] = []
        missing: list[str] = []
        wanted = {"contacts": CONTACT_PROPERTIES, "notes": [EVENT_PROPERTY], "tasks": [EVENT_PROPERTY]}
        for kind, properties in wanted.items():
            try:
                made, had = self._provision_object(kind, properties)
            except CrmError as error:
                if not error.connection_broken:
                    raise
                missing += [f"{kind}.{item['name']}" for item in properties]
                continue
            created += made
            present += had
        return ProvisionReport(tuple(created), tuple(present), tuple(missing))

    def _provision_object(self, kind: str, properties: list[dict[str, Any]]) -> tuple[list[str], list[str]]:
        _, answer = self._client.call("GET", f"{PROPERTIES}/{kind}", repeatable=True)
        known = {item["name"] for item in answer["results"]}
        absent = [item for item in properties if item["name"] not in known]
        if absent:
            group = {"name": GROUP, "label": "Earshot", "displayOrder": -1}
            # 409: the group is there already.
            self._client.call("POST", f"{PROPERTIES}/{kind}/groups", body=group, repeatable=True, accept=(409,))
            self._client.call(
                "POST", f"{PROPERTIES}/{kind}/batch/create", body={"inputs": absent}, repeatable=True, accept=(409,)
            )
        named = {item["name"] for item in properties}
        return [f"{kind}.{item['name']}" for item in absent], [f"{kind}.{name}" for name in sorted(named & known)]

    def find(self, customers: list[CustomerRef]) -> list[Found]:
        """One search per customer: the search call has no batch and its own budget, so it stays out of the hot path."""
        return [self._find_one(customer) for customer in customers]

    def _find_one(self, customer: CustomerRef) -> Found:
        numbers = [variant for phone in customer.phones for variant in phone_variants(phone)]
        groups: list[dict[str, Any]] = []
        if numbers:
            values = [f"+{number}" for number in numbers] + numbers
            groups += [
                {"filters": [{"propertyName": name, "operator": "IN", "values": values}]}
                for name in SEARCHED
            ]
        if customer.emails:
            groups.append({"filters": [{"propertyName": "email", "operator": "IN", "values": list(customer.emails)}]})
        if not groups:
            return Found(customer.customer_id, None, 0)
        body = {
            "filterGroups": groups, "properties": ["email", *SEARCHED], "limit": 10, "after": "0", "sorts": [],
        }  # fmt: skip
        _, answer = self._client.call("POST", f"{OBJECTS}/contacts/search", body=body, repeatable=True)
        real = sorted({item["id"] for item in answer["results"] if self._is_match(item["properties"], customer)})
        return Found(customer.customer_id, real[0] if len(real) == 1 else None, len(real))

    @staticmethod
    def _is_match(properties: dict[str, Any], customer: CustomerRef) -> bool:
        """A search hit is a candidate; equal digits or an equal address make it the customer."""
        written = [properties.get(name) or "" for name in SEARCHED]
        by_phone = any(same_phone(value, phone) for value in written if digits(value) for phone in customer.phones)
        return by_phone or (properties.get("email") or "").lower() in customer.emails

    def create(self, customers: list[CustomerRef]) -> list[Found]:
        """One contact each, for customers with a phone or an address: anything else could never be recognised again."""
        usable = [customer for customer in customers if customer.phones or customer.emails]
        found: list[Found] = []
        for customer in usable:
            properties = {"lastname": customer.display_name or ""}
            if customer.phones:
                properties["phone"] = f"+{customer.phones[0]}"
            if customer.emails:
                properties["email"] = customer.emails[0]
            _, answer = self._client.call(
                "POST", f"{OBJECTS}/contacts", body={"properties": properties, "associations": []}, repeatable=False
            )
            found.append(Found(customer.customer_id, answer["id"], 1))
        return found

    def write(self, writes: list[StateWrite]) -> list[Outcome]:
        """Batches of 100; two customers on one record become one input, because HubSpot refuses an id twice."""
        outcomes: list[Outcome] = []
        for start in range(0, len(writes), BATCH):
            outcomes += self._write_batch(writes[start : start + BATCH])
        return outcomes

    def _write_batch(self, writes: list[StateWrite]) -> list[Outcome]:
        inputs = {write.record_id: {"id": write.record_id, "properties": field_values(write.labels)} for write in writes}
        status, answer = self._client.call(
            "POST", f"{OBJECTS}/contacts/batch/update", body={"inputs": list(inputs.values())}, repeatable=True
        )
        done = {item["id"] for item in answer.get("results", [])}
        refused = _refused_ids(answer) if status == 207 else {}
        return [
            Outcome(
                write.customer_id,
                None if write.record_id in done else CrmError(refused.get(write.record_id, "not_written"), permanent=True),
            )
            for write in writes
        ]

    def emit(self, events: list[CrmEvent]) -> list[Outcome]:
        """Upsert by our key: the second time changes nothing."""
        outcomes: dict[str, Outcome] = {}
        for kind in ("note", "task"):
            of_kind = [event for event in events if event.kind == kind]
            for start in range(0, len(of_kind), BATCH):
                batch = of_kind[start : start + BATCH]
                outcomes.update((outcome.ref, outcome) for outcome in self._emit_batch(OBJECT_OF[kind], batch))
        return [outcomes[event.key] for event in events]

    def _emit_batch(self, object_type: str, events: list[CrmEvent]) -> list[Outcome]:
        inputs = [{"idProperty": EVENT_KEY, "id": event.key, "properties": _event_properties(event)} for event in events]
        _, answer = self._client.call(
            "POST", f"{OBJECTS}/{object_type}/batch/upsert", body={"inputs": inputs}, repeatable=True
        )
        ids = {item["properties"].get(EVENT_KEY): item["id"] for item in answer.get("results", [])}
        outcomes: list[Outcome] = []
        for event in events:
            if event.key not in ids:
                outcomes.append(Outcome(event.key, CrmError("not_written", permanent=True)))
                continue
            # Linking twice is one link.
            link = f"{OBJECTS}/{object_type}/{ids[event.key]}/associations/default/contacts/{event.record_id}"
            self._client.call("PUT", link, repeatable=True)
            outcomes.append(Outcome(event.key))
        return outcomes


def _event_properties(event: CrmEvent) -> dict[str, str]:
    body = escape(event.body)[:MAX_BODY_CHARS]
    if event.kind == "note":
        subject = escape(event.subject)
        return {
            EVENT_KEY: event.key,
            "hs_timestamp": _timestamp(event.due_at),
            "hs_note_body": f"<strong>{subject}</strong><br>{body}",
        }
    return {
        EVENT_KEY: event.key,
        "hs_timestamp": _timestamp(event.due_at),
        "hs_task_subject": event.subject,
        "hs_task_body": body,
        "hs_task_type": "CALL",
        "hs_task_status": "NOT_STARTED",
        "hs_task_priority": "HIGH" if event.high_priority else "MEDIUM",
    }


def _refused_ids(answer: dict[str, Any]) -> dict[str, str]:
    """Record id to the category of its error, from a 207's `errors`."""
    refused: dict[str, str] = {}
    for error in answer.get("errors", []):
        for record_id in error.get("context", {}).get("ids", []):
            refused[str(record_id)] = str(error.get("category", "not_written"))
    return refused
