"""Making Earshot's fields in Zoho CRM: read, create what is missing, report what an administrator must make by hand."""

from collections.abc import Sequence
from typing import Any

from crm_sync.base import CrmError, ProvisionReport
from crm_sync.batches import send_in_batches
from crm_sync.client import CrmClient, as_object, as_objects
from crm_sync.zoho_answers import NO_PERMISSION, SCOPE_MISMATCH, RecordsRefusedError, error_of
from crm_sync.zoho_fields import API, FIELDS

# Zoho's own limit.
FIELDS_PER_CALL = 5
_PATH = f"{API}/settings/fields"
_PARAMS = {"module": "Contacts"}
_BY_HAND = {"picklist": "Pick List", "double": "Decimal", "text": "Single Line", "textarea": "Multi-Line (Small)",
            "integer": "Number", "datetime": "Date/Time"}  # fmt: skip


def provision(client: CrmClient, *, dry_run: bool = False) -> ProvisionReport:
    """Names are "Contacts.earshot_score"; a missing one says what to make, where, and why Earshot did not.

    Raises: CrmError when Zoho can't be asked at all.
    """
    before = after = read_fields(client)
    reasons: dict[str, str] = {}
    absent = [one for one in FIELDS if one["field_label"] not in before]
    if absent and not dry_run:
        reasons = _create(client, absent)
        after = read_fields(client)
    names = [str(one["field_label"]) for one in FIELDS]
    problems = {one["field_label"]: unusable(one, after) for one in FIELDS}
    good = {name for name in names if not problems[name]}
    return ProvisionReport(
        created=tuple(f"Contacts.{name}" for name in names if name in good and name not in before),
        present=tuple(f"Contacts.{name}" for name in names if name in good and name in before),
        missing=tuple(
            _to_make(one, reasons.get(one["field_label"]) or problems[one["field_label"]])
            for one in FIELDS
            if one["field_label"] not in good
        ),
    )


def read_fields(client: CrmClient) -> dict[str, dict[str, Any]]:
    """All fields of contacts by name. Raises: CrmError."""
    answer = client.get(_PATH, params=_PARAMS)
    fields = as_objects(answer.get("fields"))
    if not fields:
        raise CrmError("answer_incomplete", permanent=False)
    return {str(one.get("api_name")): one for one in fields}


def usable_names(fields: dict[str, dict[str, Any]]) -> frozenset[str]:
    """Those of our fields that are there and take our values."""
    return frozenset(str(one["field_label"]) for one in FIELDS if not unusable(one, fields))


def unusable(wanted: dict[str, Any], fields: dict[str, dict[str, Any]]) -> str:
    """Why a field of ours can't be written to; "" when it can."""
    there = fields.get(wanted["field_label"])
    if there is None:
        return "not_created"
    if there.get("data_type") != wanted["data_type"]:
        return "another_type"
    options = {one.get("actual_value") or one.get("display_value") for one in as_objects(there.get("pick_list_values"))}
    if any(one["actual_value"] not in options for one in wanted.get("pick_list_values", [])):
        return "options_missing"
    if wanted.get("unique") and not as_object(there.get("unique")):
        return "not_unique"
    return ""


def _create(client: CrmClient, absent: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Why fields were refused, by name. A refusal may also mean that another worker was faster."""

    def send(batch: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
        try:
            answer = client.request("POST", _PATH, params=_PARAMS, payload={"fields": list(batch)}, idempotent=True)
            items = as_objects(answer.get("fields"))
        except RecordsRefusedError as error:
            items = error.items
        if len(items) != len(batch):
            # Refused as a whole, for a reason that names no field.
            raise error_of(items[0] if items else {})
        return [
            (one["field_label"], "" if item.get("status") == "success" else error_of(item).code)
            for one, item in zip(batch, items, strict=True)
        ]

    try:
        return dict(
            send_in_batches(
                absent, size=FIELDS_PER_CALL, send=send, refused=lambda one, error: (one["field_label"], error.code)
            )
        )
    except CrmError as error:
        if error.code not in {SCOPE_MISMATCH, NO_PERMISSION}:
            raise
        return {one["field_label"]: error.code for one in absent}


def _to_make(field: dict[str, Any], why: str) -> str:
    """A line of the administrator's list."""
    parts = [_BY_HAND[field["data_type"]]]
    if field["data_type"] == "text":
        parts.append(f"{field['length']} characters")
    if options := field.get("pick_list_values"):
        parts.append("options " + ", ".join(one["actual_value"] for one in options))
    if field.get("unique"):
        parts.append("do not allow duplicate values")
    where = "Setup > Customization > Modules and Fields > Contacts"
    return f"Contacts.{field['field_label']}: {'; '.join(parts)}; {where} ({why})"
