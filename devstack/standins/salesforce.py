"""Salesforce's REST API, version 64.0, as far as Earshot calls it. Each client id is an org of its own."""

import re
import time
from typing import Any
from urllib.parse import urlencode

from devstack.standins.crm_conditions import CrmStandIn
from devstack.standins.exchange import Answer, Request
from devstack.standins.salesforce_collections import answer_collection
from devstack.standins.salesforce_errors import Refused, no_such_resource
from devstack.standins.salesforce_fields import STANDARD, custom_field
from devstack.standins.salesforce_login import Sessions
from devstack.standins.salesforce_org import Org, Orgs, ValidationRule
from devstack.standins.salesforce_query import attributes_of, search, select

_DATA = "/services/data/v64.0/"
_RECORD = re.compile(r"sobjects/(\w+)/(\w+)")
DAY_LIMIT = 15_000
MAX_URI = 16_384
PAGE = 2_000


class Salesforce(CrmStandIn):
    """All orgs in one application: their API and the token endpoint."""

    def __init__(self) -> None:
        super().__init__()
        self._orgs = Orgs()
        self._sessions = Sessions(self._orgs)

    def merge(self, account: str, loser: str, winner: str) -> None:
        """account: the client id."""
        self._orgs.of(account).merge(loser, winner)

    def control(self, request: Request) -> Answer | None:
        """What an administrator does in Setup: a certificate, a validation rule, a field that is deleted."""
        body = request.json_object()
        with self.lock:
            if (request.method, request.path) == ("POST", "/_certificate"):
                self._orgs.certificates[str(body["account"])] = str(body["public_key"])
                return Answer({"ok": True})
            if (request.method, request.path) == ("POST", "/_validation_rule"):
                rule = ValidationRule(str(body["object"]), str(body["field"]), body["value"])
                self._orgs.of(str(body["account"])).rules.append(rule)
                return Answer({"ok": True})
            if (request.method, request.path) == ("POST", "/_remove_field"):
                self._orgs.of(str(body["account"])).remove_field(str(body["object"]), str(body["field"]))
                return Answer({"ok": True})
        return super().control(request)

    def handle(self, request: Request) -> Answer:
        """One API call, or one request for a token."""
        with self.lock:
            if (request.method, request.path) == ("POST", "/services/oauth2/token"):
                conditions = self.conditions
                return self._sessions.answer(
                    request, life_s=conditions.token_life_s, works=conditions.refresh_tokens_work
                )
            org = self._sessions.find(request.bearer)
            if org is None:
                return Refused("INVALID_SESSION_ID", "Session expired or invalid", status=401).answer()
            try:
                self._count(org)
                answer = self._route(org, request)
            except Refused as refused:
                answer = refused.answer()
            return Answer(answer.body, answer.status, {"Sforce-Limit-Info": f"api-usage={org.used}/{self._day_limit}"})

    @property
    def _day_limit(self) -> int:
        limit = self.conditions.day_limit
        return DAY_LIMIT if limit is None else limit

    def _count(self, org: Org) -> None:
        """Every call is one unit, however many records it holds."""
        if org.used == 0 or time.monotonic() - org.day_began >= self.conditions.day_ends_in_s:
            org.used, org.day_began = 0, time.monotonic()
        if org.used >= self._day_limit:
            raise Refused("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", status=403)
        org.used += 1

    def _route(self, org: Org, request: Request) -> Answer:
        if (request.method, request.path) == ("GET", "/services/oauth2/userinfo"):
            return Answer({"user_id": org.user.id, "organization_id": org.organization.id})
        if not request.path.startswith(_DATA):
            raise no_such_resource()
        if len(request.path) + len(urlencode(request.query)) > MAX_URI:
            return Answer("<html><body>414 URI Too Long</body></html>", 414)
        rest = request.path.removeprefix(_DATA)
        if rest == "composite/sobjects" or rest.startswith("composite/sobjects/"):
            below = rest.removeprefix("composite/sobjects").lstrip("/")
            return answer_collection(org, below, request, may_provision=self.conditions.may_provision)
        if request.method == "GET":
            return self._get(org, rest, request)
        if request.method == "POST" and rest == "tooling/sobjects/CustomField":
            return self._make_field(org, request.json_object())
        if request.method == "POST" and (kind := _kind(rest.removeprefix("sobjects/"))):
            return Answer({"id": org.create(kind, request.json_object()).id, "success": True, "errors": []}, 201)
        if request.method == "DELETE" and (match := _RECORD.fullmatch(rest)) and _kind(match[1]):
            org.delete(org.get(match[1], match[2]))
            return Answer(None, 204)
        raise no_such_resource()

    def _get(self, org: Org, rest: str, request: Request) -> Answer:
        if rest == "search":
            found = search(org, request.query.get("q", ""), lag_s=self.conditions.search_lag_s)
            return Answer({"searchRecords": found})
        if rest in {"query", "queryAll"}:
            total, records = select(org, request.query.get("q", ""), with_deleted=rest == "queryAll")
            return _page(org, records, start=0, total=total)
        if rest.startswith("query/") and (cursor := rest.removeprefix("query/").partition("-")):
            records = org.cursors.get(cursor[0])
            if records is None:
                raise Refused("INVALID_QUERY_LOCATOR", "invalid query locator")
            return _page(org, records, start=int(cursor[2] or 0), total=len(records))
        if rest == "limits":
            return Answer({"DailyApiRequests": {"Max": self._day_limit, "Remaining": self._day_limit - org.used}})
        if (match := _RECORD.fullmatch(rest)) and (kind := _kind(match[1])):
            if match[2] == "describe":
                return Answer(_described(org, kind))
            record = org.get(kind, match[2])
            names = {one.name for one in org.fields(kind)}
            shown = {name: record.values.get(name) for name in sorted(names)}
            return Answer({**attributes_of(record), **shown})
        raise no_such_resource()

    def _make_field(self, org: Org, body: dict[str, Any]) -> Answer:
        if not self.conditions.may_provision:
            message = "insufficient access rights on cross-reference id"
            raise Refused("INSUFFICIENT_ACCESS_OR_READONLY", message, status=403)
        field_id = org.add_field(*custom_field(str(body.get("FullName")), body.get("Metadata")))
        return Answer({"id": field_id, "success": True, "errors": [], "warnings": [], "infos": []}, 201)


def _page(org: Org, records: list[dict[str, Any]], *, start: int, total: int) -> Answer:
    end = start + PAGE
    answer: dict[str, Any] = {"totalSize": total, "done": end >= len(records), "records": records[start:end]}
    if not answer["done"]:
        cursor = f"01g{len(org.cursors):015}"
        org.cursors[cursor] = records
        answer["nextRecordsUrl"] = f"{_DATA}query/{cursor}-{end}"
    return Answer(answer)


def _kind(name: str) -> str | None:
    return name if name in STANDARD else None


def _described(org: Org, kind: str) -> dict[str, Any]:
    return {
        "name": kind,
        "label": kind,
        "custom": False,
        "createable": True,
        "updateable": True,
        "deletable": True,
        "queryable": True,
        "searchable": True,
        "fields": [one.described() for one in org.fields(kind)],
    }
