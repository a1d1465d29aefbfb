"""The person fields of one Pipedrive company: standard ones, custom ones with their 40-character keys, and options."""

import hashlib
import itertools
from collections.abc import Callable
from datetime import date
from typing import Any

from devstack.standins.pipedrive_errors import Refused, invalid, not_found

CUSTOM_TYPES = {
    "varchar", "text", "double", "phone", "date", "daterange", "time", "timerange", "set", "enum", "varchar_auto",
    "address", "monetary", "org", "people", "user",
}  # fmt: skip
SEARCHABLE_TYPES = {"address", "varchar", "text", "varchar_auto", "double", "monetary", "phone"}
OPTIONAL_COUNTS = ("won_deals_count", "open_deals_count", "lost_deals_count", "notes_count", "activities_count")
_STANDARD = (
    ("name", "Name", "varchar"), ("label_ids", "Labels", "set"), ("owner_id", "Owner", "user"),
    ("org_id", "Organization", "org"), ("emails", "Email", "varchar"), ("phones", "Phone", "phone"),
    ("id", "ID", "int"), ("add_time", "Person created", "date"), ("update_time", "Update time", "date"),
    ("visible_to", "Visible to", "visible_to"),
)  # fmt: skip
_LABELS = ((5, "Customer"), (6, "Hot lead"), (7, "Warm lead"), (8, "Cold lead"))
_MAX_CUSTOM_FIELDS = 100
_MAX_CHARS = {"varchar": 255, "varchar_auto": 255, "text": 65_000}


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_date(value: Any) -> bool:
    try:
        date.fromisoformat(value)
    except (TypeError, ValueError):
        return False
    return True


_TAKES: dict[str, Callable[[Any], bool]] = {
    "varchar": _is_text, "text": _is_text, "varchar_auto": _is_text, "phone": _is_text, "double": _is_number,
    "date": _is_date, "time": lambda value: isinstance(value, dict | str),
}  # fmt: skip


class PersonFields:
    """All fields, oldest first. seed: makes the keys of this company unlike any other's."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._option_ids = itertools.count(101)
        self._keys = itertools.count(1)
        self._known = {code: _field(code, name, kind) for code, name, kind in _STANDARD}
        self._known["label_ids"]["options"] = [{"id": one, "label": label} for one, label in _LABELS]
        for code in OPTIONAL_COUNTS:
            self._known[code] = _field(code, code.replace("_", " ").capitalize(), "int", optional=True)

    def list_all(self) -> list[dict[str, Any]]:
        """Every field."""
        return list(self._known.values())

    def get(self, code: str) -> dict[str, Any]:
        """Raises: Refused when there is none."""
        if code not in self._known:
            raise not_found("Field")
        return self._known[code]

    def custom(self) -> list[dict[str, Any]]:
        """The company's own."""
        return [one for one in self._known.values() if one["is_custom_field"]]

    def add(self, body: dict[str, Any]) -> dict[str, Any]:
        """Raises: Refused. Two fields of one name are allowed, as Pipedrive allows them."""
        name, kind, options = body.get("field_name"), body.get("field_type"), body.get("options")
        if unknown := set(body) - {
            "field_name",
            "field_type",
            "options",
            "ui_visibility",
            "important_fields",
            "required_fields",
        }:
            raise invalid(f"Unrecognized key(s) in object: {sorted(unknown)}")
        if not isinstance(name, str) or not 1 <= len(name) <= 255:
            raise invalid("field_name must have 1 to 255 characters")
        if kind not in CUSTOM_TYPES:
            raise invalid("field_type is unknown")
        if (kind in {"enum", "set"}) != bool(options):
            raise invalid("options are required for enum and set, and for no other type")
        if len(self.custom()) >= _MAX_CUSTOM_FIELDS:
            raise Refused(
                403, "Couldn't add the field. Custom fields limit reached.", code="feature_capping_custom_fields_limit"
            )
        code = hashlib.sha1(f"{self._seed}:{next(self._keys)}".encode(), usedforsecurity=False).hexdigest()
        self._known[code] = _field(code, name, kind, custom=True)
        if options:
            self.add_options(code, options)
        return self._known[code]

    def rename(self, code: str, body: dict[str, Any]) -> dict[str, Any]:
        """Raises: Refused."""
        if not body.get("field_name"):
            raise invalid("nothing to change")
        self.get(code)["field_name"] = body["field_name"]
        return self._known[code]

    def remove(self, code: str) -> None:
        """Raises: Refused when it is not there or not the company's own."""
        if not self.get(code)["is_custom_field"]:
            raise invalid("only custom fields can be deleted")
        del self._known[code]

    def add_options(self, code: str, options: Any) -> list[dict[str, Any]]:
        """Raises: Refused."""
        known = self.get(code)
        if known["field_type"] not in {"enum", "set"}:
            raise invalid("the field has no options")
        if not isinstance(options, list) or not options:
            raise invalid("at least one option is required")
        labels = [one.get("label") if isinstance(one, dict) and set(one) == {"label"} else None for one in options]
        if not all(isinstance(label, str) and 1 <= len(label) <= 255 for label in labels):
            raise invalid("each option is a label of 1 to 255 characters")
        added = [{"id": next(self._option_ids), "label": label} for label in labels]
        known["options"] = [*(known["options"] or []), *added]
        return added

    def remove_options(self, code: str, options: Any) -> list[dict[str, Any]]:
        """All or none. Raises: Refused."""
        known = self.get(code)
        ids = {one.get("id") for one in options} if isinstance(options, list) else set()
        removed = [one for one in known["options"] or [] if one["id"] in ids]
        if not ids or len(removed) < len(ids):
            raise invalid("an option does not exist")
        known["options"] = [one for one in known["options"] if one["id"] not in ids]
        return removed

    def check_labels(self, label_ids: Any) -> None:
        """Raises: Refused for ids that are no label's."""
        known = {one["id"] for one in self._known["label_ids"]["options"]}
        if not isinstance(label_ids, list) or not known.issuperset(label_ids):
            raise invalid("label_ids: unknown label")

    def check_values(self, values: Any) -> None:
        """Raises: Refused for a key that is no field's, and a value that its field does not take. None clears."""
        if not isinstance(values, dict):
            raise invalid("custom_fields must be an object")
        for code, value in values.items():
            known = self._known.get(code)
            if known is None or not known["is_custom_field"]:
                raise invalid(f"custom_fields: Unrecognized key(s) in object: '{code}'")
            if value is not None and not _is_taken(known, value):
                raise invalid(f"custom_fields.{code}: invalid value for {known['field_type']}")


def _is_taken(known: dict[str, Any], value: Any) -> bool:
    kind = known["field_type"]
    if kind in {"enum", "set"}:
        ids = [value] if kind == "enum" else value
        options = {one["id"] for one in known["options"]}
        return isinstance(ids, list) and bool(ids) and all(type(one) is int and one in options for one in ids)
    if isinstance(value, str) and len(value) > _MAX_CHARS.get(kind, 65_000):
        return False
    return _TAKES.get(kind, lambda _: True)(value)


def _field(code: str, name: str, kind: str, *, custom: bool = False, optional: bool = False) -> dict[str, Any]:
    return {
        "field_code": code,
        "field_name": name,
        "field_type": kind,
        "options": None,
        "subfields": None,
        "is_custom_field": custom,
        "is_optional_response_field": optional,
    }
