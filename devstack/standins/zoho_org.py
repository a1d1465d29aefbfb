"""What one Zoho CRM account holds: the records of its modules, their fields, tags and deletions."""

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from devstack.standins.zoho_errors import Refused, missing, unknown_id
from devstack.standins.zoho_fields import MODULES, Fields

MAX_TAG_CHARS = 25
MAX_TAGGED = 500


@dataclass
class Record:
    """One record. versions: (when, values), oldest first, from which the search index learns."""

    id: str
    values: dict[str, Any]
    created_at: str
    updated_at: str
    tags: list[str] = field(default_factory=list[str])
    versions: list[tuple[float, dict[str, Any]]] = field(default_factory=list[tuple[float, dict[str, Any]]])

    def indexed(self, *, lag_s: float) -> dict[str, Any] | None:
        """The values that search knows; None while it does not know the record."""
        seen = [values for at, values in self.versions if at + lag_s <= time.monotonic()]
        return seen[-1] if seen else None

    def shown(self, names: list[str] | None = None) -> dict[str, Any]:
        """As the API gives it. names: the fields that were asked for; None: all."""
        system = {"Created_Time": self.created_at, "Modified_Time": self.updated_at}
        tags = {"Tag": [{"name": one} for one in self.tags]}
        everything = {**self.values, **system, **tags, "id": self.id}
        return {"id": self.id} | ({name: everything.get(name) for name in names} if names else everything)


@dataclass
class Org:
    """One account."""

    number: int
    new_id: Callable[[], str]
    records: dict[str, dict[str, Record]] = field(default_factory=lambda: {module: {} for module in MODULES})
    fields: dict[str, Fields] = field(init=False)
    # Record by unique value: (module, field, value in lower case) to id.
    keys: dict[tuple[str, str, str], str] = field(default_factory=dict[tuple[str, str, str], str])

    def __post_init__(self) -> None:
        """Fields get ids as records do."""
        self.fields = {module: Fields(module, self.new_id) for module in MODULES}

    def get(self, module: str, record_id: Any, *, name: str = "id") -> Record:
        """Raises: Refused when there is none; name: the field that asked for it."""
        record = self.records[module].get(str(record_id))
        if record is None:
            raise unknown_id(name)
        return record

    def find_unique(self, module: str, name: str, value: Any) -> Record | None:
        """The record that has this value of a unique field."""
        return self.records[module].get(self.keys.get((module, name, str(value).lower()), ""))

    def insert(self, module: str, values: dict[str, Any]) -> Record:
        """A new record. Raises: Refused."""
        kept = self._checked(module, values, record=None)
        for name in self.fields[module].mandatory:
            if not kept.get(name):
                raise missing(name)
        now = moment()
        record = Record(self.new_id(), {name: one for name, one in kept.items() if one is not None}, now, now)
        self.records[module][record.id] = record
        self._remember(module, record, before={})
        return record

    def update(self, module: str, record: Record, values: dict[str, Any]) -> Record:
        """Raises: Refused, and nothing is changed then."""
        kept = self._checked(module, values, record=record)
        for name in self.fields[module].mandatory:
            if name in kept and not kept[name]:
                raise missing(name)
        before = record.values
        record.values = {name: one for name, one in (record.values | kept).items() if one is not None}
        record.updated_at = moment()
        self._remember(module, record, before=before)
        return record

    def upsert(self, module: str, values: dict[str, Any], check_fields: list[str]) -> tuple[Record, str, str | None]:
        """The record, "insert" or "update", and the field by which it was there. Raises: Refused."""
        for name in check_fields:
            if name not in self.fields[module].unique_names():
                raise Refused(400, "INVALID_DATA", "invalid data", api_name="duplicate_check_fields")
            if values.get(name) and (record := self.find_unique(module, name, values[name])):
                return self.update(module, record, values), "update", name
        return self.insert(module, values), "insert", None

    def delete(self, module: str, record_id: str) -> None:
        """With its notes. Raises: Refused when it is not there."""
        self._forget(module, self.get(module, record_id))
        if module == "Contacts":
            for note in [one for one in self.records["Notes"].values() if one.values["Parent_Id"]["id"] == record_id]:
                del self.records["Notes"][note.id]

    def merge(self, loser: str, winner: str) -> None:
        """The winner keeps its values and gets the loser's where it has none; notes and tasks move; the loser is gone."""
        gone, kept = self.get("Contacts", loser), self.get("Contacts", winner)
        for module, name in (("Notes", "Parent_Id"), ("Tasks", "Who_Id")):
            for one in self.records[module].values():
                if (one.values.get(name) or {}).get("id") == loser:
                    one.values[name] = {"id": winner}
        self._forget("Contacts", gone)
        before = kept.values
        kept.values = gone.values | kept.values
        kept.tags += [tag for tag in gone.tags if tag not in kept.tags]
        self._remember("Contacts", kept, before=before)

    def _remember(self, module: str, record: Record, *, before: dict[str, Any]) -> None:
        record.versions.append((time.monotonic(), dict(record.values)))
        for name in self.fields[module].unique_names():
            self.keys.pop((module, name, str(before.get(name)).lower()), None)
            if record.values.get(name):
                self.keys[module, name, str(record.values[name]).lower()] = record.id

    def _forget(self, module: str, record: Record) -> None:
        del self.records[module][record.id]
        for name in self.fields[module].unique_names():
            self.keys.pop((module, name, str(record.values.get(name)).lower()), None)

    def _checked(self, module: str, values: dict[str, Any], *, record: Record | None) -> dict[str, Any]:
        """Names that the module lacks are passed over in silence, as Zoho does."""
        fields = self.fields[module]
        kept = {name: value for name, value in values.items() if name in fields.known}
        for name, value in kept.items():
            fields.check(name, value)
            if value and fields.known[name]["data_type"] == "lookup":
                self.get(fields.known[name]["lookup"]["module"]["api_name"], value["id"], name=name)
        for name in fields.unique_names():
            owner = self.find_unique(module, name, kept[name]) if kept.get(name) else None
            if owner is not None and owner is not record:
                raise Refused(400, "DUPLICATE_DATA", "duplicate data", api_name=name, id=owner.id)
        return kept


class Orgs:
    """All accounts, one for each refresh token."""

    def __init__(self) -> None:
        self._by_credential: dict[str, Org] = {}
        numbers = itertools.count(5_725_767_000_000_001_001)
        self._new_id = lambda: str(next(numbers))

    def of(self, credential: str) -> Org:
        """The account of a refresh token; it is made when the token is new."""
        if credential not in self._by_credential:
            self._by_credential[credential] = Org(700_000_001 + len(self._by_credential), self._new_id)
        return self._by_credential[credential]


def change_tags(org: Org, module: str, body: dict[str, Any], *, add: bool) -> tuple[int, dict[str, Any]]:
    """One call of add_tags or remove_tags. Raises: Refused when none of it is done."""
    ids, tags = body.get("ids"), body.get("tags")
    for name, given in (("ids", ids), ("tags", tags)):
        if not isinstance(given, list) or not given:
            raise missing(name)
    names = [str(one.get("name")) for one in tags or []]
    if any(len(one) > MAX_TAG_CHARS for one in names):
        raise Refused(400, "INVALID_DATA", "invalid data", api_name="name", maximum_length=MAX_TAG_CHARS)
    if len(ids or []) > MAX_TAGGED:
        raise Refused(400, "LIMIT_EXCEEDED", "Limit exceeded", limit=MAX_TAGGED)
    results: list[dict[str, Any]] = []
    for index, record_id in enumerate(ids or []):
        try:
            record = org.get(module, record_id)
        except Refused as refused:
            results.append(refused.item(index, list_name="ids"))
            continue
        others = [one for one in record.tags if one not in names]
        record.tags = others + names if add else others
        details = {"id": record.id, "tags": record.tags}
        results.append({"code": "SUCCESS", "details": details, "message": "tags updated", "status": "success"})
    return 200, {"data": results, "wf_scheduler": False, "locked_count": "0"}


def moment() -> str:
    """Now, as Zoho writes it."""
    return datetime.now(UTC).isoformat(timespec="seconds")
