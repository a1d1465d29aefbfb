"""HubSpot's object calls, many records at a time: read, make, change, archive, link."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crm_sync.base import RECORD_NOT_FOUND, CrmError
from crm_sync.client import CrmClient, as_object, as_objects
from crm_sync.hubspot_answers import Sent, records, sort_results
from crm_sync.hubspot_fields import BATCH, VERSION

OBJECTS = f"/crm/objects/{VERSION}"
_ASSOCIATIONS = f"/crm/associations/{VERSION}"
# HubSpot's own numbers of the links from a note and from a task to its contact.
_CONTACT_LINK_TYPES = {"notes": 202, "tasks": 204}
# Pages of one contact's notes; there are 500 on each.
_MAX_PAGES = 20

Result = dict[str, Any] | CrmError


@dataclass(frozen=True)
class NewRecord:
    """A note or task and the contact it hangs on. name: which of the batch it is."""

    name: str
    contact_id: str
    properties: dict[str, str]


class Records:
    """The records of one portal. Every method raises CrmError; results come in the order of what was asked."""

    def __init__(self, client: CrmClient) -> None:
        self._client = client

    def read(
        self, object_type: str, ids: Sequence[str], *, properties: list[str], key_property: str | None = None
    ) -> list[dict[str, Any]]:
        """Those that are there, by id or by a unique property, in any order. This is no search: it sees what was just written."""
        found: list[dict[str, Any]] = []
        once = list(dict.fromkeys(ids))
        for start in range(0, len(once), BATCH):
            request: dict[str, Any] = {
                "inputs": [{"id": one} for one in once[start : start + BATCH]],
                "properties": properties,
                "propertiesWithHistory": [],
            }
            if key_property:
                request["idProperty"] = key_property
            found += self._listed(f"{OBJECTS}/{object_type}/batch/read", request)
        return found

    def update(self, object_type: str, properties: Mapping[str, dict[str, str]]) -> list[Result]:
        """Change records by id, at most BATCH. The id of a result is another one where HubSpot has merged the record."""
        inputs = [
            {"id": one, "objectWriteTraceId": f"earshot-{one}", "properties": values}
            for one, values in properties.items()
        ]
        return self._write(f"{OBJECTS}/{object_type}/batch/update", inputs, properties)

    def upsert(self, object_type: str, *, key_property: str, properties: Mapping[str, dict[str, str]]) -> list[Result]:
        """Make what is not there, by unique key, at most BATCH."""
        inputs = [
            {"id": key, "idProperty": key_property, "objectWriteTraceId": f"earshot-{key}", "properties": values}
            for key, values in properties.items()
        ]
        return self._write(f"{OBJECTS}/{object_type}/batch/upsert", inputs, properties)

    def create(self, object_type: str, new: Sequence[NewRecord]) -> list[Result]:
        """Make notes or tasks that have no unique key, at most BATCH: doing it twice makes them twice."""
        link = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": _CONTACT_LINK_TYPES[object_type]}
        inputs = [
            {
                "properties": one.properties,
                "objectWriteTraceId": f"earshot-{one.name}",
                "associations": [{"to": {"id": one.contact_id}, "types": [link]}],
            }
            for one in new
        ]
        path = f"{OBJECTS}/{object_type}/batch/create"
        return self._write(path, inputs, [one.name for one in new], idempotent=False)

    def archive(self, object_type: str, ids: Sequence[str]) -> None:
        """Delete records, at most BATCH; those that are gone count as deleted."""
        try:
            self._client.post(
                f"{OBJECTS}/{object_type}/batch/archive", {"inputs": [{"id": one} for one in ids]}, idempotent=True
            )
        except CrmError as error:
            if error.code != RECORD_NOT_FOUND:
                raise

    def link(self, object_type: str, object_id: str, *, contact_id: str) -> None:
        """Hang a note or task on a contact. Linking twice is one link."""
        path = f"{OBJECTS}/{object_type}/{object_id}/associations/default/contacts/{contact_id}"
        self._client.request("PUT", path, idempotent=True)

    def link_many(self, object_type: str, contacts: Mapping[str, str]) -> set[str]:
        """Hang notes or tasks on contacts: contact by id of the note. Returns those that hang there now, at most BATCH."""
        inputs = [{"from": {"id": one}, "to": {"id": contact_id}} for one, contact_id in contacts.items()]
        path = f"{_ASSOCIATIONS}/{object_type}/contacts/batch/associate/default"
        try:
            answer = self._client.post(path, {"inputs": inputs}, idempotent=True)
        except CrmError as error:
            if not error.permanent:
                raise
            return set()
        return {str(as_object(one.get("from")).get("id")) for one in as_objects(answer.get("results"))}

    def linked(self, contact_ids: Sequence[str], object_type: str) -> dict[str, list[str]]:
        """Ids of the notes or tasks by contact; a contact that has none, or is gone, is left out."""
        found: dict[str, list[str]] = {}
        pending = [{"id": one} for one in dict.fromkeys(contact_ids)]
        for _ in range(_MAX_PAGES):
            if not pending:
                break
            path = f"{_ASSOCIATIONS}/contacts/{object_type}/batch/read"
            results = self._results(path, {"inputs": pending[:BATCH]})
            pending = pending[BATCH:]
            for result in results:
                contact_id = str(as_object(result.get("from")).get("id"))
                found.setdefault(contact_id, []).extend(
                    str(one.get("toObjectId")) for one in as_objects(result.get("to"))
                )
                after = as_object(as_object(result.get("paging")).get("next")).get("after")
                if isinstance(after, str):
                    pending.append({"id": contact_id, "after": after})
        return found

    def _write(
        self, path: str, inputs: list[dict[str, Any]], names: Mapping[str, Any] | list[str], *, idempotent: bool = True
    ) -> list[Result]:
        # A trace per input makes HubSpot take the good ones beside a bad one, and say which is which.
        answer = self._client.post(path, {"inputs": inputs}, idempotent=idempotent)
        return sort_results(answer, [Sent(frozenset({name, f"earshot-{name}"})) for name in names])

    def _listed(self, path: str, request: dict[str, Any]) -> list[dict[str, Any]]:
        return records({"results": self._results(path, request)})

    def _results(self, path: str, request: dict[str, Any]) -> list[dict[str, Any]]:
        try:
            answer = self._client.post(path, request, idempotent=True)
        except CrmError as error:
            # HubSpot may answer 404 instead of an empty list when none of them is there.
            if error.code != RECORD_NOT_FOUND:
                raise
            return []
        records(answer)  # an answer that lists nothing at all is not an empty one
        return as_objects(answer.get("results"))
