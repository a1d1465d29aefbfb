"""Pipedrive's notes (API v1) and activities (API v2)."""

import re
from datetime import UTC, datetime
from typing import Any

from devstack.standins.exchange import Answer, Request
from devstack.standins.pipedrive_company import Company
from devstack.standins.pipedrive_errors import Refused, invalid, not_found

MAX_NOTE_CHARS = 100_000
ACTIVITY_TYPES = {"call", "meeting", "task", "deadline", "email", "lunch"}
_ACTIVITY_KEYS = {
    "subject", "type", "owner_id", "deal_id", "lead_id", "person_id", "org_id", "project_id", "due_date", "due_time",
    "duration", "busy", "done", "location", "participants", "attendees", "public_description", "priority", "note",
}  # fmt: skip


def answer_notes(company: Company, request: Request, number: int | None) -> Answer:
    """One call below /api/v1/notes. Raises: Refused."""
    if request.method == "POST" and number is None:
        return Answer({"success": True, "data": _add_note(company, request.json_object())}, 201)
    if request.method == "GET" and number is None:
        return _list_notes(company, request.query)
    if number not in company.notes:
        raise Refused(404, "Note not found")
    if request.method == "DELETE":
        del company.notes[number]
        return Answer({"success": True, "data": True})
    return Answer({"success": True, "data": company.notes[number]})


def answer_activities(company: Company, request: Request, number: int | None) -> dict[str, Any]:
    """The `data` of one call below /api/v2/activities that is no list. Raises: Refused."""
    if request.method == "POST" and number is None:
        return _add_activity(company, request.json_object())
    if number not in company.activities:
        raise not_found("Activity")
    if request.method == "DELETE":
        del company.activities[number]
        return {"id": number}
    if request.method == "PATCH":
        company.activities[number] |= request.json_object()
    return company.activities[number]


def list_activities(company: Company, query: dict[str, str]) -> list[dict[str, Any]]:
    """Those whose primary participant is the person; all when none is named."""
    wanted = query.get("person_id")
    return [one for one in company.activities.values() if wanted is None or one["person_id"] == int(wanted)]


def _add_note(company: Company, body: dict[str, Any]) -> dict[str, Any]:
    content, person_id = body.get("content"), body.get("person_id")
    if not isinstance(content, str) or not content:
        raise Refused(400, "Note content must be given.")
    if len(content) > MAX_NOTE_CHARS:
        raise Refused(413, "Note content is too long.")
    if not isinstance(person_id, int):
        raise Refused(400, "One of lead, deal, person, organization, project or task must be given.")
    if person_id not in company.persons:
        raise Refused(404, "Person not found")
    number = next(company.ids)
    # Pipedrive sanitizes on its side; only what could run is taken out here.
    content = re.sub(r"(?is)<script.*?</script>", "", content)
    at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
    company.notes[number] = {
        "id": number, "content": content, "person_id": person_id, "add_time": at, "update_time": at, "active_flag": True,
    }  # fmt: skip
    return company.notes[number]


def _list_notes(company: Company, query: dict[str, str]) -> Answer:
    wanted, start, limit = query.get("person_id"), int(query.get("start", 0)), min(int(query.get("limit", 100)), 500)
    found = [one for one in company.notes.values() if wanted is None or one["person_id"] == int(wanted)]
    if query.get("sort", "").lower() == "add_time desc":
        found.reverse()
    more = start + limit < len(found)
    paging = {"start": start, "limit": limit, "more_items_in_collection": more}
    if more:
        paging["next_start"] = start + limit
    # An empty list is null in API v1.
    return Answer(
        {"success": True, "data": found[start : start + limit] or None, "additional_data": {"pagination": paging}}
    )


def _add_activity(company: Company, body: dict[str, Any]) -> dict[str, Any]:
    if unknown := set(body) - _ACTIVITY_KEYS:
        raise invalid(f"Unrecognized key(s) in object: {sorted(unknown)}")
    if "person_id" in body:
        raise invalid("person_id is read-only, use participants")
    subject = body.get("subject", "")
    if not isinstance(subject, str) or len(subject) > 255:
        raise invalid("subject must be a text of at most 255 characters")
    if body.get("type", "call") not in ACTIVITY_TYPES:
        raise invalid("type is not an activity type")
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", body.get("due_date", "2000-01-01")):
        raise invalid("due_date must be YYYY-MM-DD")
    if not re.fullmatch(r"\d\d:\d\d(:\d\d)?", body.get("due_time", "00:00")):
        raise invalid("due_time must be HH:MM")
    people = body.get("participants") or []
    if any(one.get("person_id") not in company.persons for one in people):
        raise not_found("Person")
    primary = next((one["person_id"] for one in people if one.get("primary")), None)
    number = next(company.ids)
    company.activities[number] = {"id": number, "type": "call", "done": False, **body, "person_id": primary}
    return company.activities[number]
