"""Notes and tasks in Zoho CRM. Zoho has no unique field for them: each bears a reference by which it is looked for first."""

from collections.abc import Callable, Sequence
from typing import Any

from crm_sync.base import CrmError, CrmEvent, EmittedEvent, Outcome
from crm_sync.batches import send_in_batches
from crm_sync.client import CrmClient
from crm_sync.zoho_answers import change, has_more, rows
from crm_sync.zoho_fields import API, BATCH, CONTACTS, credits_of, note_of, reference, task_of
from crm_sync.zoho_queries import MAX_CRITERIA, ask, containing_one_of

_MODULES = {"note": "Notes", "task": "Tasks"}
_PAGE = 200
# Two thousand notes of one contact, newest first.
_MAX_PAGES = 10

Event = CrmEvent | EmittedEvent


def emit(client: CrmClient, events: Sequence[CrmEvent]) -> dict[str, Outcome]:
    """Outcomes by key. Raises: CrmError."""
    outcomes: dict[str, Outcome] = {}
    for kind in _MODULES:
        of_kind = list({event.key: event for event in events if event.kind == kind}.values())
        there = _look_for(client, kind, [event for event in of_kind if event.may_exist])
        outcomes |= there
        new = [event for event in of_kind if event.key not in there]
        made = send_in_batches(
            new,
            size=BATCH,
            send=lambda batch, kind=kind: _add(client, kind, batch),
            refused=lambda event, error: Outcome(event.key, error),
        )
        outcomes |= {outcome.ref: outcome for outcome in made}
    return outcomes


def retract(client: CrmClient, events: Sequence[EmittedEvent]) -> dict[str, Outcome]:
    """Outcomes by key; what is gone already counts as deleted. Raises: CrmError."""
    outcomes: dict[str, Outcome] = {}
    for kind, module in _MODULES.items():
        of_kind = [event for event in events if event.kind == kind]
        there = _look_for(client, kind, [event for event in of_kind if event.event_id is None])
        ids = {event.key: event.event_id or there[event.key].event_id for event in of_kind if _is_known(event, there)}
        # Not there, or gone with its contact.
        outcomes |= {event.key: Outcome(event.key) for event in of_kind if event.key not in ids}
        keys = list(ids)
        for start in range(0, len(keys), BATCH):
            batch = keys[start : start + BATCH]
            outcomes |= _delete(client, module, {key: str(ids[key]) for key in batch})
    return outcomes


def _is_known(event: EmittedEvent, there: dict[str, Outcome]) -> bool:
    return event.event_id is not None or (event.key in there and there[event.key].event_id is not None)


def _delete(client: CrmClient, module: str, ids: dict[str, str]) -> dict[str, Outcome]:
    params = {"ids": ",".join(ids.values())}
    if module == "Tasks":
        params["wf_trigger"] = "false"
    results = change(
        lambda: client.request("DELETE", f"{API}/{module}", params=params, idempotent=True), count=len(ids)
    )
    return {key: Outcome(key, _refusal(result)) for key, result in zip(ids, results, strict=True)}


def _refusal(result: dict[str, Any] | CrmError) -> CrmError | None:
    """Zoho says "invalid data, record not deleted" of one that is not there."""
    if isinstance(result, CrmError) and result.code not in {"invalid_data", "record_not_found"}:
        return result
    return None


def _add(client: CrmClient, kind: str, events: Sequence[CrmEvent]) -> list[Outcome]:
    """Write new ones. Where the answer is lost, those that are there now were written."""
    body: dict[str, Any] = {"data": [note_of(event) if kind == "note" else task_of(event) for event in events]}
    # Workflows of the tenant's would act upon what they take for a colleague's work.
    body["trigger"] = []
    lost: CrmError
    try:
        results = change(
            lambda: client.post(f"{API}/{_MODULES[kind]}", body, idempotent=False, cost=credits_of(len(events))),
            count=len(events),
        )
    except CrmError as error:
        if not error.uncertain:
            raise
        lost = error
    else:
        return [_outcome(event, result) for event, result in zip(events, results, strict=True)]
    there = _look_for(client, kind, events)
    if len(there) < len(events):
        raise lost
    return [there[event.key] for event in events]


def _outcome(event: CrmEvent, result: dict[str, Any] | CrmError) -> Outcome:
    if isinstance(result, CrmError):
        return Outcome(event.key, result)
    return Outcome(event.key, event_id=_text(result.get("id")))


def _look_for(client: CrmClient, kind: str, events: Sequence[Event]) -> dict[str, Outcome]:
    """Outcomes of those that are there, and of those whose contact is not. Raises: CrmError."""
    if not events:
        return {}
    look: Callable[[CrmClient, Sequence[Event]], dict[str, Outcome]] = _notes if kind == "note" else _tasks
    return look(client, events)


def _tasks(client: CrmClient, events: Sequence[Event]) -> dict[str, Outcome]:
    keys = {reference(event.key): event.key for event in events}
    references = list(keys)
    found: dict[str, Outcome] = {}
    for start in range(0, len(references), MAX_CRITERIA):
        batch = references[start : start + MAX_CRITERIA]
        for task in ask(client, ["Subject"], "Tasks", containing_one_of("Subject", batch)):
            found |= _recognised(task, "Subject", keys)
    return found


def _notes(client: CrmClient, events: Sequence[Event]) -> dict[str, Outcome]:
    """By the contact's own list: COQL does not reliably know what notes hang on."""
    found: dict[str, Outcome] = {}
    for record_id in dict.fromkeys(event.record_id for event in events):
        keys = {reference(event.key): event.key for event in events if event.record_id == record_id}
        try:
            for note in _notes_of(client, record_id, set(keys)):
                found |= _recognised(note, "Note_Title", keys)
        except CrmError as error:
            if not error.permanent:
                raise
            found |= {key: Outcome(key, error) for key in keys.values()}
    return found


def _notes_of(client: CrmClient, record_id: str, references: set[str]) -> list[dict[str, Any]]:
    """The notes of a contact, newest first, until all references have been seen."""
    notes: list[dict[str, Any]] = []
    for number in range(1, _MAX_PAGES + 1):
        params = {
            "fields": "id,Note_Title",
            "sort_by": "Created_Time",
            "sort_order": "desc",
            "page": str(number),
            "per_page": str(_PAGE),
        }
        answer = client.get(f"{CONTACTS}/{record_id}/Notes", params=params)
        notes += rows(answer)
        titles = " ".join(str(one.get("Note_Title")) for one in notes)
        if not has_more(answer) or all(one in titles for one in references):
            break
    return notes


def _recognised(record: dict[str, Any], title: str, keys: dict[str, str]) -> dict[str, Outcome]:
    shown = str(record.get(title))
    return {
        key: Outcome(key, event_id=_text(record.get("id"))) for reference_, key in keys.items() if reference_ in shown
    }


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
