"""HubSpot's CRM API, version 2026-09, as far as Earshot calls it. Each credential is a portal of its own."""

import re
import zlib
from collections import defaultdict
from typing import Any

from devstack.standins.crm_conditions import CrmStandIn
from devstack.standins.exchange import Answer, Request
from devstack.standins.hubspot_batches import answer_batch, create_record
from devstack.standins.hubspot_errors import CORRELATION_ID, Refused, invalid, missing_scope, no_such_path, not_found
from devstack.standins.hubspot_limits import Allowance
from devstack.standins.hubspot_links import answer_link_batch, answer_links_of_one, is_link_batch, known_kind
from devstack.standins.hubspot_portal import Portal, Portals, Record, ValidationRule
from devstack.standins.hubspot_properties import answer_properties
from devstack.standins.hubspot_search import page, search
from devstack.standins.hubspot_tokens import PATH as TOKEN_PATH
from devstack.standins.hubspot_tokens import Tokens

_OBJECTS = re.compile(r"^/crm/objects/2026-09/([a-z]+)(?:/(.*))?$")
_PROPERTIES = re.compile(r"^/crm/properties/2026-09/([a-z]+)(?:/(.*))?$")
_SINGULAR = {"contacts": "contact", "companies": "company", "notes": "note", "tasks": "task"}


class HubSpot(CrmStandIn):
    """All portals in one application."""

    def __init__(self) -> None:
        super().__init__()
        self._portals = Portals()
        self._tokens = Tokens()
        self._allowances: defaultdict[str, Allowance] = defaultdict(Allowance)

    def merge(self, account: str, loser: str, winner: str) -> None:
        """Two contacts become the winner, as HubSpot's merges left them until 2025. POST …/merge makes a third of them."""
        portal = self._portals.of(self._tokens.account_of(account))
        portal.merge("contacts", loser, winner, as_new_record=False)

    def control(self, request: Request) -> Answer | None:
        """Also `POST /_validation_rules {"account", "object_type", "required", "when"}`: see ValidationRule."""
        if (request.method, request.path) != ("POST", "/_validation_rules"):
            return super().control(request)
        body = request.json_object()
        with self.lock:
            portal = self._portals.of(self._tokens.account_of(str(body["account"])))
            rule = ValidationRule(str(body["required"]), dict(body.get("when") or {}))
            portal.rules[known_kind(str(body.get("object_type", "contacts")))].append(rule)
        return Answer({"ok": True})

    def handle(self, request: Request) -> Answer:
        """One API call."""
        headers = {"X-HubSpot-Correlation-Id": CORRELATION_ID}
        with self.lock:
            if (request.method, request.path) == ("POST", TOKEN_PATH):
                return self._tokens.answer(request, self.conditions)
            try:
                account = self._tokens.account_of(request.bearer)
                headers |= self._allowances[account].take(
                    search=request.path.endswith("/search"),
                    oauth=self._tokens.is_access_token(request.bearer),
                    day_limit=self.conditions.day_limit,
                    day_s=self.conditions.day_ends_in_s,
                )
                answer = self._route(account, request)
            except Refused as refused:
                answer = refused.answer()
        return Answer(answer.body, answer.status, headers)

    def _route(self, account: str, request: Request) -> Answer:
        if request.body and not isinstance(request.json(), dict):
            raise invalid("Invalid input JSON")
        portal = self._portals.of(account)
        if match := _PROPERTIES.match(request.path):
            if request.method != "GET" and not self.conditions.may_provision:
                # Notes and tasks go with the contacts' scopes.
                raise missing_scope(f"crm.schemas.{'companies' if match[1] == 'companies' else 'contacts'}.write")
            properties = portal.properties[known_kind(match[1])]
            status, body = answer_properties(properties, request.method, match[2] or "", request.json_object())
            return Answer(body, status)
        if is_link_batch(request.path):
            return answer_link_batch(portal, request.method, request.path, request.json_object())
        if match := _OBJECTS.match(request.path):
            return self._answer_objects(portal, known_kind(match[1]), match[2] or "", request)
        if (request.method, request.path) == ("GET", "/account-info/2026-09/details"):
            return Answer(_account(account))
        raise no_such_path()

    def _answer_objects(self, portal: Portal, kind: str, rest: str, request: Request) -> Answer:
        body = request.json_object()
        if (request.method, rest) == ("GET", ""):
            return _list(portal, kind, request)
        if (request.method, rest) == ("POST", ""):
            return Answer(create_record(portal, kind, body), 201)
        if (request.method, rest) == ("POST", "search"):
            return Answer(search(portal, kind, body, lag_s=self.conditions.search_lag_s))
        if request.method == "POST" and rest.startswith("batch/"):
            return answer_batch(portal, kind, rest.removeprefix("batch/"), body, archived=_wants_archived(request))
        if (request.method, rest) == ("POST", "merge"):
            return _merge(portal, kind, body)
        if (request.method, rest) == ("POST", "gdpr-delete"):
            record = portal.find(kind, str(body.get("objectId")), id_property=body.get("idProperty"))
            portal.erase(kind, record.id if record else str(body.get("objectId")))
            return Answer(None, 204)
        if "/" in rest:
            return answer_links_of_one(portal, kind, rest, request.method)
        return _answer_one(portal, kind, rest, request)


def _merge(portal: Portal, kind: str, body: dict[str, Any]) -> Answer:
    if kind not in {"contacts", "companies"}:
        raise no_such_path()
    if missing := {"primaryObjectId", "objectIdToMerge"} - set(body):
        raise invalid(f"Some required fields were not set: {sorted(missing)}")
    merged = portal.merge(kind, str(body["objectIdToMerge"]), str(body["primaryObjectId"]), as_new_record=True)
    return Answer(merged.shown())


def _answer_one(portal: Portal, kind: str, object_id: str, request: Request) -> Answer:
    if request.method == "DELETE":
        portal.archive(kind, object_id)
        return Answer(None, 204)
    if request.method == "GET" and _wants_archived(request):
        archived = portal.archived[kind].get(object_id)
        if archived is None:
            raise not_found(kind, object_id)
        return Answer(archived.shown(portal.known_names(kind, _names(request))))
    record = portal.get(kind, object_id, id_property=request.query.get("idProperty"))
    if request.method == "PATCH":
        portal.change(kind, record, request.json_object().get("properties") or {})
        return Answer(record.shown())
    if request.method == "GET":
        shown = record.shown(portal.known_names(kind, _names(request)))
        return Answer({**shown, **_associations(portal, kind, record, request)})
    raise no_such_path()


def _associations(portal: Portal, kind: str, record: Record, request: Request) -> dict[str, Any]:
    """What `?associations=companies,notes` adds to a record."""
    wanted = [known_kind(one) for one in request.query.get("associations", "").split(",") if one]
    listed = {
        other: [
            {"id": one, "type": f"{_SINGULAR[kind]}_to_{_SINGULAR[other]}"}
            for one in portal.linked(kind, record.id, other)
        ]
        for other in wanted
    }
    return {"associations": {other: {"results": links} for other, links in listed.items() if links}} if wanted else {}


def _wants_archived(request: Request) -> bool:
    return request.query.get("archived") == "true"


def _list(portal: Portal, kind: str, request: Request) -> Answer:
    """All records, oldest first; HubSpot gives ten where no limit is named."""
    limit, after = request.query.get("limit"), request.query.get("after", "0")
    if not after.isdigit() or not (limit or "1").isdigit():
        raise invalid("limit and after must be numbers")
    records = list((portal.archived if _wants_archived(request) else portal.records)[kind].values())
    names = portal.known_names(kind, _names(request))
    return Answer(page(records, start=int(after), limit=int(limit) if limit else None, names=names))


def _names(request: Request) -> list[str] | None:
    """The properties that a query asks for; None when it names none."""
    return [name for name in request.query.get("properties", "").split(",") if name] or None


def _account(account: str) -> dict[str, Any]:
    """The same number for the same credential."""
    return {
        "portalId": zlib.crc32(account.encode()) % 90_000_000 + 10_000_000,
        "accountType": "DEVELOPER_TEST",
        "timeZone": "UTC",
        "utcOffset": "+00:00",
        "utcOffsetMilliseconds": 0,
        "companyCurrency": "USD",
        "additionalCurrencies": [],
        "uiDomain": "app.hubspot.com",
        "dataHostingLocation": "na1",
    }
