"""HubSpot's CRM API, version 2026-09, as far as Earshot calls it. Each token is a portal of its own."""

import itertools
import re
from dataclasses import dataclass, field
from typing import Any

from devstack.standins.recording import Answer, Request, StandIn

_OBJECTS = "/crm/objects/2026-09/"
_PROPERTIES = "/crm/properties/2026-09/"
_BUILT_IN = {
    "contacts": ("email", "firstname", "lastname", "phone", "mobilephone", "lifecyclestage", "hs_lead_status",
                 "hs_calculated_phone_number", "hs_calculated_mobile_number",
                 "hs_searchable_calculated_phone_number", "hs_searchable_calculated_mobile_number"),
    "notes": ("hs_timestamp", "hs_note_body"),
    "tasks": ("hs_timestamp", "hs_task_subject", "hs_task_body", "hs_task_type", "hs_task_status", "hs_task_priority"),
}  # fmt: skip
_CALCULATED = {"phone": "phone_number", "mobilephone": "mobile_number"}
# Country calling codes of the samples, for the national number that HubSpot makes searchable.
_CALLING_CODES = ("90", "49", "971", "44", "1", "52", "54", "55", "966", "20")


@dataclass
class _Portal:
    """What one account holds. objects: type → id → properties."""

    objects: dict[str, dict[str, dict[str, str]]] = field(default_factory=lambda: {kind: {} for kind in _BUILT_IN})
    properties: dict[str, dict[str, dict[str, Any]]] = field(
        default_factory=lambda: {
            kind: {
                name: {"name": name, "type": "string", "fieldType": "text", "groupName": "built_in"} for name in names
            }
            for kind, names in _BUILT_IN.items()
        }
    )
    groups: dict[str, set[str]] = field(default_factory=lambda: {kind: {"built_in"} for kind in _BUILT_IN})
    links: set[tuple[str, str, str, str]] = field(default_factory=set)


class _Refused(Exception):
    def __init__(self, status: int, category: str, message: str) -> None:
        super().__init__(message)
        self.answer = Answer(
            {"status": "error", "message": message, "correlationId": "stand-in", "category": category}, status
        )


class HubSpot(StandIn):
    """All portals in one application."""

    def __init__(self) -> None:
        super().__init__()
        self._portals: dict[str, _Portal] = {}
        self._ids = itertools.count(1001)

    def handle(self, request: Request) -> Answer:
        """One API call."""
        if not request.bearer:
            return _Refused(401, "INVALID_AUTHENTICATION", "Authentication credentials not found.").answer
        with self.lock:
            portal = self._portals.setdefault(request.bearer, _Portal())
            try:
                return self._route(portal, request)
            except _Refused as refused:
                return refused.answer

    def _route(self, portal: _Portal, request: Request) -> Answer:
        body = request.json() if request.body else {}
        if request.path.startswith(_PROPERTIES):
            kind, _, rest = request.path.removeprefix(_PROPERTIES).partition("/")
            return self._properties(portal, kind, rest, request.method, body)
        if request.path.startswith(_OBJECTS):
            kind, _, rest = request.path.removeprefix(_OBJECTS).partition("/")
            if kind in portal.objects:
                return self._objects(portal, kind, rest, request.method, body)
        if request.path == "/account-info/2026-09/details":
            return Answer({"portalId": 1, "accountType": "DEVELOPER_TEST", "timeZone": "UTC"})
        raise _Refused(404, "OBJECT_NOT_FOUND", "No such path.")

    def _properties(self, portal: _Portal, kind: str, rest: str, method: str, body: Any) -> Answer:
        known = portal.properties.get(kind)
        if known is None:
            raise _Refused(404, "OBJECT_NOT_FOUND", "Unknown object type.")
        if method == "GET" and not rest:
            return Answer({"results": list(known.values())})
        if method == "POST" and rest == "groups":
            if body["name"] in portal.groups[kind]:
                raise _Refused(409, "CONFLICT", "Property group already exists.")
            portal.groups[kind].add(body["name"])
            return Answer(body, 201)
        if method == "POST" and rest in {"", "batch/create"}:
            inputs = body["inputs"] if rest else [body]
            for item in inputs:
                self._add_property(portal, kind, item)
            return Answer({"status": "COMPLETE", "results": inputs}, 201)
        raise _Refused(404, "OBJECT_NOT_FOUND", "No such path.")

    @staticmethod
    def _add_property(portal: _Portal, kind: str, item: dict[str, Any]) -> None:
        missing = {"name", "label", "type", "fieldType", "groupName"} - set(item)
        if missing:
            raise _Refused(400, "VALIDATION_ERROR", f"Missing {sorted(missing)}.")
        if item["groupName"] not in portal.groups[kind]:
            raise _Refused(400, "VALIDATION_ERROR", "The property group does not exist.")
        if item["name"] in portal.properties[kind]:
            raise _Refused(409, "CONFLICT", f"Property {item['name']} already exists.")
        portal.properties[kind][item["name"]] = dict(item)

    def _objects(self, portal: _Portal, kind: str, rest: str, method: str, body: Any) -> Answer:
        objects = portal.objects[kind]
        if rest == "" and method == "GET":
            return Answer({"results": [_shown(object_id, values) for object_id, values in objects.items()]})
        if rest == "" and method == "POST":
            return Answer(self._create(portal, kind, body), 201)
        if rest == "search" and method == "POST":
            return Answer(_search(objects, body))
        if rest.startswith("batch/") and method == "POST":
            inputs = (
                [{"idProperty": body["idProperty"], **item} for item in body["inputs"]]
                if "idProperty" in body
                else body["inputs"]
            )
            return self._batch(portal, kind, rest.removeprefix("batch/"), inputs)
        if match := re.match(r"^(\d+)/associations/default/(\w+)/(\d+)$", rest):
            portal.links.add((kind, match[1], match[2], match[3]))
            return Answer({"status": "COMPLETE", "results": []})
        if match := re.match(r"^(\d+)/associations/(\w+)$", rest):
            return Answer(
                {"results": [{"toObjectId": linked} for linked in self._linked(portal, kind, match[1], match[2])]}
            )
        if rest in objects and method == "GET":
            return Answer(_shown(rest, objects[rest]))
        if rest in objects and method == "PATCH":
            self._change(portal, kind, rest, body["properties"])
            return Answer(_shown(rest, objects[rest]))
        raise _Refused(404, "OBJECT_NOT_FOUND", "Object not found.")

    @staticmethod
    def _linked(portal: _Portal, kind: str, object_id: str, other: str) -> list[str]:
        forward = [b for a_kind, a, b_kind, b in portal.links if (a_kind, a, b_kind) == (kind, object_id, other)]
        backward = [a for a_kind, a, b_kind, b in portal.links if (b_kind, b, a_kind) == (kind, object_id, other)]
        return sorted({*forward, *backward})

    def _create(self, portal: _Portal, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        properties = body["properties"]
        email = properties.get("email")
        if email:
            for object_id, values in portal.objects[kind].items():
                if values.get("email", "").lower() == email.lower():
                    raise _Refused(409, "CONFLICT", f"Contact already exists. Existing ID: {object_id}")
        object_id = str(next(self._ids))
        portal.objects[kind][object_id] = {}
        try:
            self._change(portal, kind, object_id, properties)
        except _Refused:
            del portal.objects[kind][object_id]
            raise
        for link in body.get("associations") or []:
            portal.links.add((kind, object_id, "contacts", str(link["to"]["id"])))
        return _shown(object_id, portal.objects[kind][object_id])

    @staticmethod
    def _change(portal: _Portal, kind: str, object_id: str, properties: dict[str, Any]) -> None:
        for name, value in properties.items():
            definition = portal.properties[kind].get(name)
            if definition is None:
                raise _Refused(400, "PROPERTY_DOESNT_EXIST", f'Property "{name}" does not exist')
            if not isinstance(value, str):
                raise _Refused(400, "VALIDATION_ERROR", f"{name} must be a string")
            if (
                definition["type"] == "enumeration"
                and value
                and value not in {o["value"] for o in definition["options"]}
            ):
                raise _Refused(400, "VALIDATION_ERROR", f"{name} was not one of the allowed options")
            if definition["type"] == "number" and value and not re.match(r"^-?\d+(\.\d+)?$", value):
                raise _Refused(400, "VALIDATION_ERROR", f"{name} is not a valid number")
        stored = portal.objects[kind][object_id]
        stored.update(properties)
        for source, calculated in _CALCULATED.items():
            if source in properties:
                found = re.sub(r"\D", "", properties[source])
                stored[f"hs_calculated_{calculated}"] = f"+{found}" if found else ""
                stored[f"hs_searchable_calculated_{calculated}"] = _national(found)

    def _batch(self, portal: _Portal, kind: str, verb: str, inputs: list[dict[str, Any]]) -> Answer:
        if len(inputs) > 100:
            raise _Refused(400, "VALIDATION_ERROR", "At most 100 inputs are allowed.")
        results: list[dict[str, Any]] = []
        errors: list[dict[str, Any]] = []
        for item in inputs:
            try:
                results.append({**self._batch_one(portal, kind, verb, item), **_trace(item)})
            except _Refused as refused:
                if refused.answer.status == 400:
                    raise  # a wrong property fails the whole call
                context = {"ids": [str(item.get("id"))]}
                errors.append({"status": "error", **refused.answer.body, "context": context, **_trace(item)})
        body: dict[str, Any] = {"status": "COMPLETE", "results": results}
        if errors:
            return Answer({**body, "numErrors": len(errors), "errors": errors}, 207)
        return Answer(body, 201 if verb == "create" else 200)

    def _batch_one(self, portal: _Portal, kind: str, verb: str, item: dict[str, Any]) -> dict[str, Any]:
        objects = portal.objects[kind]
        if verb == "create":
            return self._create(portal, kind, item)
        name = item.get("idProperty")
        object_id = str(item["id"])
        if name:
            found = next((key for key, values in objects.items() if values.get(name) == object_id), None)
            if found is None and verb == "upsert":
                if not portal.properties[kind].get(name, {}).get("hasUniqueValue"):
                    raise _Refused(400, "VALIDATION_ERROR", f"{name} is not a unique property")
                return {
                    **self._create(portal, kind, {"properties": {name: object_id, **item["properties"]}}),
                    "new": True,
                }
            object_id = found or ""
        if object_id not in objects:
            raise _Refused(404, "OBJECT_NOT_FOUND", "Object not found.")
        if verb in {"update", "upsert"}:
            self._change(portal, kind, object_id, item["properties"])
        return {**_shown(object_id, objects[object_id]), **({"new": False} if verb == "upsert" else {})}


def _national(digits: str) -> str:
    """The number without its country code."""
    code = next((code for code in _CALLING_CODES if digits.startswith(code)), "")
    return digits.removeprefix("0") if digits.startswith("0") else digits.removeprefix(code)


def _trace(item: dict[str, Any]) -> dict[str, str]:
    """The caller's own mark of an input comes back with its result."""
    return {"objectWriteTraceId": item["objectWriteTraceId"]} if "objectWriteTraceId" in item else {}


def _shown(object_id: str, values: dict[str, str]) -> dict[str, Any]:
    return {"id": object_id, "properties": dict(values), "archived": False}


def _search(objects: dict[str, dict[str, str]], body: dict[str, Any]) -> dict[str, Any]:
    missing = {"after", "filterGroups", "limit", "properties", "sorts"} - set(body)
    if missing:
        raise _Refused(400, "VALIDATION_ERROR", f"Missing {sorted(missing)}.")
    if len(body["filterGroups"]) > 5:
        raise _Refused(400, "VALIDATION_ERROR", "At most 5 filterGroups are allowed.")
    hits = [
        _shown(object_id, values)
        for object_id, values in objects.items()
        if any(all(_holds(values, one) for one in group["filters"]) for group in body["filterGroups"])
    ]
    return {"total": len(hits), "results": hits[: body["limit"]]}


def _holds(values: dict[str, str], one: dict[str, Any]) -> bool:
    stored = values.get(one["propertyName"], "").lower()
    operator = one["operator"]
    if operator == "EQ":
        return stored == str(one["value"]).lower()
    if operator == "IN":
        return stored in {str(value).lower() for value in one["values"]}
    if operator == "CONTAINS_TOKEN":
        return str(one["value"]).strip("*").lower() in stored
    if operator == "HAS_PROPERTY":
        return bool(stored)
    raise _Refused(400, "VALIDATION_ERROR", f"Unknown operator {operator}.")
