"""What one Salesforce org holds: records, their fields, who may see these, and what its administrator forbids."""

import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from devstack.standins.salesforce_errors import Refused, no_such_column
from devstack.standins.salesforce_fields import STANDARD, Field, checked_value

# The first three characters of an id say which kind of record it is.
_PREFIXES = {
    "Contact": "003", "Account": "001", "Task": "00T", "User": "005", "Organization": "00D", "PermissionSet": "0PS",
    "PermissionSetAssignment": "0Pa", "FieldPermissions": "01k",
}  # fmt: skip
_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_BASE_62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SEARCHED = ("Phone", "MobilePhone", "HomePhone", "OtherPhone", "Email", "Name")


@dataclass
class Record:
    """One record. indexed: when a change happened, and what search sees from then (plus its lag) on, oldest first."""

    id: str
    kind: str
    values: dict[str, Any]
    deleted: bool = False
    indexed: list[tuple[float, dict[str, str]]] = field(default_factory=list[tuple[float, dict[str, str]]])

    def searched(self, lag_s: float) -> dict[str, str]:
        """What the search index holds of it now."""
        seen = [texts for at, texts in self.indexed if at <= time.monotonic() - lag_s]
        return seen[-1] if seen else {}


@dataclass(frozen=True)
class ValidationRule:
    """Records of a kind that would have this value in this field are refused."""

    kind: str
    field: str
    value: Any


class Org:
    """One account, with the integration's user in it."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._made = 0
        self.records: dict[str, dict[str, Record]] = {kind: {} for kind in STANDARD}
        self.custom: dict[str, dict[str, Field]] = {kind: {} for kind in STANDARD}
        self.rules: list[ValidationRule] = []
        self.cursors: dict[str, list[Any]] = {}
        # Record by unique value: (kind, field, value) to id.
        self._keys: dict[tuple[str, str, str], str] = {}
        # Custom fields that the user may see, and whether it may edit them.
        self._visible: dict[tuple[str, str], bool] = {}
        self.used, self.day_began = 0, time.monotonic()
        self.organization = self._put(
            "Organization", {"Name": "Lab", "OrganizationType": "Enterprise Edition", "IsSandbox": False}
        )
        self.user = self._put("User", {"Username": "earshot@lab.example", "IsActive": True})

    def fields(self, kind: str) -> Iterator[Field]:
        """All that the user may see."""
        yield from STANDARD[kind]
        for one in self.custom[kind].values():
            if (kind, one.name) in self._visible:
                yield one if self._visible[kind, one.name] else replace(one, read_only=True)

    def find_field(self, kind: str, name: str) -> Field | None:
        """By name in any case; None when there is none that the user may see."""
        return next((one for one in self.fields(kind) if one.name.lower() == name.lower()), None)

    def add_field(self, owner: str, new: Field) -> str:
        """Make a custom field, which nobody may see yet; returns its id. Raises: Refused when it is there."""
        # Task and Event share the fields of Activity.
        kind = "Task" if owner == "Activity" else owner
        if new.name.lower() in self.custom[kind]:
            raise Refused("DUPLICATE_DEVELOPER_NAME", f"There is already a field named {new.name} on {owner}.")
        self.custom[kind][new.name.lower()] = new
        return self._new_id("00N")

    def remove_field(self, kind: str, name: str) -> None:
        """Delete a custom field and its values, as an administrator does."""
        self.custom[kind].pop(name.lower(), None)
        self._visible.pop((kind, name), None)
        self._keys = {key: owner for key, owner in self._keys.items() if key[:2] != (kind, name)}
        for record in self.records[kind].values():
            record.values.pop(name, None)

    def get(self, kind: str, record_id: str) -> Record:
        """Raises: Refused for an id that is none, or of a record that is not there any more or never was."""
        if not re.fullmatch(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?", record_id) or record_id[:3] != _PREFIXES[kind]:
            message = f"{kind} ID: id value of incorrect type: {record_id}"
            raise Refused("MALFORMED_ID", message, fields=["Id"])
        record = self.records[kind].get(full_id(record_id[:15]))
        if record is None:
            raise Refused("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
        if record.deleted:
            raise Refused("ENTITY_IS_DELETED", "entity is deleted")
        return record

    def create(self, kind: str, values: dict[str, Any]) -> Record:
        """Raises: Refused, and nothing is made then."""
        stored = self._checked(kind, values, record=None)
        if kind == "Task":
            stored = {"Status": "Not Started", "Priority": "Normal", "OwnerId": self.user.id, **stored}
        if kind == "Contact":
            stored = {"OwnerId": self.user.id, **stored}
        return self._put(kind, stored)

    def change(self, record: Record, values: dict[str, Any]) -> None:
        """Raises: Refused, and nothing is changed then."""
        self._write(record, self._checked(record.kind, values, record=record))

    def delete(self, record: Record) -> None:
        """Into the recycle bin: its unique values are free again."""
        record.deleted = True
        record.values["IsDeleted"] = True
        self._keys = {key: owner for key, owner in self._keys.items() if owner != record.id}

    def merge(self, loser_id: str, winner_id: str) -> None:
        """The loser's activities move to the winner, which keeps its own values; the loser names it from the bin."""
        loser, winner = self.get("Contact", loser_id), self.get("Contact", winner_id)
        for task in self.records["Task"].values():
            if task.values.get("WhoId") == loser.id:
                task.values["WhoId"] = winner.id
        self.delete(loser)
        loser.values["MasterRecordId"] = winner.id

    def find_by_key(self, kind: str, name: str, value: str) -> Record | None:
        """By the value of an external id."""
        key = self.find_field(kind, name)
        found = self._keys.get((kind, key.name, _folded(key, value))) if key else None
        return self.records[kind][found] if found else None

    def _checked(self, kind: str, values: dict[str, Any], *, record: Record | None) -> dict[str, Any]:
        stored: dict[str, Any] = {}
        fields = {one.name.lower(): one for one in self.fields(kind)}
        for name, value in values.items():
            known = fields.get(name.lower())
            if known is None:
                raise no_such_column(name, kind)
            if known.read_only:
                message = (
                    f"Unable to create/update fields: {known.name}. Please check the security settings of this field."
                )
                raise Refused("INVALID_FIELD_FOR_INSERT_UPDATE", message, fields=[known.name])
            stored[known.name] = checked_value(known, value)
            if known.kind == "reference" and stored[known.name]:
                stored[known.name] = self._referred(known, stored[known.name])
        missing = [one.name for one in fields.values() if one.required and _lacks(stored, one, record)]
        if missing:
            message = f"Required fields are missing: [{', '.join(missing)}]"
            raise Refused("REQUIRED_FIELD_MISSING", message, fields=missing)
        for rule in self.rules:
            if rule.kind == kind and stored.get(rule.field) == rule.value:
                message = f"The administrator does not want {rule.value}."
                raise Refused("FIELD_CUSTOM_VALIDATION_EXCEPTION", message, fields=[rule.field])
        self._check_unique(kind, stored, record=record)
        return stored

    def _referred(self, known: Field, record_id: str) -> str:
        """The full id of what a reference names. Raises: Refused."""
        try:
            return self.get(known.targets[0], record_id).id
        except Refused as refused:
            raise Refused(refused.code, refused.message, fields=[known.name]) from None

    def _check_unique(self, kind: str, stored: dict[str, Any], *, record: Record | None) -> None:
        for one in self.fields(kind):
            value = stored.get(one.name) if one.unique else None
            owner = self._keys.get((kind, one.name, _folded(one, value))) if value else None
            if owner and (record is None or owner != record.id):
                message = f"duplicate value found: {one.name} duplicates value on record with id: {owner[:15]}"
                raise Refused("DUPLICATE_VALUE", message, fields=[one.name])
        if kind == "FieldPermissions" and any(
            all(other.values.get(name) == stored.get(name) for name in ("ParentId", "SobjectType", "Field"))
            for other in self.records[kind].values()
        ):
            raise Refused("DUPLICATE_VALUE", "duplicate value found: <unknown> duplicates value on record with id")

    def _put(self, kind: str, stored: dict[str, Any]) -> Record:
        record = Record(self._new_id(_PREFIXES[kind]), kind, {"IsDeleted": False, "CreatedDate": _now()})
        record.values["Id"] = record.id
        self.records[kind][record.id] = record
        self._write(record, stored)
        return record

    def _write(self, record: Record, stored: dict[str, Any]) -> None:
        for one in self.fields(record.kind):
            if (one.unique or one.external_id) and one.name in stored:
                old, new = record.values.get(one.name), stored[one.name]
                if old:
                    self._keys.pop((record.kind, one.name, _folded(one, old)), None)
                if new:
                    self._keys[record.kind, one.name, _folded(one, new)] = record.id
        record.values |= {**stored, "LastModifiedDate": _now(), "SystemModstamp": _now()}
        if record.kind == "Contact":
            names = [record.values.get("FirstName"), record.values.get("LastName")]
            record.values["Name"] = " ".join(one for one in names if one)
        if record.kind == "Task":
            record.values["IsClosed"] = record.values.get("Status") == "Completed"
        if record.kind in {"Contact", "Account"}:
            texts = {name: str(record.values[name]) for name in _SEARCHED if record.values.get(name)}
            if not record.indexed or record.indexed[-1][1] != texts:
                record.indexed.append((time.monotonic(), texts))
        if record.kind in {"FieldPermissions", "PermissionSetAssignment"}:
            self._look_again()

    def _look_again(self) -> None:
        """Which custom fields the user may see: those of the permission sets that are assigned to it."""
        mine = {
            one.values["PermissionSetId"]
            for one in self.records["PermissionSetAssignment"].values()
            if one.values["AssigneeId"] == self.user.id
        }
        self._visible = {}
        for one in self.records["FieldPermissions"].values():
            if one.values["ParentId"] in mine and one.values.get("PermissionsRead"):
                field_name = (one.values["SobjectType"], one.values["Field"].partition(".")[2])
                editable = bool(one.values.get("PermissionsEdit"))
                self._visible[field_name] = editable or self._visible.get(field_name, False)

    def _new_id(self, prefix: str) -> str:
        self._made += 1
        number, text = self._number * 10_000_000 + self._made, ""
        while number:
            number, digit = divmod(number, 62)
            text = _BASE_62[digit] + text
        return full_id(prefix + text.rjust(12, "0"))


class Orgs:
    """All orgs, one per client id; whoever comes first with an id decides what its secret is."""

    def __init__(self) -> None:
        self._by_client: dict[str, Org] = {}
        self._secrets: dict[str, str] = {}
        self.certificates: dict[str, str] = {}

    def of(self, client_id: str) -> Org:
        """The org of a client id; it is made when the id is new."""
        if client_id not in self._by_client:
            self._by_client[client_id] = Org(len(self._by_client) + 1)
        return self._by_client[client_id]

    def accepts(self, client_id: str, secret: str) -> bool:
        """Whether the secret is the one that belongs to the client id."""
        return secrets.compare_digest(self._secrets.setdefault(client_id, secret).encode(), secret.encode())


def full_id(short: str) -> str:
    """The 18 characters of a 15-character id: the last three say which of the others are capitals."""
    suffix = ""
    for start in (0, 5, 10):
        bits = sum(1 << place for place, one in enumerate(short[start : start + 5]) if one.isascii() and one.isupper())
        suffix += _DIGITS[bits]
    return short + suffix


def _folded(known: Field, value: str) -> str:
    return value if known.case_sensitive else value.lower()


def _lacks(stored: dict[str, Any], one: Field, record: Record | None) -> bool:
    return stored.get(one.name) is None if one.name in stored or record is None else False


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "+0000")
