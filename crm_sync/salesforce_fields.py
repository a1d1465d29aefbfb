"""What Earshot keeps in Salesforce: its custom fields, and labels, contacts and tasks as Salesforce wants them written."""

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from crm_sync.base import CrmEvent, CustomerRef
from crm_sync.labels import FIELDS as LABEL_FIELDS
from crm_sync.labels import SENTIMENTS, CustomerLabels, field_values

VERSION = "v64.0"
DATA = f"/services/data/{VERSION}"
BATCH = 200
CUSTOMER_KEY = "Earshot_Customer_Id__c"
EVENT_KEY = "Earshot_Event_Key__c"
MAX_KEY_CHARS = 255
MAX_SUBJECT_CHARS = 255
MAX_NAME_CHARS = 80
# Salesforce's own limit for the comments of a task.
MAX_DESCRIPTION_CHARS = 32_000

_RECORD_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")
# Neither is text to Salesforce's JSON parser.
_UNWRITABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
_DESCRIBED = {"Text": "string", "LongTextArea": "textarea", "Number": "double", "DateTime": "datetime"}


@dataclass(frozen=True)
class FieldPlan:
    """One of our fields. owner: the object it is made on. kind: its type as Setup names it. is_key: External ID and Unique."""

    name: str
    label: str
    kind: str
    owner: str = "Contact"
    length: int = 0
    precision: int = 0
    scale: int = 0
    options: tuple[str, ...] = ()
    is_key: bool = False

    @property
    def wording(self) -> str:
        """What an administrator chooses in Setup."""
        if self.kind == "Picklist":
            return f"Picklist of {', '.join(self.options)}, restricted"
        size = {"Number": f"({self.precision - self.scale}, {self.scale})", "DateTime": ""}
        unique = ", External ID, Unique (case sensitive)" if self.is_key else ""
        return f"{self.kind}{size.get(self.kind, f'({self.length})')}{unique}"

    @property
    def metadata(self) -> dict[str, Any]:
        """The field as the Tooling API makes it."""
        made: dict[str, Any] = {"type": self.kind, "label": self.label, "required": False}
        if self.length:
            made["length"] = self.length
        if self.kind == "LongTextArea":
            made["visibleLines"] = 4
        if self.kind == "Number":
            made |= {"precision": self.precision, "scale": self.scale}
        if self.is_key:
            made |= {"externalId": True, "unique": True, "caseSensitive": True}
        if self.options:
            values = [{"fullName": one, "label": one.capitalize(), "default": False} for one in self.options]
            made["valueSet"] = {"restricted": True, "valueSetDefinition": {"sorted": False, "value": values}}
        return made


# Topics are text: tenants add topics at any time, and a restricted picklist would refuse the record.
PLANS = (
    FieldPlan("Earshot_Sentiment__c", "Last sentiment", "Picklist", options=SENTIMENTS),
    FieldPlan("Earshot_Score__c", "Confidence in the sentiment (0 to 1)", "Number", precision=3, scale=2),
    FieldPlan("Earshot_Last_Intent__c", "Last intent", "Text", length=80),
    FieldPlan("Earshot_Topics__c", "Topics", "Text", length=255),
    FieldPlan("Earshot_Negative_30d__c", "Negative messages in last 30 days", "Number", precision=9),
    FieldPlan("Earshot_Label__c", "Earshot label", "Text", length=80),
    FieldPlan("Earshot_Last_Analyzed_At__c", "Last analyzed", "DateTime"),
    FieldPlan("Earshot_Last_Summary__c", "Summary of the last message", "LongTextArea", length=5_000),
    FieldPlan(CUSTOMER_KEY, "Earshot customer", "Text", length=64, is_key=True),
    FieldPlan(EVENT_KEY, "Earshot event", "Text", owner="Activity", length=MAX_KEY_CHARS, is_key=True),
)
_BY_NAME = {plan.name: plan for plan in PLANS}


def api_name(name: str) -> str:
    """Salesforce's name of one of our fields: "Earshot_Negative_30d__c" for "earshot_negative_30d"."""
    return "_".join(part.capitalize() for part in name.split("_")) + "__c"


def our_name(api: str) -> str:
    """The other way round; a name that is not ours stays as it is."""
    return api.removesuffix("__c").lower() if api.lower().startswith("earshot_") else api


def is_record_id(text: str) -> bool:
    """Whether Salesforce would take it for an id at all; one that is none spoils a whole query."""
    return _RECORD_ID.fullmatch(text) is not None


def reason_unfit(plan: FieldPlan, described: dict[str, Any]) -> str | None:
    """Why a field of that name can't hold what we write; None when it can. described: the field as describe shows it."""
    wanted = _DESCRIBED.get(plan.kind, "picklist")
    if described.get("type") != wanted:
        return "has another type"
    if described.get("updateable") is False or described.get("createable") is False:
        return "may not be edited"
    if wanted in {"string", "textarea"} and described.get("length", 0) < plan.length:
        return "is too short"
    if plan.kind == "Number" and not _holds_number(plan, described):
        return "has too few digits"
    options = {one.get("value") for one in described.get("picklistValues") or [] if one.get("active") is not False}
    if plan.options and described.get("restrictedPicklist") and not options.issuperset(plan.options):
        return "lacks values"
    if plan.is_key and not (described.get("externalId") and described.get("unique")):
        return "is not External ID and Unique"
    return None


def _holds_number(plan: FieldPlan, described: dict[str, Any]) -> bool:
    scale = int(described.get("scale") or 0)
    return scale >= plan.scale and int(described.get("precision") or 0) - scale >= plan.precision - plan.scale


def label_values(
    labels: CustomerLabels | None, *, with_summary: bool, fields: Collection[str] | None
) -> dict[str, str | float | None]:
    """Our fields and their values as Salesforce types them; None clears a field. fields: only these; None: all of them."""
    texts = {api_name(name): text for name, text in field_values(labels, with_summary=with_summary).items()}
    return {name: _typed(_BY_NAME[name], text) for name, text in texts.items() if fields is None or name in fields}


LABEL_NAMES = frozenset(api_name(name) for name in LABEL_FIELDS)


def _typed(plan: FieldPlan, text: str) -> str | float | None:
    if not text:
        return None
    if plan.kind == "Number":
        return float(text) if plan.scale else int(text)
    return writable(text, plan.length) if plan.length else text


def writable(text: str, max_chars: int) -> str:
    """The text without what no JSON parser takes, cut to the length."""
    # Salesforce counts UTF-16 units, of which an emoji has two.
    cleaned = _UNWRITABLE.sub("", text)
    return cleaned.encode("utf-16-le")[: 2 * max_chars].decode("utf-16-le", "ignore")


def contact_values(customer: CustomerRef) -> dict[str, Any]:
    """A new contact: what is known of the customer. Salesforce demands a last name."""
    phone = f"+{customer.phones[0]}" if customer.phones else None
    email = customer.emails[0] if customer.emails else None
    name = writable((customer.display_name or "").strip(), MAX_NAME_CHARS) or phone or email or ""
    values = {CUSTOMER_KEY: customer.customer_id, "LastName": name[:MAX_NAME_CHARS], "Phone": phone, "Email": email}
    return {"attributes": {"type": "Contact"}, **{field: value for field, value in values.items() if value}}


def event_key(key: str) -> str:
    """The key as our field holds it."""
    return key if len(key) <= MAX_KEY_CHARS else hashlib.sha256(key.encode()).hexdigest()


def reference_of(key: str) -> str:
    """What an org without our key field knows an event by, at the end of its subject: "[e-5f3a9c1b2d4e]"."""
    return f"[e-{hashlib.sha256(key.encode()).hexdigest()[:12]}]"


def task_values(event: CrmEvent, *, keyed: bool, owner_id: str | None) -> dict[str, Any]:
    """A new task; a note is one that is completed, which stands in the contact's history. owner_id: None: ourselves."""
    subject, mark = writable(event.subject, MAX_SUBJECT_CHARS), {EVENT_KEY: event_key(event.key)}
    if not keyed:
        reference = reference_of(event.key)
        subject, mark = f"{writable(event.subject, MAX_SUBJECT_CHARS - len(reference) - 1)} {reference}", {}
    values: dict[str, Any] = {
        "attributes": {"type": "Task"},
        "WhoId": event.record_id,
        "Subject": subject,
        "Description": writable(event.body, MAX_DESCRIPTION_CHARS) or None,
        "ActivityDate": event.due_at.astimezone(UTC).date().isoformat(),
        "Status": "Completed" if event.kind == "note" else "Not Started",
        "Priority": "High" if event.high_priority else "Normal",
        **mark,
    }
    return values | ({"OwnerId": owner_id} if owner_id else {})
