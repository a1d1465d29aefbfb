"""HubSpot's CRM API, version 2026-09, as far as Earshot calls it. Each token is a portal of its own."""

import re
import zlib
from typing import Any

from devstack.standins.exchange import Answer, Request
from devstack.standins.hubspot_batches import answer_batch, create_record
from devstack.standins.hubspot_errors import CORRELATION_ID, Refused, invalid, no_such_path
from devstack.standins.hubspot_portal import CONTACT_LINK_TYPES, KINDS, Portal, Portals
from devstack.standins.hubspot_properties import answer_properties
from devstack.standins.hubspot_search import page, search
from devstack.standins.recording import StandIn

_OBJECTS = re.compile(r"^/crm/objects/2026-09/([a-z]+)(?:/(.*))?$")
_PROPERTIES = re.compile(r"^/crm/properties/2026-09/([a-z]+)(?:/(.*))?$")
_LINKS = re.compile(r"^(\d+)/associations/([a-z]+)$")
_DEFAULT_LINK = re.compile(r"^(\d+)/associations/default/([a-z]+)/(\d+)$")
# Per app and account (usage guidelines, 2026). The stand-in counts nothing; tests script a 429.
_RATE_LIMIT_HEADERS = {
    "X-HubSpot-RateLimit-Daily": "250000",
    "X-HubSpot-RateLimit-Daily-Remaining": "249999",
    "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
    "X-HubSpot-RateLimit-Max": "100",
    "X-HubSpot-RateLimit-Remaining": "99",
}


class HubSpot(StandIn):
    """All portals in one application."""

    def __init__(self) -> None:
        super().__init__()
        self._portals = Portals()

    def handle(self, request: Request) -> Answer:
        """One API call."""
        with self.lock:
            try:
                answer = self._route(request)
            except Refused as refused:
                answer = refused.answer()
        limits = {} if request.path.endswith("/search") else _RATE_LIMIT_HEADERS
        return Answer(answer.body, answer.status, {"X-HubSpot-Correlation-Id": CORRELATION_ID, **limits})

    def _route(self, request: Request) -> Answer:
        if not request.bearer:
            message = "Authentication credentials not found. This API supports OAuth 2.0 authentication."
            raise Refused(401, "INVALID_AUTHENTICATION", message)
        if request.body and not isinstance(request.json(), dict):
            raise invalid("Invalid input JSON")
        portal = self._portals.of(request.bearer)
        if match := _PROPERTIES.match(request.path):
            properties = portal.properties[_known_kind(match[1])]
            status, body = answer_properties(properties, request.method, match[2] or "", request.json_object())
            return Answer(body, status)
        if match := _OBJECTS.match(request.path):
            return _answer_objects(portal, _known_kind(match[1]), match[2] or "", request)
        if (request.method, request.path) == ("GET", "/account-info/2026-09/details"):
            return Answer(_account(request.bearer))
        raise no_such_path()


def _known_kind(kind: str) -> str:
    if kind not in KINDS:
        raise invalid(f"Unable to infer object type from: {kind}")
    return kind


def _answer_objects(portal: Portal, kind: str, rest: str, request: Request) -> Answer:
    body = request.json_object()
    if (request.method, rest) == ("GET", ""):
        return _list(portal, kind, request)
    if (request.method, rest) == ("POST", ""):
        return Answer(create_record(portal, kind, body), 201)
    if (request.method, rest) == ("POST", "search"):
        return Answer(search(portal, kind, body))
    if request.method == "POST" and rest.startswith("batch/"):
        return answer_batch(portal, kind, rest.removeprefix("batch/"), body)
    if (request.method, rest) == ("POST", "gdpr-delete"):
        record = portal.find(kind, str(body.get("objectId")), id_property=body.get("idProperty"))
        if record:
            portal.archive(kind, record.id)
        return Answer(None, 204)
    if "/" in rest:
        return _answer_links(portal, kind, rest, request.method)
    return _answer_one(portal, kind, rest, request)


def _answer_one(portal: Portal, kind: str, object_id: str, request: Request) -> Answer:
    if request.method == "DELETE":
        portal.archive(kind, object_id)
        return Answer(None, 204)
    record = portal.get(kind, object_id, id_property=request.query.get("idProperty"))
    if request.method == "PATCH":
        portal.change(kind, record, request.json_object().get("properties") or {})
        return Answer(record.shown())
    if request.method == "GET":
        return Answer(record.shown(_names(request)))
    raise no_such_path()


def _answer_links(portal: Portal, kind: str, rest: str, method: str) -> Answer:
    if (match := _DEFAULT_LINK.match(rest)) and method == "PUT":
        portal.link(kind, match[1], _known_kind(match[2]), match[3])
        ends = {"from": {"id": match[1]}, "to": {"id": match[3]}, "associationSpec": _link_type(kind, match[2])}
        return Answer({"status": "COMPLETE", "results": [ends]})
    if (match := _LINKS.match(rest)) and method == "GET":
        types = [
            {"category": "HUBSPOT_DEFINED", "typeId": _link_type(kind, match[2])["associationTypeId"], "label": None}
        ]
        linked = portal.linked(kind, match[1], _known_kind(match[2]))
        return Answer({"results": [{"toObjectId": one, "associationTypes": types} for one in linked]})
    raise no_such_path()


def _link_type(kind: str, other_kind: str) -> dict[str, Any]:
    """From a contact the number is one less than towards it."""
    towards = CONTACT_LINK_TYPES.get(kind)
    number = towards or CONTACT_LINK_TYPES.get(other_kind, 1) - 1
    return {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": number}


def _list(portal: Portal, kind: str, request: Request) -> Answer:
    """All records, oldest first; HubSpot gives ten where no limit is named."""
    limit, after = request.query.get("limit"), request.query.get("after", "0")
    if not after.isdigit() or not (limit or "1").isdigit():
        raise invalid("limit and after must be numbers")
    records = list(portal.records[kind].values())
    return Answer(page(records, start=int(after), limit=int(limit) if limit else None, names=_names(request)))


def _names(request: Request) -> list[str] | None:
    """The properties that a query asks for; None when it names none."""
    return [name for name in request.query.get("properties", "").split(",") if name] or None


def _account(token: str) -> dict[str, Any]:
    """The same number for the same token."""
    return {
        "portalId": zlib.crc32(token.encode()) % 90_000_000 + 10_000_000,
        "accountType": "DEVELOPER_TEST",
        "timeZone": "UTC",
        "utcOffset": "+00:00",
        "utcOffsetMilliseconds": 0,
        "companyCurrency": "USD",
        "additionalCurrencies": [],
        "uiDomain": "app.hubspot.com",
        "dataHostingLocation": "na1",
    }
