"""The properties of one HubSpot object type: which there are, and which values they take."""

import re
from datetime import datetime
from typing import Any

from devstack.standins.hubspot_errors import Refused, WrongValue, invalid, no_such_path

TYPES = {"bool", "date", "datetime", "enumeration", "number", "phone_number", "string"}
FIELD_TYPES = {
    "booleancheckbox", "calculation_equation", "checkbox", "date", "file", "html", "number", "phonenumber", "radio",
    "select", "text", "textarea",
}  # fmt: skip
BUILT_IN_GROUP = "built_in"
_TEXTS = {
    "contacts": (
        "email", "firstname", "lastname", "phone", "mobilephone", "company", "lifecyclestage", "hs_lead_status",
        "hubspot_owner_id", "associatedcompanyid", "hs_additional_emails", "hs_merged_object_ids",
        "hs_calculated_phone_number", "hs_calculated_mobile_number",
        "hs_searchable_calculated_phone_number", "hs_searchable_calculated_mobile_number",
    ),
    "companies": ("name", "domain", "phone", "industry", "type", "lifecyclestage", "hubspot_owner_id"),
    "notes": ("hs_note_body", "hubspot_owner_id"),
    "tasks": ("hs_task_subject", "hs_task_body", "hubspot_owner_id"),
}  # fmt: skip
_NUMBERS = ("annualrevenue", "numberofemployees")
_CHOICES = {
    "hs_task_type": ("TODO", "CALL", "EMAIL"),
    "hs_task_status": ("NOT_STARTED", "IN_PROGRESS", "WAITING", "COMPLETED", "DEFERRED"),
    "hs_task_priority": ("NONE", "LOW", "MEDIUM", "HIGH"),
}
_REQUIRED = {"contacts": (), "companies": (), "notes": ("hs_timestamp",), "tasks": ("hs_timestamp",)}
_MAX_UNIQUE = 10
MAX_TEXT_CHARS = 65_536


class Properties:
    """The properties and groups of one object type in one portal."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._known = {one["name"]: one for one in _built_in(kind)}
        self._groups = {BUILT_IN_GROUP: {"name": BUILT_IN_GROUP, "label": "Built in", "archived": False}}

    def list_all(self) -> list[dict[str, Any]]:
        """Every property, oldest first."""
        return list(self._known.values())

    def get(self, name: str) -> dict[str, Any]:
        """Raises: Refused when there is none of this name."""
        if name not in self._known:
            raise Refused(404, "OBJECT_NOT_FOUND", f'Property "{name}" does not exist')
        return self._known[name]

    def has(self, name: str) -> bool:
        """Whether records may have it."""
        return name in self._known or name.startswith("hs_object_id") or name in {"createdate", "lastmodifieddate"}

    def is_unique(self, name: str) -> bool:
        """Whether two records may not share a value."""
        return bool(self._known.get(name, {}).get("hasUniqueValue"))

    def unique_names(self) -> list[str]:
        """Names of the properties whose values are keys."""
        return [name for name in self._known if self.is_unique(name)]

    def list_groups(self) -> list[dict[str, Any]]:
        """Every group, oldest first."""
        return list(self._groups.values())

    def add_group(self, group: dict[str, Any]) -> dict[str, Any]:
        """Raises: Refused when it lacks something or is there."""
        name, label = group.get("name"), group.get("label")
        if not name or not label:
            raise invalid("A property group needs a name and a label.")
        if name in self._groups:
            raise Refused(409, "CONFLICT", f"A property group named '{name}' already exists.")
        self._groups[name] = {"name": name, "label": label, "archived": False}
        return self._groups[name]

    def add(self, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Add all or none. Raises: Refused."""
        for item in items:
            self._check_definition(item)
        added = [_complete(item) for item in items]
        self._known.update((one["name"], one) for one in added)
        return added

    def remove(self, name: str) -> None:
        """Archive one of the portal's own. Raises: Refused."""
        if self.get(name).get("hubspotDefined"):
            raise invalid(f"{name} is defined by HubSpot")
        del self._known[name]

    def _check_definition(self, item: dict[str, Any]) -> None:
        missing = {"name", "label", "type", "fieldType", "groupName"} - set(item)
        if missing:
            raise invalid(f"Some required fields were not set: {sorted(missing)}")
        name, options = str(item["name"]), item.get("options") or []
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,99}", name):
            raise invalid(f"{name} is not a valid property name")
        if item["type"] not in TYPES or item["fieldType"] not in FIELD_TYPES:
            raise invalid(f"{name} has an unknown type or fieldType")
        if item["groupName"] not in self._groups:
            raise invalid(f"The property group '{item['groupName']}' does not exist.")
        if any({"label", "value", "displayOrder", "hidden"} - set(option) for option in options):
            raise invalid(f"Each option of {name} needs label, value, displayOrder and hidden")
        if item["type"] == "enumeration" and not options:
            raise invalid(f"{name} needs options")
        if item.get("hasUniqueValue") and len(self.unique_names()) >= _MAX_UNIQUE:
            raise invalid(f"At most {_MAX_UNIQUE} properties may have unique values")
        if name in self._known:
            raise Refused(409, "CONFLICT", f"A property named '{name}' already exists.")

    def wrong_values(self, values: dict[str, Any], *, creating: bool) -> list[WrongValue]:
        """What of these values can't be written. Values are texts; an empty one clears the property."""
        wrong = [one for name, value in values.items() if (one := self._wrong(name, value))]
        required = _REQUIRED[self._kind] if creating else ()
        return wrong + [
            WrongValue(name, "REQUIRED_FIELD", f"{name} is required") for name in required if not values.get(name)
        ]

    def _wrong(self, name: str, value: Any) -> WrongValue | None:
        definition = self._known.get(name)
        if definition is None:
            return WrongValue(name, "PROPERTY_DOESNT_EXIST", f'Property "{name}" does not exist')
        if definition["modificationMetadata"]["readOnlyValue"]:
            return WrongValue(name, "READ_ONLY_VALUE", f'"{name}" is a read only property; its value cannot be set.')
        if not isinstance(value, str):
            return WrongValue(name, "INVALID_STRING", f"{name} must be a string")
        return _wrong_text(definition, value) if value else None


def _wrong_text(definition: dict[str, Any], value: str) -> WrongValue | None:
    name, kind = definition["name"], definition["type"]
    if len(value) > MAX_TEXT_CHARS:
        return WrongValue(
            name, "PROPERTY_VALUE_TOO_LONG", f"{name} has {len(value)} of at most {MAX_TEXT_CHARS} characters"
        )
    if kind in {"enumeration", "bool"}:
        options = [option["value"] for option in definition["options"]] if kind == "enumeration" else ["true", "false"]
        chosen = value.split(";") if definition["fieldType"] == "checkbox" else [value]
        if unknown := [one for one in chosen if one not in options]:
            message = f"{unknown[0]} was not one of the allowed options: [{', '.join(options)}]"
            return WrongValue(name, "INVALID_OPTION", message)
    if kind == "number" and not re.fullmatch(r"-?\d+(\.\d+)?([eE]-?\d+)?", value):
        return WrongValue(name, "INVALID_NUMBER", f"{value} was not a valid number.")
    if kind in {"date", "datetime"} and not _is_moment(value):
        return WrongValue(name, "INVALID_DATE", f"{value} was not a valid long.")
    if name == "email" and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", value):
        return WrongValue(name, "INVALID_EMAIL", f"Email address {value} is invalid")
    return None


def _is_moment(value: str) -> bool:
    """ISO 8601, or milliseconds since 1970."""
    if re.fullmatch(r"-?\d{1,15}", value):
        return True
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _built_in(kind: str) -> list[dict[str, Any]]:
    texts = [_definition(name, "string", "text") for name in _TEXTS[kind]]
    choices = [_definition(name, "enumeration", "select", options) for name, options in _CHOICES.items()]
    moment = [_definition("hs_timestamp", "datetime", "date")]
    numbers = [_definition(name, "number", "number") for name in _NUMBERS]
    return texts + {"contacts": [], "companies": numbers, "notes": moment, "tasks": [*moment, *choices]}[kind]


def _definition(name: str, kind: str, widget: str, options: tuple[str, ...] = ()) -> dict[str, Any]:
    listed = [{"label": one, "value": one, "displayOrder": order, "hidden": False} for order, one in enumerate(options)]
    definition = {"name": name, "label": name, "type": kind, "fieldType": widget, "groupName": BUILT_IN_GROUP}
    calculated = "calculated" in name or name in {"hs_additional_emails", "hs_merged_object_ids"}
    return _complete(
        {**definition, "options": listed, "hasUniqueValue": name == "email"}, built_in=True, read_only=calculated
    )


def _complete(item: dict[str, Any], *, built_in: bool = False, read_only: bool = False) -> dict[str, Any]:
    return {
        "description": "",
        "options": [],
        "hasUniqueValue": False,
        "hidden": False,
        "archived": False,
        "calculated": read_only,
        "hubspotDefined": built_in,
        "modificationMetadata": {
            "archivable": not built_in,
            "readOnlyDefinition": built_in,
            "readOnlyValue": read_only,
        },
        **item,
    }


def answer_properties(properties: Properties, method: str, rest: str, body: dict[str, Any]) -> tuple[int, Any]:
    """One call below `/crm/properties/2026-09/{type}`: status and body. Raises: Refused."""
    if (method, rest) == ("GET", ""):
        return 200, {"results": properties.list_all()}
    if (method, rest) == ("GET", "groups"):
        return 200, {"results": properties.list_groups()}
    if (method, rest) == ("POST", "groups"):
        return 201, properties.add_group(body)
    if (method, rest) == ("POST", ""):
        return 201, properties.add([body])[0]
    if (method, rest) == ("POST", "batch/create"):
        inputs = body.get("inputs")
        if not isinstance(inputs, list) or not all(isinstance(one, dict) for one in inputs):
            raise invalid("inputs must be a list of objects")
        return 201, {"status": "COMPLETE", "results": properties.add(inputs)}
    if method == "GET" and "/" not in rest:
        return 200, properties.get(rest)
    if method == "DELETE" and "/" not in rest:
        properties.remove(rest)
        return 204, None
    raise no_such_path()
