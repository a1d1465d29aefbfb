"""Notes and tasks in Salesforce: both are tasks, and a note is one that is completed.

By our key field they exist once in effect. Where an org has no such field, a short reference ends the subject, and what may
be there already is looked for by it; a query reads the database itself, so that nothing is overlooked.
"""

from collections.abc import Sequence
from typing import Any

from crm_sync.base import FIELD_MISSING, RECORD_NOT_FOUND, CrmError, CrmEvent, EmittedEvent, Outcome
from crm_sync.batches import send_in_batches
from crm_sync.client import CrmClient
from crm_sync.salesforce_answers import OF_ANOTHER_TYPE, records, results
from crm_sync.salesforce_fields import (
    BATCH,
    DATA,
    EVENT_KEY,
    event_key,
    is_record_id,
    our_name,
    reference_of,
    task_values,
)
from crm_sync.salesforce_query import in_lists, is_in, select

REFERENCES_PER_QUERY = 40
KEY_FIELD_LACKS = {FIELD_MISSING + our_name(EVENT_KEY), OF_ANOTHER_TYPE}


class Events:
    """Notes and tasks of one org."""

    def __init__(self, client: CrmClient) -> None:
        self._client = client

    def emit(self, events: list[CrmEvent], *, keyed: bool) -> list[Outcome]:
        """One outcome per event, in order. Raises: CrmError, one of KEY_FIELD_LACKS when `keyed` asks too much."""
        outcomes = {event.key: _gone(event.key) for event in events if not is_record_id(event.record_id)}
        possible = [event for event in events if event.key not in outcomes]
        old = [(event.key, event.record_id) for event in possible if event.may_exist]
        there = self._by_key([key for key, _ in old]) if keyed else self._by_reference(old)
        # One that is there already is left as it is: an agent may have worked on it.
        outcomes |= {key: Outcome(key, event_id=task_id) for key, task_id in there.items()}
        new = list({event.key: event for event in possible if event.key not in outcomes}.values())
        owners = self._owners([event.record_id for event in new if event.kind == "task"])

        def send(batch: Sequence[CrmEvent]) -> list[Outcome]:
            return self._make(batch, keyed=keyed, owners=owners)

        made = send_in_batches(new, size=BATCH, send=send, refused=lambda event, error: Outcome(event.key, error))
        outcomes |= {outcome.ref: outcome for outcome in made}
        return [outcomes[event.key] for event in events]

    def retract(self, events: list[EmittedEvent], *, keyed: bool) -> list[Outcome]:
        """Into the recycle bin. Raises: CrmError, one of KEY_FIELD_LACKS when `keyed` asks too much."""
        ids = {event.key: event.event_id for event in events if event.event_id}
        untold = [(event.key, event.record_id) for event in events if not event.event_id]
        if keyed:
            ids |= self._by_key([key for key, _ in untold])
        # Also in an org that has the field by now.
        ids |= self._by_reference([one for one in untold if one[0] not in ids and is_record_id(one[1])])
        targets = sorted({task_id for task_id in ids.values() if is_record_id(task_id)})
        errors = dict(send_in_batches(targets, size=BATCH, send=self._delete, refused=lambda one, error: (one, error)))
        return [Outcome(event.key, errors.get(ids.get(event.key, ""))) for event in events]

    def _make(self, events: Sequence[CrmEvent], *, keyed: bool, owners: dict[str, str]) -> list[Outcome]:
        tasks = [task_values(event, keyed=keyed, owner_id=owners.get(event.record_id)) for event in events]
        body = {"allOrNone": False, "records": tasks}
        if keyed:
            path = f"{DATA}/composite/sobjects/Task/{EVENT_KEY}"
            answer = self._client.request("PATCH", path, payload=body, idempotent=True)
        else:
            answer = self._client.post(f"{DATA}/composite/sobjects", body, idempotent=False)
        return [
            Outcome(event.key, result) if isinstance(result, CrmError) else Outcome(event.key, event_id=result["id"])
            for event, result in zip(events, results(answer, sent=len(tasks)), strict=True)
        ]

    def _delete(self, task_ids: Sequence[str]) -> list[tuple[str, CrmError | None]]:
        params = {"ids": ",".join(task_ids), "allOrNone": "false"}
        answer = self._client.request("DELETE", f"{DATA}/composite/sobjects", params=params, idempotent=True)
        deleted = results(answer, sent=len(task_ids))
        return [
            (one, result if isinstance(result, CrmError) and result.code != RECORD_NOT_FOUND else None)
            for one, result in zip(task_ids, deleted, strict=True)
        ]

    def _by_key(self, keys: list[str]) -> dict[str, str]:
        """Ids of the tasks that are there, by the events' keys."""
        by_field = {event_key(key): key for key in keys}
        found: dict[str, str] = {}
        for listed in in_lists(list(by_field)):
            query = select("Task", ["Id", EVENT_KEY], is_in(EVENT_KEY, listed)[0])
            rows = {str(row.get(EVENT_KEY)): row["Id"] for row in self._rows(query)}
            found |= {by_field[field]: task_id for field, task_id in rows.items() if field in by_field}
        return found

    def _by_reference(self, events: list[tuple[str, str]]) -> dict[str, str]:
        """Ids of the tasks that are there, by the events' keys. events: key and record id."""
        found: dict[str, str] = {}
        for start in range(0, len(events), REFERENCES_PER_QUERY):
            part = events[start : start + REFERENCES_PER_QUERY]
            alike = " OR ".join(f"Subject LIKE '%{reference_of(key)}%'" for key, _ in part)
            [who] = is_in("WhoId", [record_id for _, record_id in part])
            for row in self._rows(select("Task", ["Id", "Subject"], f"{who} AND ({alike})")):
                found |= {key: row["Id"] for key, _ in part if reference_of(key) in str(row.get("Subject"))}
        return found

    def _owners(self, contact_ids: list[str]) -> dict[str, str]:
        """Who works on these contacts: a task of our own user would stand in nobody's list."""
        owners: dict[str, str] = {}
        for listed in in_lists(sorted(set(contact_ids))):
            query = select("Contact", ["Id", "OwnerId"], f"{is_in('Id', listed)[0]} AND Owner.IsActive = true")
            try:
                rows = {row["Id"]: row.get("OwnerId") for row in self._rows(query)}
            except CrmError as error:
                # Contacts whose owner is their account's: the task is ours then.
                if not error.permanent:
                    raise
                continue
            owners |= {contact: owner for contact, owner in rows.items() if isinstance(owner, str)}
        return owners

    def _rows(self, query: str) -> list[dict[str, Any]]:
        answer = self._client.get(f"{DATA}/query", params={"q": query})
        rows = records(answer, "records")
        while isinstance(following := answer.get("nextRecordsUrl"), str) and following.startswith(f"{DATA}/query/"):
            answer = self._client.get(following)
            rows += records(answer, "records")
        return rows


def _gone(key: str) -> Outcome:
    return Outcome(key, CrmError(RECORD_NOT_FOUND, permanent=True))
