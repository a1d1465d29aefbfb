"""Notes and call activities on Pipedrive persons, written once although Pipedrive has no key for them."""

import hashlib
import html
import re
from collections.abc import Callable
from datetime import UTC
from typing import Any

from crm_sync.base import RECORD_NOT_FOUND, CrmError, CrmEvent, EmittedEvent, Outcome
from crm_sync.pipedrive_api import PipedriveApi
from crm_sync.pipedrive_sending import send_each
from crm_sync.pipedrive_writing import is_record_id

# Pipedrive's limit for a large text; a subject is a small one.
MAX_HTML_CHARS = 65_000
MAX_SUBJECT_CHARS = 255


def event_reference(key: str) -> str:
    """What is looked for in the text of a note or an activity: short, and nothing can be read from it."""
    return f"Earshot ref {hashlib.sha256(key.encode()).hexdigest()[:16]}"


def emit_all(api: PipedriveApi, events: list[CrmEvent]) -> list[Outcome]:
    """One outcome per event, in order. Raises: CrmError when nothing was done and the cause is none of the events."""
    unique = list({event.key: event for event in events}.values())
    results = send_each(unique, lambda event: _emit(api, event))
    outcomes = {
        event.key: Outcome(event.key, result) if isinstance(result, CrmError) else Outcome(event.key, event_id=result)
        for event, result in zip(unique, results, strict=True)
    }
    return [outcomes[event.key] for event in events]


def retract_all(api: PipedriveApi, events: list[EmittedEvent]) -> list[Outcome]:
    """One outcome per event, in order; raises as emit_all does."""
    results = send_each(events, lambda event: _retract(api, event))
    return [
        Outcome(event.key, result if isinstance(result, CrmError) else None)
        for event, result in zip(events, results, strict=True)
    ]


def _emit(api: PipedriveApi, event: CrmEvent) -> str:
    """The id of the note or activity, made or found."""
    if not is_record_id(event.record_id):
        raise CrmError(RECORD_NOT_FOUND, permanent=True)
    if event.may_exist and (there := _find(api, event.kind, event.record_id, event.key)):
        return there
    try:
        if event.kind == "note":
            return str(api.add_note(_note(event))["id"])
        return str(api.add_activity(_activity(event))["id"])
    except CrmError as error:
        if not error.uncertain:
            raise
        lost = error
    # Made or not? What is not there yet may still be on its way, so it is the worker who tries again, later.
    there = look_after_loss(lambda: _find(api, event.kind, event.record_id, event.key))
    if there is None:
        raise lost
    return there


def look_after_loss(look: Callable[[], str | None]) -> str | None:
    """What is there after an answer was lost. That nobody could look leaves it as uncertain as it was."""
    try:
        return look()
    except CrmError:
        return None


def _retract(api: PipedriveApi, event: EmittedEvent) -> None:
    try:
        event_id = event.event_id or _find(api, event.kind, event.record_id, event.key)
        if event_id is None or not is_record_id(event_id):
            return
        if event.kind == "note":
            api.delete_note(event_id)
        else:
            api.delete_activity(event_id)
    except CrmError as error:
        if error.code != RECORD_NOT_FOUND:
            raise


def _find(api: PipedriveApi, kind: str, record_id: str, key: str) -> str | None:
    """The id of the one that bears the reference. These lists don't lag behind writes, as search does."""
    if not is_record_id(record_id):
        return None
    reference = event_reference(key)
    listed = api.notes_of(record_id) if kind == "note" else api.activities_of(record_id)
    text = "content" if kind == "note" else "note"
    return next((str(one["id"]) for one in listed if reference in str(one.get(text)) and "id" in one), None)


def _note(event: CrmEvent) -> dict[str, Any]:
    return {"person_id": int(event.record_id), "content": _as_html(f"{event.subject}\n{event.body}", key=event.key)}


def _activity(event: CrmEvent) -> dict[str, Any]:
    due = event.due_at.astimezone(UTC)
    # What its numbers of priority mean differs per account.
    subject = f"High priority: {event.subject}" if event.high_priority else event.subject
    return {
        "subject": subject[:MAX_SUBJECT_CHARS],
        "type": "call",
        "due_date": f"{due:%Y-%m-%d}",
        "due_time": f"{due:%H:%M}",
        "participants": [{"person_id": int(event.record_id), "primary": True}],
        "note": _as_html(event.body, key=event.key),
    }


def _as_html(text: str, *, key: str) -> str:
    """The text as HTML that shows it literally, never cut inside an entity or a tag, and the reference below it."""
    tail = f"<br><br>{event_reference(key)}"
    markup = html.escape(text, quote=False).replace("\n", "<br>")[: MAX_HTML_CHARS - len(tail)]
    return re.sub(r"(&[a-z]*|<[a-z]*)$", "", markup) + tail
