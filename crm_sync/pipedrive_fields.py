"""What Earshot keeps on a Pipedrive person: its fields, found by their names because their keys differ per account."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from crm_sync.base import CrmError
from crm_sync.client import as_objects
from crm_sync.labels import FIELDS, SENTIMENTS, CustomerLabels, field_values

CUSTOMER_KEY = "earshot_customer_id"
LABELS_CODE = "label_ids"
OPTION_MISSING = "option_missing:"
# Pipedrive's names of the types, as its settings show them.
TYPE_NAMES = {"enum": "Single option", "double": "Numerical", "varchar": "Text", "text": "Large text"}
# There is no type for a moment; a text that begins with the year sorts as one. Topics are text: tenants add topics at any
# time, and one unknown option would refuse the whole record.
FIELD_TYPES = {
    "earshot_sentiment": "enum",
    "earshot_score": "double",
    "earshot_last_intent": "varchar",
    "earshot_topics": "text",
    "earshot_negative_30d": "double",
    "earshot_label": "varchar",
    "earshot_last_analyzed_at": "varchar",
    "earshot_last_summary": "text",
    CUSTOMER_KEY: "varchar",
}
_MAX_CHARS = {"varchar": 255, "text": 65_000}
# Labels of a person for accounts whose fields we may not make; an agent sees them in every list.
FALLBACK_LABELS = {sentiment: f"Earshot: {sentiment}" for sentiment in SENTIMENTS}


@dataclass(frozen=True)
class PersonField:
    """code: what the API calls it. options: label by id. is_optional: given only when asked for."""

    code: str
    name: str
    kind: str
    is_custom: bool
    is_optional: bool
    options: dict[int | str, str] = field(default_factory=dict[int | str, str])

    def option_id(self, label: str) -> int | str | None:
        """The option that people read as this label, however they wrote it."""
        return next((known for known, name in self.options.items() if name.lower() == label.lower()), None)


@dataclass(frozen=True)
class FieldMap:
    """The person fields of one account, in its own order."""

    fields: tuple[PersonField, ...]

    def ours(self, name: str) -> PersonField | None:
        """Our field, if there is one of this name whose type can hold our values."""
        named = self.named_as_ours(name)
        return next((one for one in named if _can_hold(one.kind, FIELD_TYPES[name])), None)

    def named_as_ours(self, name: str) -> list[PersonField]:
        """Custom fields of this name, of any type."""
        return [one for one in self.fields if one.is_custom and one.name == name]

    def find(self, name: str) -> PersonField | None:
        """A field by key or by name, as administrators know it."""
        by_code = next((one for one in self.fields if one.code == name), None)
        return by_code or next((one for one in self.fields if one.name.lower() == name.lower()), None)

    @property
    def our_part(self) -> tuple[PersonField | None, ...]:
        """What writing depends on; unchanged means that another try would be refused again."""
        return (*(self.ours(name) for name in FIELD_TYPES), self.find(LABELS_CODE))

    def missing(self) -> list[str]:
        """Names of our fields that are not there, or lack an option."""
        return [name for name in FIELD_TYPES if self.ours(name) is None or self.missing_options(name)]

    def missing_options(self, name: str) -> list[str]:
        """Sentiments that our field has no option for."""
        known = self.ours(name)
        if known is None or known.kind != "enum":
            return []
        return [one for one in SENTIMENTS if known.option_id(one) is None]

    @property
    def fallback_ids(self) -> dict[str, int]:
        """Option ids of our labels by sentiment, as far as the account has them."""
        labels = self.find(LABELS_CODE)
        known = {one: labels.option_id(name) for one, name in FALLBACK_LABELS.items()} if labels else {}
        return {one: option_id for one, option_id in known.items() if isinstance(option_id, int)}


def read_field_map(answered: Iterable[dict[str, Any]]) -> FieldMap:
    """The map of what GET /personFields gave."""
    return FieldMap(
        tuple(
            PersonField(
                code=str(one.get("field_code")),
                name=str(one.get("field_name")),
                kind=str(one.get("field_type")),
                is_custom=one.get("is_custom_field") is True,
                is_optional=one.get("is_optional_response_field") is True,
                options={
                    option["id"]: str(option.get("label"))
                    for option in as_objects(one.get("options"))
                    if isinstance(option.get("id"), int | str)
                },
            )
            for one in answered
        )
    )


def custom_values(
    fields: FieldMap, *, labels: CustomerLabels | None, customer_id: str, with_summary: bool
) -> dict[str, Any]:
    """Values by field key, for those of our fields that the account has; None clears.

    Raises: CrmError for a sentiment that no option may stand for.
    """
    # A card that is cleared may be an erased customer's: our id goes too.
    values = field_values(labels, with_summary=with_summary) | {CUSTOMER_KEY: customer_id if labels else ""}
    if labels is not None and labels.sentiment not in SENTIMENTS:
        raise CrmError(f"{OPTION_MISSING}earshot_sentiment", permanent=True)
    known = {name: fields.ours(name) for name in (*FIELDS, CUSTOMER_KEY) if name in values}
    return {one.code: _value(one, values[name]) for name, one in known.items() if one is not None}


def name_of(fields: FieldMap, code: str) -> str:
    """Our name for a key of ours."""
    return next((name for name in FIELD_TYPES if (one := fields.ours(name)) and one.code == code), "unknown")


def _can_hold(kind: str, wanted: str) -> bool:
    """A text field, large or small, can hold anything of ours."""
    return kind == wanted or kind in _MAX_CHARS


def _value(known: PersonField, text: str) -> Any:
    if not text:
        return None
    if known.kind == "enum":
        # An option that an administrator deleted: an empty field says nothing wrong, yesterday's sentiment would.
        return known.option_id(text)
    if known.kind == "double":
        number = float(text)
        return int(number) if number.is_integer() else number
    return text[: _MAX_CHARS[known.kind]]
