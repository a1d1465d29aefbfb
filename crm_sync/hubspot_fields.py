"""What Earshot keeps in HubSpot: its properties, and a note or task as HubSpot wants it written."""

import hashlib
import html
import re
from typing import Any

from crm_sync.base import CrmEvent, CustomerRef
from crm_sync.labels import SENTIMENTS, timestamp

VERSION = "2026-09"
BATCH = 100
GROUP = {"name": "earshot", "label": "Earshot"}
CUSTOMER_KEY = "earshot_customer_id"
EVENT_KEY = "earshot_event_key"
BODY_PROPERTIES = {"notes": "hs_note_body", "tasks": "hs_task_body"}
# HubSpot's own limit for a text is 65,536 characters.
MAX_TEXT_CHARS = 65_000


def _field(name: str, label: str, kind: str, *, widget: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "label": label, "type": kind, "fieldType": widget, "groupName": GROUP["name"], **more}


def _unique_key(name: str, label: str) -> dict[str, Any]:
    return _field(name, label, "string", widget="text", hasUniqueValue=True, hidden=True)


_SENTIMENT_OPTIONS = [
    {"value": value, "label": value.capitalize(), "displayOrder": order, "hidden": False}
    for order, value in enumerate(SENTIMENTS)
]

# Topics are text, not an enumeration: HubSpot refuses a whole record for one value that is not among the options, and
# tenants add and rename topics at any time. The unique keys make creating a contact, note or task safe to repeat.
FIELDS: dict[str, tuple[dict[str, Any], ...]] = {
    "contacts": (
        _field("earshot_sentiment", "Last sentiment", "enumeration", widget="select", options=_SENTIMENT_OPTIONS),
        _field("earshot_score", "Confidence in the sentiment (0 to 1)", "number", widget="number"),
        _field("earshot_last_intent", "Last intent", "string", widget="text"),
        _field("earshot_topics", "Topics", "string", widget="text"),
        _field("earshot_last_summary", "Summary of the last message", "string", widget="textarea"),
        _field("earshot_negative_30d", "Negative messages in last 30 days", "number", widget="number"),
        _field("earshot_label", "Earshot label", "string", widget="text"),
        _field("earshot_last_analyzed_at", "Last analyzed", "datetime", widget="date"),
        _unique_key(CUSTOMER_KEY, "Earshot customer"),
    ),
    "notes": (_unique_key(EVENT_KEY, "Earshot event"),),
    "tasks": (_unique_key(EVENT_KEY, "Earshot event"),),
}


def as_html(text: str, *, max_chars: int = MAX_TEXT_CHARS) -> str:
    """The text as HTML that shows it literally, at most max_chars long and never cut inside an entity or a tag."""
    markup = html.escape(text, quote=False).replace("\n", "<br>")
    return re.sub(r"(&[a-z]*|<[a-z]*)$", "", markup[:max_chars])


def event_reference(key: str) -> str:
    """What stands in a note or task without our unique property, to find it again by: "Earshot 3f2a9c41b07d"."""
    return f"Earshot {hashlib.sha256(key.encode()).hexdigest()[:12]}"


def event_properties(event: CrmEvent, *, referenced: bool = False) -> dict[str, str]:
    """A new note or task; the subject of a note is its first line. referenced: for a portal without our unique property."""
    properties = {"hs_timestamp": timestamp(event.due_at)} | ({} if referenced else {EVENT_KEY: event.key})
    ending = f"<br>{event_reference(event.key)}" if referenced else ""
    text = f"{event.subject}\n{event.body}" if event.kind == "note" else event.body
    body = as_html(text, max_chars=MAX_TEXT_CHARS - len(ending)) + ending
    if event.kind == "note":
        return properties | {"hs_note_body": body}
    return properties | {
        "hs_task_subject": event.subject[:MAX_TEXT_CHARS],
        "hs_task_body": body,
        "hs_task_type": "TODO",
        "hs_task_status": "NOT_STARTED",
        "hs_task_priority": "HIGH" if event.high_priority else "MEDIUM",
    }


def contact_properties(customer: CustomerRef) -> dict[str, str]:
    """A new contact: what is known of the customer and nothing else."""
    properties = {CUSTOMER_KEY: customer.customer_id}
    if customer.phones:
        properties["phone"] = f"+{customer.phones[0]}"
    if customer.emails:
        properties["email"] = customer.emails[0]
    if customer.display_name:
        properties["firstname"] = customer.display_name
    return properties
