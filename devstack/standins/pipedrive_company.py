"""What one Pipedrive company holds: persons, organizations, deals, notes and activities."""

import itertools
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from devstack.standins.pipedrive_errors import invalid, not_found
from devstack.standins.pipedrive_fields import SEARCHABLE_TYPES, PersonFields

_KEPT_VERSIONS = 20
_PERSON_KEYS = {
    "name", "owner_id", "org_id", "emails", "phones", "visible_to", "label_ids", "marketing_status", "custom_fields",
    "add_time", "im", "postal_address", "notes", "birthday", "job_title",
}  # fmt: skip
_CONTACT_KEYS = {"value", "primary", "label"}


@dataclass
class Person:
    """values: the standard fields; custom: by field code. versions: what search may know, with the time of each."""

    id: int
    values: dict[str, Any]
    custom: dict[str, Any]
    versions: list[tuple[float, dict[str, Any]]] = field(default_factory=list[tuple[float, dict[str, Any]]])


@dataclass
class Company:
    """One account. Ids of persons, organizations, deals, notes and activities are counted each for itself."""

    number: int
    fields: PersonFields
    persons: dict[int, Person] = field(default_factory=dict[int, Person])
    organizations: dict[int, dict[str, Any]] = field(default_factory=dict[int, dict[str, Any]])
    deals: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    notes: dict[int, dict[str, Any]] = field(default_factory=dict[int, dict[str, Any]])
    activities: dict[int, dict[str, Any]] = field(default_factory=dict[int, dict[str, Any]])
    used: int = 0
    day_ends_at: float = 0.0
    ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1001))

    def person(self, number: Any) -> Person:
        """Raises: Refused when there is none."""
        known = self.persons.get(number)
        if known is None:
            raise not_found("Person")
        return known

    def save_person(self, person: Person | None, body: dict[str, Any]) -> Person:
        """Create (None) or change one. Raises: Refused, and nothing is changed then."""
        self._check_person(body, creating=person is None)
        now = _now()
        if person is None:
            start = {"name": "", "owner_id": 1, "org_id": None, "emails": [], "phones": [], "visible_to": 3}
            person = Person(next(self.ids), {**start, "label_ids": [], "add_time": now}, {})
            self.persons[person.id] = person
        person.values.update({name: value for name, value in body.items() if name != "custom_fields"})
        person.values["update_time"] = now
        person.custom.update(body.get("custom_fields") or {})
        person.versions = [*person.versions[-_KEPT_VERSIONS:], (time.monotonic(), self._searchable(person))]
        return person

    def shown(
        self, person: Person, *, include: Iterable[str] = (), only: Iterable[str] = (), labelled: bool = False
    ) -> dict[str, Any]:
        """As the API gives it. only: custom fields by code, all when empty."""
        wanted = set(only)
        custom = {
            one["field_code"]: _labelled(one, person.custom.get(one["field_code"]))
            if labelled
            else person.custom.get(one["field_code"])
            for one in self.fields.custom()
            if not wanted or one["field_code"] in wanted
        }
        counts = {name: self._count(name, person.id) for name in include}
        return {"id": person.id, **person.values, "is_deleted": False, **counts, "custom_fields": custom}

    def search(self, term: str, *, fields: list[str], exact: bool, lag_s: float) -> list[dict[str, Any]]:
        """Persons as search knew them lag_s ago, oldest first."""
        latest = time.monotonic() - lag_s
        seen = [
            next((known for at, known in reversed(one.versions) if at <= latest), None) for one in self.persons.values()
        ]
        return [one for one in seen if one is not None and _fits(one, term.lower(), fields, exact=exact)]

    def merge(self, loser: int, winner: int) -> None:
        """The loser is gone; the winner has its numbers, notes and activities too."""
        gone, kept = self.persons.pop(loser), self.person(winner)
        more = {name: [*kept.values[name], *gone.values[name]] for name in ("phones", "emails")}
        blanks = {code: value for code, value in gone.custom.items() if kept.custom.get(code) is None}
        self.save_person(kept, {**more, "custom_fields": {c: v for c, v in blanks.items() if v is not None}})
        for one in itertools.chain(self.notes.values(), self.activities.values(), self.deals):
            if one.get("person_id") == loser:
                one["person_id"] = winner

    def _check_person(self, body: dict[str, Any], *, creating: bool) -> None:
        if unknown := set(body) - _PERSON_KEYS:
            raise invalid(f"Unrecognized key(s) in object: {sorted(unknown)}")
        if (creating or "name" in body) and not (isinstance(body.get("name"), str) and body["name"].strip()):
            raise invalid("name is required")
        for name in ("phones", "emails"):
            items = body.get(name) or []
            if not all(isinstance(one, dict) and set(one) <= _CONTACT_KEYS and one.get("value") for one in items):
                raise invalid(f"{name} must be a list of values")
        if body.get("org_id") is not None and body["org_id"] not in self.organizations:
            raise not_found("Organization")
        self.fields.check_labels(body.get("label_ids") or [])
        self.fields.check_values(body.get("custom_fields") or {})

    def _count(self, name: str, person_id: int) -> int:
        kind = name.removesuffix("_deals_count")
        if kind != name:
            return sum(one["person_id"] == person_id and one["status"] == kind for one in self.deals)
        things = self.notes if name == "notes_count" else self.activities
        return sum(one["person_id"] == person_id for one in things.values())

    def _searchable(self, person: Person) -> dict[str, Any]:
        texts = [
            str(person.custom[one["field_code"]])
            for one in self.fields.custom()
            if one["field_type"] in SEARCHABLE_TYPES and person.custom.get(one["field_code"]) is not None
        ]
        return {
            "id": person.id,
            "type": "person",
            "name": person.values["name"],
            "phones": [one["value"] for one in person.values["phones"]],
            "emails": [one["value"] for one in person.values["emails"]],
            "visible_to": person.values["visible_to"],
            "owner": {"id": person.values["owner_id"]},
            "organization": None,
            "custom_fields": texts,
            "notes": [],
        }


def _labelled(known: dict[str, Any], value: Any) -> Any:
    options = {one["id"]: one for one in known["options"] or []}
    if known["field_type"] == "enum" and value is not None:
        return options.get(value, {"id": value, "label": None})
    if known["field_type"] == "set" and value:
        return [options.get(one, {"id": one, "label": None}) for one in value]
    return value


def _fits(known: dict[str, Any], term: str, fields: list[str], *, exact: bool) -> bool:
    """Pipedrive reads through the punctuation of a telephone number unless the match must be exact."""
    names = {"email": "emails", "phone": "phones", "custom_fields": "custom_fields"}
    texts = [text for name in fields if name in names for text in known[names[name]]]
    texts += [known["name"]] if "name" in fields else []
    if exact:
        return any(text.lower() == term for text in texts)
    digits = "".join(filter(str.isdigit, term)) if "phone" in fields else ""
    return any(term in text.lower() for text in texts) or bool(
        digits and any(digits in "".join(filter(str.isdigit, text)) for text in known["phones"])
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
