"""Salesforce's calls on many records at once, which answer 200 and say of each record whether it was done."""

from collections.abc import Callable
from functools import partial
from typing import Any

from devstack.standins.exchange import Answer, Request
from devstack.standins.salesforce_errors import Refused, no_such_resource
from devstack.standins.salesforce_fields import STANDARD
from devstack.standins.salesforce_org import Org, Record

MAX_RECORDS = 200
# What only somebody with the right to customize the application may make.
_SETUP = {"PermissionSet", "PermissionSetAssignment", "FieldPermissions"}


def answer_collection(org: Org, rest: str, request: Request, *, may_provision: bool) -> Answer:
    """One call below `/composite/sobjects`. Raises: Refused when none of it is done."""
    if request.method == "DELETE" and not rest:
        ids = [one for one in request.query.get("ids", "").split(",") if one]
        _check_size(ids)
        return Answer([_outcome(partial(_delete, org, one)) for one in ids])
    records = _checked_records(request.json_object())
    if request.method == "POST" and not rest:
        return Answer([_outcome(partial(_create, org, one, may_provision=may_provision)) for one in records])
    if request.method == "PATCH" and not rest:
        ids = [str(one.get("id") or one.get("Id")) for one in records]
        if len(set(ids)) < len(ids):
            raise Refused("INVALID_INPUT", "Duplicate id in list")
        return Answer([_outcome(partial(_update, org, one)) for one in records])
    kind, _, key = rest.partition("/")
    if request.method == "PATCH" and kind in STANDARD and key and "/" not in key:
        return Answer(_upsert(org, kind, key, records))
    raise no_such_resource()


def _checked_records(body: dict[str, Any]) -> list[dict[str, Any]]:
    records = body.get("records")
    if not isinstance(records, list) or not all(isinstance(one, dict) for one in records):
        raise Refused("JSON_PARSER_ERROR", "records must be a list of objects")
    if body.get("allOrNone") not in {None, False}:
        raise Refused("INVALID_INPUT", "this stand-in knows allOrNone only as false")
    _check_size(records)
    if any(one.get("attributes", {}).get("type") not in STANDARD for one in records):
        raise Refused("INVALID_INPUT", "each record needs attributes.type")
    return records


def _check_size(items: list[Any]) -> None:
    if len(items) > MAX_RECORDS:
        message = f"record limit reached. cannot submit more than {MAX_RECORDS} records into this call"
        raise Refused("EXCEEDED_ID_LIMIT", message)


def _outcome(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return {"success": True, "errors": [], **work()}
    except Refused as refused:
        if refused.whole:
            raise
        return {"success": False, "errors": [refused.item()]}


def _values(record: dict[str, Any], *without: str) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name.lower() not in {"attributes", *without}}


def _create(org: Org, record: dict[str, Any], *, may_provision: bool) -> dict[str, Any]:
    kind = record["attributes"]["type"]
    if kind in _SETUP and not may_provision:
        raise Refused("INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id")
    if "id" in {name.lower() for name in record}:
        raise Refused("INVALID_FIELD_FOR_INSERT_UPDATE", "cannot specify Id in an insert call", fields=["Id"])
    return {"id": org.create(kind, _values(record)).id}


def _update(org: Org, record: dict[str, Any]) -> dict[str, Any]:
    found = org.get(record["attributes"]["type"], str(record.get("id") or record.get("Id") or ""))
    org.change(found, _values(record, "id"))
    return {"id": found.id}


def _delete(org: Org, record_id: str) -> dict[str, Any]:
    kinds = {"003": "Contact", "001": "Account", "00T": "Task"}
    found = org.get(kinds.get(record_id[:3], "Contact"), record_id)
    org.delete(found)
    return {"id": found.id}


def _upsert(org: Org, kind: str, key: str, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    field = org.find_field(kind, key)
    if field is None or not field.external_id:
        message = f"Provided external ID field does not exist or is not accessible: {key}"
        raise Refused("NOT_FOUND", message, status=404)
    seen: set[str] = set()
    name = field.name
    return [_outcome(partial(_upsert_one, org, name, one, seen)) for one in records]


def _upsert_one(org: Org, key: str, record: dict[str, Any], seen: set[str]) -> dict[str, Any]:
    kind, value = record["attributes"]["type"], str(record.get(key) or "")
    if not value:
        raise Refused("MISSING_ARGUMENT", f"{key} not specified", fields=[key])
    if value in seen:
        raise Refused("DUPLICATE_VALUE", f"Duplicate external id specified: {value}", fields=[key])
    seen.add(value)
    there: Record | None = org.find_by_key(kind, key, value)
    if there is None:
        return {"id": org.create(kind, _values(record)).id, "created": True}
    org.change(there, _values(record, key.lower()))
    return {"id": there.id, "created": False}
