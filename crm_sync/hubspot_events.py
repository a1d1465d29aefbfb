"""Notes and tasks in HubSpot: once by our own unique property or, where a portal lacks it, by a reference in the text."""

from collections.abc import Sequence
from typing import Any

from crm_sync.base import FIELD_MISSING, CrmError, CrmEvent, EmittedEvent, Outcome
from crm_sync.batches import send_in_batches
from crm_sync.client import as_object
from crm_sync.hubspot_fields import BATCH, BODY_PROPERTIES, EVENT_KEY, event_properties, event_reference
from crm_sync.hubspot_provision import OwnFields
from crm_sync.hubspot_records import NewRecord, Records, Result

OBJECT_TYPES = {"note": "notes", "task": "tasks"}


class Events:
    """Writes and takes back the notes and tasks of one portal."""

    def __init__(self, records: Records, fields: OwnFields) -> None:
        self._records = records
        self._fields = fields

    def emit(self, events: Sequence[CrmEvent]) -> list[Outcome]:
        """One outcome per event, in order. One that is there already is left as it is: an agent may have worked on it."""
        outcomes: dict[str, Outcome] = {}
        for kind, object_type in OBJECT_TYPES.items():
            of_kind = list({event.key: event for event in events if event.kind == kind}.values())
            outcomes |= {outcome.ref: outcome for outcome in self._emit_kind(object_type, of_kind)}
        return [outcomes[event.key] for event in events]

    def retract(self, events: Sequence[EmittedEvent]) -> list[Outcome]:
        """One outcome per event, in order. One that is not to be found was never written, or is gone."""
        outcomes: dict[str, Outcome] = {}
        for kind, object_type in OBJECT_TYPES.items():
            of_kind = [event for event in events if event.kind == kind]
            ids = self._ids(object_type, of_kind)
            outcomes |= {event.key: Outcome(event.key) for event in of_kind}
            outcomes |= {
                outcome.ref: outcome
                for outcome in send_in_batches(
                    [event for event in of_kind if event.key in ids],
                    size=BATCH,
                    send=lambda batch, object_type=object_type, ids=ids: self._archive(object_type, batch, ids),
                    refused=lambda event, error: Outcome(event.key, error),
                )
            }
        return [outcomes[event.key] for event in events]

    def _emit_kind(self, object_type: str, events: list[CrmEvent], *, may_make_fields: bool = True) -> list[Outcome]:
        if EVENT_KEY in self._fields.absent(object_type):
            return self._in_batches(object_type, events, keyed=False)
        try:
            return self._in_batches(object_type, events, keyed=True)
        except CrmError as error:
            if not error.code.startswith(FIELD_MISSING):
                raise
        if may_make_fields and self._fields.make():
            return self._emit_kind(object_type, events, may_make_fields=False)
        return self._in_batches(object_type, events, keyed=False)

    def _in_batches(self, object_type: str, events: list[CrmEvent], *, keyed: bool) -> list[Outcome]:
        return send_in_batches(
            events,
            size=BATCH,
            send=lambda batch: (self._emit_keyed if keyed else self._emit_referenced)(object_type, batch),
            refused=lambda event, error: Outcome(event.key, error),
        )

    def _emit_keyed(self, object_type: str, events: Sequence[CrmEvent]) -> list[Outcome]:
        # Only one that was never tried may skip this: an upsert would undo what an agent changed meanwhile.
        keys = [event.key for event in events if event.may_exist]
        there = self._records.read(object_type, keys, properties=[EVENT_KEY], key_property=EVENT_KEY)
        results: dict[str, Result] = {str(as_object(one.get("properties")).get(EVENT_KEY)): one for one in there}
        new = {event.key: event_properties(event) for event in events if event.key not in results}
        if new:
            made = self._records.upsert(object_type, key_property=EVENT_KEY, properties=new)
            results |= dict(zip(new, made, strict=True))
        # Upsert can't hang them on their contacts. What a batch does not link is linked alone, to learn why.
        contacts = {result["id"]: event.record_id for event in events if isinstance(result := results[event.key], dict)}
        linked = self._records.link_many(object_type, contacts) if contacts else set[str]()
        return [self._link(object_type, event, results[event.key], linked) for event in events]

    def _link(self, object_type: str, event: CrmEvent, result: Result, linked: set[str]) -> Outcome:
        if isinstance(result, CrmError) or result["id"] in linked:
            return _outcome(event.key, result)
        try:
            self._records.link(object_type, result["id"], contact_id=event.record_id)
        except CrmError as error:
            if not error.permanent:
                raise
            return Outcome(event.key, error, event_id=result["id"])
        return Outcome(event.key, event_id=result["id"])

    def _emit_referenced(self, object_type: str, events: Sequence[CrmEvent]) -> list[Outcome]:
        there = self._by_reference(object_type, [event for event in events if event.may_exist])
        new = [event for event in events if event.key not in there]
        results: dict[str, Result] = {key: {"id": event_id} for key, event_id in there.items()}
        if new:
            records = [NewRecord(event.key, event.record_id, event_properties(event, referenced=True)) for event in new]
            made = self._records.create(object_type, records)
            results |= dict(zip([event.key for event in new], made, strict=True))
        return [_outcome(event.key, results[event.key]) for event in events]

    def _by_reference(self, object_type: str, events: Sequence[CrmEvent | EmittedEvent]) -> dict[str, str]:
        """Id by key of the events whose reference stands in a note or task of their contact."""
        if not events:
            return {}
        linked = self._records.linked([event.record_id for event in events], object_type)
        ids = list(dict.fromkeys(one for listed in linked.values() for one in listed))
        body = BODY_PROPERTIES[object_type]
        texts: dict[str, Any] = {
            one["id"]: as_object(one.get("properties")).get(body)
            for one in self._records.read(object_type, ids, properties=[body])
        }
        return {
            event.key: event_id
            for event in events
            for event_id, text in texts.items()
            if event_reference(event.key) in str(text)
        }

    def _ids(self, object_type: str, events: Sequence[EmittedEvent]) -> dict[str, str]:
        """Id by key; those that are not to be found are left out."""
        ids = {event.key: event.event_id for event in events if event.event_id is not None}
        untold = [event for event in events if event.key not in ids]
        try:
            there = self._records.read(
                object_type, [event.key for event in untold], properties=[EVENT_KEY], key_property=EVENT_KEY
            )
        except CrmError as error:
            if not error.permanent:
                raise
            there = []  # the portal lacks our key
        ids |= {str(as_object(one.get("properties")).get(EVENT_KEY)): one["id"] for one in there}
        return self._by_reference(object_type, [event for event in untold if event.key not in ids]) | ids

    def _archive(self, object_type: str, events: Sequence[EmittedEvent], ids: dict[str, str]) -> list[Outcome]:
        self._records.archive(object_type, [ids[event.key] for event in events])
        return [Outcome(event.key) for event in events]


def _outcome(key: str, result: Result) -> Outcome:
    return Outcome(key, result) if isinstance(result, CrmError) else Outcome(key, event_id=result["id"])
