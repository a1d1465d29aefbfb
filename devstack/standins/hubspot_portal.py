"""What one HubSpot account holds: records, their links and their properties. All values are texts."""

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from devstack.standins.hubspot_errors import Refused, WrongValue, invalid, not_found, wrong_values
from devstack.standins.hubspot_properties import Properties

KINDS = ("contacts", "notes", "tasks")
# HubSpot's own link types, by the type that is linked to a contact.
CONTACT_LINK_TYPES = {"notes": 202, "tasks": 204}
_CALCULATED = {"phone": "phone_number", "mobilephone": "mobile_number"}
# Country calling codes: one or two digits as listed, three digits otherwise (ITU-T E.164).
_CALLING_CODE = re.compile(r"1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|\d{3}")
_MIN_FULL_DIGITS = 11


@dataclass
class Record:
    """One contact, note or task."""

    id: str
    values: dict[str, str]
    created_at: str
    updated_at: str

    @property
    def system_values(self) -> dict[str, str]:
        """What HubSpot itself keeps of every record."""
        return {"hs_object_id": self.id, "createdate": self.created_at, "lastmodifieddate": self.updated_at}

    def value(self, name: str) -> str:
        """A property's value, empty when it has none."""
        return self.values.get(name) or self.system_values.get(name, "")

    def shown(self, names: list[str] | None = None) -> dict[str, Any]:
        """As the API gives it. names: the properties that were asked for; none gives all that were written."""
        values: dict[str, Any] = dict(self.values)
        if names:
            values = {name: self.values.get(name) for name in names} | self.system_values
        return {
            "id": self.id,
            "properties": values,
            "createdAt": self.created_at,
            "updatedAt": self.updated_at,
            "archived": False,
        }


@dataclass
class Portal:
    """One account. new_id: ids are unique over all types, as HubSpot's are."""

    new_id: Callable[[], str]
    records: dict[str, dict[str, Record]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    properties: dict[str, Properties] = field(default_factory=lambda: {kind: Properties(kind) for kind in KINDS})
    links: set[tuple[str, str, str, str]] = field(default_factory=set[tuple[str, str, str, str]])
    # Record by unique value: (type, property, value in lower case) to id.
    keys: dict[tuple[str, str, str], str] = field(default_factory=dict[tuple[str, str, str], str])

    def find(self, kind: str, object_id: str, *, id_property: str | None = None) -> Record | None:
        """By record id, or by the value of a unique property. Raises: Refused when that property is not unique."""
        if id_property and id_property != "hs_object_id":
            if not self.properties[kind].is_unique(id_property):
                raise invalid(f"Unable to perform update/upsert by non-unique {kind} property {id_property}")
            object_id = self.keys.get((kind, id_property, object_id.lower()), "")
        return self.records[kind].get(object_id)

    def get(self, kind: str, object_id: str, *, id_property: str | None = None) -> Record:
        """Raises: Refused when there is none."""
        record = self.find(kind, object_id, id_property=id_property)
        if record is None:
            raise not_found(kind, object_id)
        return record

    def check(self, kind: str, values: Any, *, record: Record | None) -> None:
        """Raises: Refused when these values can't be written to the record, None for a new one."""
        if not isinstance(values, dict):
            raise invalid("properties must be an object")
        wrong = self.properties[kind].wrong_values(values, creating=record is None)
        for name in self.properties[kind].unique_names():
            owner = self.keys.get((kind, name, str(values.get(name) or "").lower()))
            if owner is None or (record is not None and owner == record.id):
                continue
            if (kind, name) == ("contacts", "email"):
                raise Refused(409, "CONFLICT", f"Contact already exists. Existing ID: {owner}")
            wrong.append(WrongValue(name, "CONFLICTING_UNIQUE_VALUE", f"{owner} already has that value."))
        if wrong:
            raise wrong_values(wrong)

    def create(self, kind: str, values: dict[str, str], links: list[tuple[str, str]]) -> Record:
        """A new record. links: (type, id) of existing records. Raises: Refused."""
        self.check(kind, values, record=None)
        now = _now()
        record = Record(self.new_id(), {}, now, now)
        self.records[kind][record.id] = record
        self._write(kind, record, values)
        for other_kind, other_id in links:
            self.link(kind, record.id, other_kind, other_id)
        return record

    def change(self, kind: str, record: Record, values: dict[str, str]) -> None:
        """Raises: Refused, and nothing is changed then."""
        self.check(kind, values, record=record)
        record.updated_at = _now()
        self._write(kind, record, values)

    def archive(self, kind: str, object_id: str) -> None:
        """Delete the record, its keys and links, if it is there."""
        self.records[kind].pop(object_id, None)
        self.keys = {key: owner for key, owner in self.keys.items() if (key[0], owner) != (kind, object_id)}
        ends = (kind, object_id)
        self.links = {link for link in self.links if ends not in {(link[0], link[1]), (link[2], link[3])}}

    def link(self, kind: str, object_id: str, other_kind: str, other_id: str) -> None:
        """Linking twice is one link. Raises: Refused when one of the two is not there."""
        self.get(kind, object_id)
        self.get(other_kind, other_id)
        self.links.add((kind, object_id, other_kind, other_id))
        self.links.add((other_kind, other_id, kind, object_id))

    def linked(self, kind: str, object_id: str, other_kind: str) -> list[str]:
        """Ids of one type that are linked to a record, oldest first. Raises: Refused when the record is not there."""
        self.get(kind, object_id)
        there = (link[3] for link in self.links if link[:3] == (kind, object_id, other_kind))
        return sorted(there, key=int)

    def _write(self, kind: str, record: Record, values: dict[str, str]) -> None:
        for name in self.properties[kind].unique_names():
            if name in values:
                self.keys.pop((kind, name, record.values.get(name, "").lower()), None)
                if values[name]:
                    self.keys[kind, name, values[name].lower()] = record.id
        record.values.update(values)
        for source, calculated in _CALCULATED.items():
            if kind == "contacts" and source in values:
                full, national = read_phone(values[source])
                record.values[f"hs_calculated_{calculated}"] = full
                record.values[f"hs_searchable_calculated_{calculated}"] = national


def read_phone(written: str) -> tuple[str, str]:
    """(E.164, national number) as HubSpot calculates them; the first is empty when the country can't be told."""
    digits = re.sub(r"\D", "", written)
    international = written.strip().startswith(("+", "00"))
    if international:
        digits = digits.removeprefix("00")
    if not digits or (not international and (digits.startswith("0") or len(digits) < _MIN_FULL_DIGITS)):
        return "", digits.removeprefix("0")
    code = _CALLING_CODE.match(digits)
    return f"+{digits}", digits.removeprefix(code[0] if code else "")


class Portals:
    """All accounts, one per token."""

    def __init__(self) -> None:
        self._by_token: dict[str, Portal] = {}
        numbers = itertools.count(1001)
        self._new_id = lambda: str(next(numbers))

    def of(self, token: str) -> Portal:
        """The account of a token; it is made when the token is new."""
        if token not in self._by_token:
            self._by_token[token] = Portal(self._new_id)
        return self._by_token[token]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
