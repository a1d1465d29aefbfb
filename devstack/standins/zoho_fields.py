"""The fields of one Zoho CRM module: which there are, which values they take, and how an administrator adds some."""

import re
from datetime import date, datetime
from typing import Any

from devstack.standins.zoho_errors import Refused, invalid, limit_exceeded, missing

# Edition Standard.
MAX_CUSTOM_FIELDS, MAX_UNIQUE_FIELDS, MAX_FIELDS_PER_CALL = 10, 2, 5
_MAX_LABEL = 25
_TEXTAREA_LENGTHS = {"small": 2000, "large": 32_000}
_LENGTHS = {"text": 255, "email": 100, "phone": 30, "integer": 9, "bigint": 18, "double": 16}
_OTHER_TYPES = {"picklist", "textarea", "date", "datetime", "boolean", "lookup"}
_PRIORITIES = ("High", "Highest", "Low", "Lowest", "Normal")
_STATUSES = ("Not Started", "Deferred", "In Progress", "Completed", "Waiting for input")
_BUILT_IN: dict[str, dict[str, tuple[str, Any]]] = {
    "Contacts": {
        "First_Name": ("text", 40), "Last_Name": ("text", 80), "Email": ("email", 100), "Secondary_Email": ("email", 100),
        "Phone": ("phone", 30), "Mobile": ("phone", 30), "Home_Phone": ("phone", 30), "Other_Phone": ("phone", 30),
        "Asst_Phone": ("phone", 30), "Description": ("textarea", 32_000), "Account_Name": ("lookup", "Accounts"),
    },
    "Accounts": {
        "Account_Name": ("text", 200), "Rating": ("picklist", ("Acquired", "Active", "Market Failed", "Project Cancelled")),
        "Annual_Revenue": ("double", 16), "Industry": ("text", 120),
    },
    "Tasks": {
        "Subject": ("text", 300), "Due_Date": ("date", None), "Priority": ("picklist", _PRIORITIES),
        "Status": ("picklist", _STATUSES), "Description": ("textarea", 32_000), "Who_Id": ("lookup", "Contacts"),
    },
    "Notes": {"Note_Title": ("text", 120), "Note_Content": ("textarea", 32_000), "Parent_Id": ("lookup", "Contacts")},
}  # fmt: skip
_MANDATORY = {
    "Contacts": ("Last_Name",),
    "Accounts": ("Account_Name",),
    "Tasks": ("Subject",),
    "Notes": ("Note_Content", "Parent_Id"),
}
MODULES = tuple(_BUILT_IN)
_KINDS: dict[str, type | tuple[type, ...]] = {"integer": int, "bigint": int, "double": (int, float), "boolean": bool}


class Fields:
    """The fields of one module in one account."""

    def __init__(self, module: str, new_id: Any) -> None:
        self.module = module
        self._new_id = new_id
        self.known = {name: self._built_in(name, *kind) for name, kind in _BUILT_IN[module].items()}
        self.mandatory = _MANDATORY[module]

    def _built_in(self, name: str, kind: str, more: Any) -> dict[str, Any]:
        field = _field(name, kind, self._new_id(), custom=False)
        if kind == "lookup":
            field["lookup"] = {"module": {"api_name": more}}
        elif kind == "picklist":
            field["pick_list_values"] = [{"display_value": one, "actual_value": one} for one in more]
        else:
            field["length"] = more
        return field

    def unique_names(self) -> list[str]:
        """Names of the fields whose values are keys; Zoho's own check of contacts is on Email."""
        own = ["Email"] if self.module == "Contacts" else []
        return own + [name for name, field in self.known.items() if field["unique"]]

    def check(self, name: str, value: Any) -> None:
        """Raises: Refused when the field can't take the value. None empties any field."""
        field = self.known[name]
        if value is None:
            return
        kind = field["data_type"]
        if kind == "lookup":
            if not isinstance(value, dict) or not isinstance(value.get("id"), str):
                raise invalid(name, expected_data_type="jsonobject")
        elif kind in _KINDS:
            if not isinstance(value, _KINDS[kind]) or (kind != "boolean" and isinstance(value, bool)):
                raise invalid(name, expected_data_type=kind)
        elif not isinstance(value, str):
            raise invalid(name, expected_data_type=kind)
        else:
            _check_text(field, value)

    def remove(self, field_id: str) -> None:
        """Delete a custom field. Raises: Refused when there is none."""
        for name, field in self.known.items():
            if field["id"] == field_id and field["custom_field"]:
                del self.known[name]
                return
        raise Refused(400, "INVALID_DATA", "the id given seems to be invalid", resource_path_index=3)

    def add(self, item: dict[str, Any], *, unique_left: int) -> dict[str, Any]:
        """A new custom field. Raises: Refused."""
        for part in ("field_label", "data_type"):
            if not item.get(part):
                raise missing(part)
        label, kind = item["field_label"], item["data_type"]
        if not isinstance(label, str) or len(label) > _MAX_LABEL:
            raise invalid("field_label", maximum_length=_MAX_LABEL)
        if kind not in _LENGTHS and kind not in _OTHER_TYPES:
            raise invalid("data_type")
        name = re.sub(r"\W+", "_", label, flags=re.ASCII)
        if name in self.known:
            raise Refused(400, "DUPLICATE_DATA", "duplicate data", api_name="field_label")
        if item.get("unique") and (unique_left <= 0 or kind not in {"text", "email", "phone", "integer", "bigint"}):
            raise limit_exceeded(MAX_UNIQUE_FIELDS, limit_due_to=[{"api_name": "unique", "json_path": "$.fields"}])
        if sum(field["custom_field"] for field in self.known.values()) >= MAX_CUSTOM_FIELDS:
            raise limit_exceeded(MAX_CUSTOM_FIELDS, limit_due_to=[{"api_name": "field_label", "json_path": "$.fields"}])
        field = _field(name, kind, self._new_id(), custom=True)
        field |= {"unique": item.get("unique"), "length": _length(item)}
        if kind == "picklist":
            options = item.get("pick_list_values")
            if not options:
                raise missing("pick_list_values")
            field["pick_list_values"] = options
        self.known[name] = field
        return {"code": "SUCCESS", "details": {"id": field["id"]}, "message": "field created", "status": "success"}


def _field(name: str, kind: str, field_id: str, *, custom: bool) -> dict[str, Any]:
    return {
        "id": field_id,
        "api_name": name,
        "field_label": name,
        "data_type": kind,
        "custom_field": custom,
        "length": _LENGTHS.get(kind, 255),
        "unique": None,
        "pick_list_values": [],
        "read_only": False,
        "visible": True,
    }


def _length(item: dict[str, Any]) -> int:
    kind = item["data_type"]
    if kind == "textarea":
        sort = (item.get("textarea") or {}).get("type", "small")
        if sort not in _TEXTAREA_LENGTHS:
            raise invalid("type")
        return _TEXTAREA_LENGTHS[sort]
    wanted, most = item.get("length"), _LENGTHS.get(kind, 255)
    if wanted is not None and (not isinstance(wanted, int) or not 0 < wanted <= most):
        raise invalid("length", maximum_length=most)
    return wanted or most


def _check_text(field: dict[str, Any], value: str) -> None:
    name, kind = field["api_name"], field["data_type"]
    if kind == "picklist":
        if value not in {one["actual_value"] for one in field["pick_list_values"]}:
            raise invalid(name, expected_data_type="picklist")
    elif kind == "datetime":
        if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d", value):
            raise invalid(name, expected_data_type="datetime")
        datetime.fromisoformat(value)
    elif kind == "date":
        try:
            date.fromisoformat(value)
        except ValueError:
            raise invalid(name, expected_data_type="date") from None
    elif kind == "email" and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", value):
        raise invalid(name, expected_data_type="email")
    elif len(value) > field["length"]:
        raise invalid(name, maximum_length=field["length"])


def add_fields(fields: Fields, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """One call of `POST /settings/fields`: status and body. Raises: Refused."""
    items = body.get("fields")
    if not isinstance(items, list) or not all(isinstance(one, dict) for one in items):
        raise missing("fields")
    if len(items) > MAX_FIELDS_PER_CALL:
        raise limit_exceeded(MAX_FIELDS_PER_CALL, limit_due_to=[{"api_name": "fields", "json_path": "$.fields"}])
    results: list[dict[str, Any]] = []
    for index, item in enumerate(items):
        unique_left = MAX_UNIQUE_FIELDS - sum(bool(one["unique"]) for one in fields.known.values())
        try:
            results.append(fields.add(item, unique_left=unique_left))
        except Refused as refused:
            results.append(refused.item(index, list_name="fields"))
    done = sum(one["status"] == "success" for one in results)
    return (201 if done == len(results) else 207 if done else 400), {"fields": results}
