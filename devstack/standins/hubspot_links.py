"""How HubSpot's records hang together: which kinds of links there are, and the calls that make and list them."""

import re
from typing import Any

from devstack.standins.exchange import Answer
from devstack.standins.hubspot_errors import Refused, invalid, no_such_path
from devstack.standins.hubspot_portal import KINDS, Portal

_BATCH = re.compile(r"^/crm/associations/2026-09/([a-z]+)/([a-z]+)/batch/(read|associate/default)$")
_OF_ONE = re.compile(r"^(\d+)/associations/([a-z]+)$")
_DEFAULT = re.compile(r"^(\d+)/associations/default/([a-z]+)/(\d+)$")
# HubSpot's own link types, from one type to another; the first is what a link gets that names none.
LINK_TYPES = {
    ("notes", "contacts"): (202,),
    ("contacts", "notes"): (201,),
    ("tasks", "contacts"): (204,),
    ("contacts", "tasks"): (203,),
    ("contacts", "companies"): (279, 1),
    ("companies", "contacts"): (280, 2),
    ("notes", "companies"): (190,),
    ("companies", "notes"): (189,),
    ("tasks", "companies"): (192,),
    ("companies", "tasks"): (191,),
}
PAGE = 500
# A record as the end of a link: type and id.
_End = tuple[str, str]
MAX_INPUTS = 1000


def known_kind(kind: str) -> str:
    """Raises: Refused for a type that this stand-in does not have."""
    if kind not in KINDS:
        raise invalid(f"Unable to infer object type from: {kind}")
    return kind


def link_target(portal: Portal, kind: str, association: Any) -> tuple[str, str]:
    """(type, id) of what a new record is hung on. Raises: Refused."""
    try:
        target_id = str(association["to"]["id"])
        types = [(one["associationCategory"], one["associationTypeId"]) for one in association["types"]]
    except (KeyError, TypeError):
        raise invalid("an association needs to.id and types") from None
    allowed = {
        ("HUBSPOT_DEFINED", number): target
        for (source, target), numbers in LINK_TYPES.items()
        if source == kind
        for number in numbers
    }
    target_kind = next((allowed[one] for one in types if one in allowed), None)
    if target_kind is None:
        raise invalid(f"associations of {kind} must have one of the types {sorted(allowed)}")
    target = portal.find(target_kind, target_id)
    if target is None:
        raise invalid("One or more associations are not valid", context={"ids": [target_id]})
    return target_kind, target.id


def answer_links_of_one(portal: Portal, kind: str, rest: str, method: str) -> Answer:
    """A call below `/crm/objects/2026-09/{type}/{id}/associations`. Raises: Refused."""
    if (match := _DEFAULT.match(rest)) and method == "PUT":
        return Answer({"status": "COMPLETE", "results": [_link(portal, (kind, match[1]), (match[2], match[3]))]})
    if (match := _OF_ONE.match(rest)) and method == "GET":
        return Answer({"results": _listed(portal, kind, match[1], known_kind(match[2]))})
    raise no_such_path()


def is_link_batch(path: str) -> bool:
    """Whether `answer_link_batch` knows the path."""
    return bool(_BATCH.match(path))


def answer_link_batch(portal: Portal, method: str, path: str, body: dict[str, Any]) -> Answer:
    """A call below `/crm/associations/2026-09`. Raises: Refused."""
    match = _BATCH.match(path)
    inputs = body.get("inputs")
    if match is None or method != "POST":
        raise no_such_path()
    if not isinstance(inputs, list) or len(inputs) > MAX_INPUTS:
        raise invalid(f"inputs must be a list of at most {MAX_INPUTS}")
    kind, other_kind = known_kind(match[1]), known_kind(match[2])
    try:
        if match[3] == "read":
            return _read(portal, kind, other_kind, inputs)
        return _make(portal, [((kind, str(one["from"]["id"])), (other_kind, str(one["to"]["id"]))) for one in inputs])
    except (KeyError, TypeError):
        raise invalid("Some required fields were not set") from None


def _make(portal: Portal, pairs: list[tuple[_End, _End]]) -> Answer:
    """What can't be linked is an error beside the results."""
    results: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    for one, other in pairs:
        try:
            results.append(_link(portal, one, other))
        except Refused as refused:
            errors.append(refused.item())
    answer: dict[str, Any] = {"status": "COMPLETE", "results": results}
    return Answer({**answer, "numErrors": len(errors), "errors": errors}, 207) if errors else Answer(answer)


def _read(portal: Portal, kind: str, other_kind: str, inputs: list[dict[str, Any]]) -> Answer:
    """Records that are not there, or have no such link, are errors beside the results."""
    results: list[dict[str, Any]] = []
    absent: list[str] = []
    for one in inputs:
        object_id, start = str(one["id"]), int(one.get("after") or 0)
        links = _listed(portal, kind, object_id, other_kind) if portal.find(kind, object_id) else []
        if not links:
            absent.append(object_id)
            continue
        result: dict[str, Any] = {"from": {"id": object_id}, "to": links[start : start + PAGE]}
        if start + PAGE < len(links):
            result["paging"] = {"next": {"after": str(start + PAGE)}}
        results.append(result)
    answer: dict[str, Any] = {"status": "COMPLETE", "results": results}
    if not absent:
        return Answer(answer)
    message = f"No {other_kind} is associated with {kind} {', '.join(absent)}."
    error = {"status": "error", "category": "OBJECT_NOT_FOUND", "message": message, "context": {"fromObjectId": absent}}
    return Answer({**answer, "numErrors": 1, "errors": [{**error, "errors": [], "links": {}}]}, 207)


def _listed(portal: Portal, kind: str, object_id: str, other_kind: str) -> list[dict[str, Any]]:
    types = [{"category": "HUBSPOT_DEFINED", "typeId": _type_between(kind, other_kind), "label": None}]
    return [{"toObjectId": one, "associationTypes": types} for one in portal.linked(kind, object_id, other_kind)]


def _link(portal: Portal, one: _End, other: _End) -> dict[str, Any]:
    (kind, object_id), (other_kind, other_id) = one, other
    portal.link(kind, object_id, known_kind(other_kind), other_id)
    spec = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": _type_between(kind, other_kind)}
    return {"from": {"id": object_id}, "to": {"id": other_id}, "associationSpec": spec}


def _type_between(kind: str, other_kind: str) -> int:
    if (kind, other_kind) not in LINK_TYPES:
        raise invalid(f"{kind} and {other_kind} cannot be associated")
    return LINK_TYPES[kind, other_kind][0]
