"""What Earshot keeps in Zoho CRM: its fields, their values, and a note, a task and a contact as Zoho wants them written."""

import hashlib
import re
from datetime import UTC, datetime
from typing import Any

from crm_sync.base import CrmEvent, CustomerRef
from crm_sync.labels import SENTIMENTS, CustomerLabels, field_values

API = "/crm/v8"
CONTACTS = f"{API}/Contacts"
BATCH = 100
CUSTOMER_KEY = "earshot_customer_id"
# Records that one credit pays for.
RECORDS_PER_CREDIT, TAGS_PER_CREDIT = 10, 50
MAX_SUMMARY_CHARS = 2000
MAX_NOTE_CHARS = 32_000
_MAX_LINE_CHARS = 255
_MAX_NOTE_TITLE_CHARS = 120
_MAX_NAME_CHARS = 80
_NUMBERS = {"earshot_score": float, "earshot_negative_30d": int}

# The label is also the name that the API goes by. With these nine the edition Standard, which allows ten fields of one's
# own in a module, has one to spare. Topics are text: tenants add some at any time, and one unknown option refuses a record.
FIELDS: tuple[dict[str, Any], ...] = (
    {
        "field_label": "earshot_sentiment",
        "data_type": "picklist",
        "pick_list_values": [{"display_value": one, "actual_value": one} for one in SENTIMENTS],
    },
    {"field_label": "earshot_score", "data_type": "double", "length": 16, "decimal_place": 2},
    {"field_label": "earshot_last_intent", "data_type": "text", "length": 100},
    {"field_label": "earshot_topics", "data_type": "textarea", "textarea": {"type": "small"}},
    {"field_label": "earshot_negative_30d", "data_type": "integer", "length": 9},
    {"field_label": "earshot_label", "data_type": "text", "length": 100},
    {"field_label": "earshot_last_analyzed_at", "data_type": "datetime"},
    {"field_label": "earshot_last_summary", "data_type": "textarea", "textarea": {"type": "small"}},
    {"field_label": CUSTOMER_KEY, "data_type": "text", "length": 100, "unique": {"casesensitive": False}},
)
# What stands on a card where our fields may not be made; Zoho takes at most 25 characters.
TAGS = {sentiment: f"Earshot: {sentiment}" for sentiment in SENTIMENTS}


def label_values(labels: CustomerLabels | None, *, with_summary: bool) -> dict[str, Any]:
    """Our label fields as Zoho's types; None empties a field."""
    return {name: _typed(name, text) for name, text in field_values(labels, with_summary=with_summary).items()}


def _typed(name: str, text: str) -> Any:
    if not text:
        return None
    if name in _NUMBERS:
        return _NUMBERS[name](text)
    if name == "earshot_last_analyzed_at":
        return datetime.fromisoformat(text).isoformat(timespec="seconds")
    limit = MAX_SUMMARY_CHARS if name in {"earshot_last_summary", "earshot_topics"} else 100
    return cut(text, limit)


def cut(text: str, limit: int) -> str:
    """The text, at most so long; what is cut off is shown by an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def reference(key: str) -> str:
    """What an event can be found by: letters and digits that are the same for the same key and hide it."""
    return "ES" + hashlib.sha256(key.encode(errors="replace")).hexdigest()[:14]


def note_of(event: CrmEvent) -> dict[str, Any]:
    """A new note; its title ends in the reference."""
    return {
        "Note_Title": _titled(event, _MAX_NOTE_TITLE_CHARS),
        "Note_Content": cut(as_plain(event.body), MAX_NOTE_CHARS) or as_plain(event.subject) or "-",
        "Parent_Id": {"id": event.record_id, "module": {"api_name": "Contacts"}},
    }


def task_of(event: CrmEvent) -> dict[str, Any]:
    """A new task; Zoho keeps the day it is due and no time, so that the time stands in its description."""
    due = event.due_at.astimezone(UTC)
    due_line = f"\n\nDue: {due:%Y-%m-%d %H:%M} UTC"
    return {
        "Subject": _titled(event, _MAX_LINE_CHARS),
        "Description": cut(as_plain(event.body), MAX_NOTE_CHARS - len(due_line)) + due_line,
        "Due_Date": due.date().isoformat(),
        "Priority": "High" if event.high_priority else "Normal",
        "Status": "Not Started",
        "Who_Id": {"id": event.record_id},
    }


def contact_of(customer: CustomerRef) -> dict[str, Any]:
    """A new contact: what is known of the customer and nothing else. Zoho has no contact without a last name."""
    phone = f"+{customer.phones[0]}" if customer.phones else None
    email = customer.emails[0] if customer.emails else None
    name = (customer.display_name or "").strip() or phone or email or ""
    values = {CUSTOMER_KEY: customer.customer_id, "Last_Name": name[:_MAX_NAME_CHARS], "Mobile": phone, "Email": email}
    return {field: value for field, value in values.items() if value}


def as_plain(text: str) -> str:
    """Text that shows the same whether Zoho takes it for plain text or for HTML: angle brackets become look-alikes."""
    return text.replace("<", "‹").replace(">", "›")


def _titled(event: CrmEvent, limit: int) -> str:
    mark = f" ({reference(event.key)})"
    subject = re.sub(r"\s+", " ", as_plain(event.subject)).strip()
    return (cut(subject, limit - len(mark)) + mark).strip()


def credits_of(count: int, per_credit: int = RECORDS_PER_CREDIT) -> int:
    """What so many records cost."""
    return max(1, -(-count // per_credit))
