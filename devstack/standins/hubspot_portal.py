"""What one HubSpot account holds: records, their links and their properties. All values are texts."""

import itertools
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from devstack.standins.hubspot_errors import Refused, WrongValue, invalid, not_found, wrong_values
from devstack.standins.hubspot_properties import Properties

KINDS = ("contacts", "companies", "notes", "tasks")
PRIMARY_COMPANY = "associatedcompanyid"
_KEPT_VERSIONS = 20
_CALCULATED = {"phone": "phone_number", "mobilephone": "mobile_number"}
# Country calling codes: one or two digits as listed, three digits otherwise (ITU-T E.164).
_CALLING_CODE = re.compile(r"1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|\d{3}")
_MIN_FULL_DIGITS = 11


@dataclass
class Record:
    """One contact, company, note or task. versions: when (monotonic) it got which values, oldest first."""

    id: str
    values: dict[str, str]
    created_at: str
    updated_at: str
    archived_at: str | None = None
    versions: list[tuple[float, dict[str, str]]] = field(default_factory=list[tuple[float, dict[str, str]]])

    @property
    def system_values(self) -> dict[str, str]:
        """What HubSpot itself keeps of every record."""
        return {"hs_object_id": self.id, "createdate": self.created_at, "lastmodifieddate": self.updated_at}

    def value(self, name: str) -> str:
        """A property's value, empty when it has none."""
        return self.values.get(name) or self.system_values.get(name, "")

    def as_of(self, moment: float) -> "Record | None":
        """As it stood then; None when it was not there yet."""
        known = [values for at, values in self.versions if at <= moment]
        return replace(self, values=known[-1]) if known else None

    def keep_version(self) -> None:
        """Remember the values of now for searches that lag."""
        self.versions.append((time.monotonic(), dict(self.values)))
        del self.versions[:-_KEPT_VERSIONS]

    def shown(self, names: list[str] | None = None) -> dict[str, Any]:
        """As the API gives it. names: the properties that were asked for; none gives all that were written."""
        values: dict[str, Any] = dict(self.values)
        if names is not None:
            values = {name: self.values.get(name) for name in names} | self.system_values
        shown = {
            "id": self.id,
            "properties": values,
            "createdAt": self.created_at,
            "updatedAt": self.updated_at,
            "archived": self.archived_at is not None,
        }
        return {**shown, "archivedAt": self.archived_at} if self.archived_at else shown


@dataclass(frozen=True)
class ValidationRule:
    """An administrator's: the property must not be empty, or only where another one has a certain value."""

    required: str
    when: dict[str, str]

    def wrong(self, values: dict[str, str]) -> WrongValue | None:
        """What is wrong with a record that would have these values."""
        if values.get(self.required) or any(values.get(name) != value for name, value in self.when.items()):
            return None
        return WrongValue(self.required, "REQUIRED_FIELD", f"{self.required} is required by a rule of this account")


@dataclass
class Portal:
    """One account. new_id: ids are unique over all types, as HubSpot's are."""

    new_id: Callable[[], str]
    records: dict[str, dict[str, Record]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    properties: dict[str, Properties] = field(default_factory=lambda: {kind: Properties(kind) for kind in KINDS})
    links: set[tuple[str, str, str, str]] = field(default_factory=set[tuple[str, str, str, str]])
    # Record by unique value: (type, property, value in lower case) to id.
    keys: dict[tuple[str, str, str], str] = field(default_factory=dict[tuple[str, str, str], str])
    archived: dict[str, dict[str, Record]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    # (type, id of a record that was merged) to the id of what became of it.
    merged: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    rules: dict[str, list[ValidationRule]] = field(default_factory=lambda: {kind: [] for kind in KINDS})

    def known_names(self, kind: str, names: list[str] | None) -> list[str] | None:
        """The properties that are there; those that are not are left out of an answer. None: no names were given."""
        return [name for name in names if self.properties[kind].has(name)] if names else None

    def find(self, kind: str, object_id: str, *, id_property: str | None = None) -> Record | None:
        """By record id, or by the value of a unique property. Raises: Refused when that property is not unique."""
        if id_property and id_property != "hs_object_id":
            if not self.properties[kind].is_unique(id_property):
                raise invalid(f"Unable to perform update/upsert by non-unique {kind} property {id_property}")
            object_id = self.keys.get((kind, id_property, object_id.lower()), "")
        return self.records[kind].get(self.merged.get((kind, object_id), object_id))

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
        result = (record.values if record else {}) | values
        wrong += [one for rule in self.rules[kind] if (one := rule.wrong(result))]
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
        """Put the record away, if it is there; its keys are free and its links are gone."""
        record = self.find(kind, object_id)
        if record is None:
            return
        del self.records[kind][record.id]
        record.archived_at = _now()
        self.archived[kind][record.id] = record
        self.keys = {key: owner for key, owner in self.keys.items() if (key[0], owner) != (kind, record.id)}
        ends = (kind, record.id)
        self.links = {link for link in self.links if ends not in {(link[0], link[1]), (link[2], link[3])}}

    def erase(self, kind: str, object_id: str) -> None:
        """Delete the record so that nobody finds it again, not even among the archived ones."""
        object_id = self.merged.get((kind, object_id), object_id)
        self.archive(kind, object_id)
        self.archived[kind].pop(object_id, None)

    def merge(self, kind: str, loser_id: str, winner_id: str, *, as_new_record: bool) -> Record:
        """Make one record of two: the winner's values, and the loser's where the winner has none. Both ids lead to it.

        as_new_record: it gets an id of its own, as HubSpot's merges do since 2025; older ones kept the winner's.
        Raises: Refused.
        """
        loser, winner = self.get(kind, loser_id), self.get(kind, winner_id)
        if loser is winner:
            raise invalid("A record cannot be merged with itself")
        result = Record(self.new_id(), {}, winner.created_at, _now()) if as_new_record else winner
        result.values = loser.values | {name: value for name, value in winner.values.items() if value}
        if (other := loser.values.get("email")) and other != result.values.get("email"):
            known = [*result.values.get("hs_additional_emails", "").split(";"), other]
            result.values["hs_additional_emails"] = ";".join(one for one in known if one)
        parts = {loser.id, winner.id}
        gone = parts - {result.id}
        before = [one for part in (loser, winner) for one in part.values.get("hs_merged_object_ids", "").split(";")]
        result.values["hs_merged_object_ids"] = ";".join([*(one for one in before if one), *sorted(gone, key=int)])
        for one in gone:
            del self.records[kind][one]
        self.records[kind][result.id] = result
        result.keep_version()
        self.merged |= {key: result.id for key, target in self.merged.items() if key[0] == kind and target in parts}
        self.merged |= {(kind, one): result.id for one in gone}
        self._move_keys(kind, parts, result)

        def moved(end_kind: str, end_id: str) -> str:
            return result.id if end_kind == kind and end_id in parts else end_id

        self.links = {(a, moved(a, one), b, moved(b, other)) for a, one, b, other in self.links}
        return result

    def _move_keys(self, kind: str, parts: set[str], result: Record) -> None:
        """A contact keeps the addresses of both; of other unique values the one that it shows."""
        for key, owner in list(self.keys.items()):
            if key[0] == kind and owner in parts:
                if key[1] == "email" or result.values.get(key[1], "").lower() == key[2]:
                    self.keys[key] = result.id
                else:
                    del self.keys[key]

    def link(self, kind: str, object_id: str, other_kind: str, other_id: str) -> None:
        """Linking twice is one link. Raises: Refused when one of the two is not there."""
        one, other = self.get(kind, object_id), self.get(other_kind, other_id)
        self.links.add((kind, one.id, other_kind, other.id))
        self.links.add((other_kind, other.id, kind, one.id))
        # A contact's first company is its primary one.
        for contact, company in ((one, other), (other, one)):
            kinds = (kind, other_kind) if contact is one else (other_kind, kind)
            if kinds == ("contacts", "companies") and not contact.values.get(PRIMARY_COMPANY):
                contact.values[PRIMARY_COMPANY] = company.id

    def linked(self, kind: str, object_id: str, other_kind: str) -> list[str]:
        """Ids of one type that are linked to a record, oldest first. Raises: Refused when the record is not there."""
        record = self.get(kind, object_id)
        there = (link[3] for link in self.links if link[:3] == (kind, record.id, other_kind))
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
        record.keep_version()
        if kind == "contacts" and (company := self.records["companies"].get(values.get(PRIMARY_COMPANY, ""))):
            self.link(kind, record.id, "companies", company.id)


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
