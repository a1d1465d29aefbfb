"""Values of the tenant's own fields: a person's, or with a dotted name ("org.annual_revenue") its organization's."""

from collections.abc import Iterable
from typing import Any, cast

from crm_sync.base import FIELD_MISSING, RECORD_NOT_FOUND, CrmError
from crm_sync.client import as_object, as_objects
from crm_sync.pipedrive_api import MAX_IDS, PipedriveApi
from crm_sync.pipedrive_fields import PersonField
from crm_sync.pipedrive_provision import KnownFields
from crm_sync.pipedrive_writing import is_record_id

Values = dict[str, str | None]
MAX_CUSTOM_KEYS = 15
_ORGANIZATION = ("org.", "organization.")
# Fields that come only when they are asked for (API v2, include_fields).
_ORGANIZATION_OPTIONAL = {
    "next_activity_id", "last_activity_id", "open_deals_count", "related_open_deals_count", "closed_deals_count",
    "related_closed_deals_count", "email_messages_count", "people_count", "activities_count", "done_activities_count",
    "undone_activities_count", "files_count", "notes_count", "followers_count", "won_deals_count",
    "related_won_deals_count", "lost_deals_count", "related_lost_deals_count",
}  # fmt: skip


def read_values(
    api: PipedriveApi, known: KnownFields, record_ids: list[str], names: tuple[str, ...]
) -> dict[str, Values]:
    """By record id; None where empty; persons that are gone are left out.

    Raises: CrmError "field_missing:<name>" for a field that the account lacks.
    """
    if not record_ids:
        return {}
    own = {name: _known_field(known, name) for name in names if not name.startswith(_ORGANIZATION)}
    dotted = [name for name in names if name not in own]
    organizations: dict[int, dict[str, Any] | None] = {}
    values: dict[str, Values] = {}
    ids = [one for one in record_ids if is_record_id(one)]
    for start in range(0, len(ids), MAX_IDS):
        for person in api.persons(ids[start : start + MAX_IDS], **_asking_for(own.values())):
            values[str(person.get("id"))] = {name: _text(_raw(person, one), one) for name, one in own.items()}
            if dotted:
                company = _organization(api, person.get("org_id"), dotted, organizations)
                values[str(person.get("id"))] |= {name: _organization_text(company, name) for name in dotted}
    return {record_id: values[record_id] for record_id in record_ids if record_id in values}


def _known_field(known: KnownFields, name: str) -> PersonField:
    """A field made a moment ago is not in what was read before."""
    found = known.current().find(name) or known.reread().find(name)
    if found is None:
        raise CrmError(FIELD_MISSING + name, permanent=True)
    return found


def _asking_for(fields: Iterable[PersonField]) -> dict[str, str]:
    custom = [one.code for one in fields if one.is_custom]
    optional = [one.code for one in fields if one.is_optional]
    asked = {"include_option_labels": "true"}
    if custom and len(custom) <= MAX_CUSTOM_KEYS:
        asked["custom_fields"] = ",".join(custom)
    if optional:
        asked["include_fields"] = ",".join(optional)
    return asked


def _organization(
    api: PipedriveApi, org_id: object, names: list[str], fetched: dict[int, dict[str, Any] | None]
) -> dict[str, Any] | None:
    """The organization, fetched once; None when the person has none, or it is gone."""
    if not isinstance(org_id, int):
        return None
    if org_id not in fetched:
        optional = sorted({_inner(name) for name in names} & _ORGANIZATION_OPTIONAL)
        asked = {"include_option_labels": "true", **({"include_fields": ",".join(optional)} if optional else {})}
        try:
            fetched[org_id] = api.organization(org_id, **asked)
        except CrmError as error:
            if error.code != RECORD_NOT_FOUND:
                raise
            fetched[org_id] = None
    return fetched[org_id]


def _organization_text(company: dict[str, Any] | None, name: str) -> str | None:
    if company is None:
        return None
    inner, custom = _inner(name), as_object(company.get("custom_fields"))
    if inner not in company and inner not in custom:
        raise CrmError(FIELD_MISSING + name, permanent=True)
    return as_text(company.get(inner, custom.get(inner)))


def _inner(name: str) -> str:
    return name.partition(".")[2]


def _raw(person: dict[str, Any], known: PersonField) -> object:
    return as_object(person.get("custom_fields")).get(known.code) if known.is_custom else person.get(known.code)


def _text(value: object, known: PersonField) -> str | None:
    """Ids of options that came bare are given as their labels."""
    items = cast("list[object]", value) if isinstance(value, list) else [value]
    names = [known.options[one] for one in items if isinstance(one, int | str) and one in known.options]
    return "; ".join(names) if names and len(names) == len(items) else as_text(value)


def as_text(value: object) -> str | None:
    """What an administrator sees in the field; None when it is empty."""
    if value is None or value in ("", [], {}):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, dict):
        shown = as_object(value)
        return as_text(shown["label"] if "label" in shown and "value" not in shown else shown.get("value"))
    if isinstance(value, list):
        # Telephones and addresses: the first that is marked as primary; options: all.
        objects = as_objects(value)
        primary = [one for one in objects if one.get("primary")]
        texts = [as_text(one) for one in primary or cast("list[object]", value)]
        return "; ".join(one for one in texts if one) or None
    return str(value)
