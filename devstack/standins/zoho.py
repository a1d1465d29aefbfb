"""Zoho CRM's API, version 8, and its accounts server, as far as Earshot calls them. Each refresh token is an account."""

import re
import time
from collections.abc import Callable
from typing import Any

from devstack.standins.crm_conditions import CrmStandIn
from devstack.standins.exchange import Answer, Request
from devstack.standins.zoho_errors import (
    Refused,
    limit_exceeded,
    missing,
    missing_parameter,
    no_such_path,
    scope_mismatch,
    unknown_id,
)
from devstack.standins.zoho_fields import MODULES, add_fields
from devstack.standins.zoho_oauth import Accounts
from devstack.standins.zoho_org import Org, Orgs, Record, change_tags
from devstack.standins.zoho_queries import coql_limit, page, run_coql, search

MAX_RECORDS = 100
# Edition Standard with one user; the rolling 24 hours are counted as one window.
DAY_CREDITS = 50_250
_MODULE_PATH = re.compile(r"^/crm/v8/([A-Z]\w+)(?:/(.*))?$")
Change = Callable[[dict[str, Any]], dict[str, Any]]


class Zoho(CrmStandIn):
    """All accounts in one application."""

    def __init__(self) -> None:
        super().__init__()
        self._orgs = Orgs()
        self._accounts = Accounts()
        # By refresh token: when its day began, and the credits used since.
        self._used: dict[str, tuple[float, int]] = {}

    def merge(self, account: str, loser: str, winner: str) -> None:
        """Merge two contacts of the account that a refresh token names."""
        self._orgs.of(account).merge(loser, winner)

    def handle(self, request: Request) -> Answer:
        """One API call."""
        with self.lock:
            if (request.method, request.path) == ("POST", "/oauth/v2/token"):
                return self._accounts.answer(
                    request,
                    life_s=self.conditions.token_life_s,
                    refresh_tokens_work=self.conditions.refresh_tokens_work,
                )
            credential = self._credential(request)
            if isinstance(credential, Answer):
                return credential
            left, exhausted = self._spend(credential, _cost(request))
            headers = {} if left is None else {"X-API-CREDITS-REMAINING": str(left)}
            if exhausted:
                message = "You have exceeded the API limit. Please try again after some time."
                body = {"code": "TOO_MANY_REQUESTS", "details": {}, "message": message, "status": "error"}
                return Answer(body, 429, headers)
            try:
                answer = self._route(self._orgs.of(credential), request)
            except Refused as refused:
                answer = refused.answer()
            return Answer(answer.body, answer.status, headers)

    def _credential(self, request: Request) -> str | Answer:
        """The refresh token behind the request, or Zoho's refusal."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Zoho-oauthtoken" or not token:
            return Refused(401, "AUTHENTICATION_FAILURE", "Authentication failed").answer()
        return self._accounts.owner(token.strip()) or Refused(401, "INVALID_TOKEN", "invalid oauth token").answer()

    def _spend(self, credential: str, cost: int) -> tuple[int | None, bool]:
        """Credits left, which Zoho tells once half of them are used, and whether this call is one too many."""
        limit = DAY_CREDITS if self.conditions.day_limit is None else self.conditions.day_limit
        began_at, used = self._used.get(credential, (time.monotonic(), 0))
        if time.monotonic() >= began_at + self.conditions.day_ends_in_s:
            began_at, used = time.monotonic(), 0
        exhausted = used + cost > limit
        if not exhausted:
            used += cost
        self._used[credential] = (began_at, used)
        left = 0 if exhausted else limit - used
        return (left if exhausted or used * 2 >= limit else None), exhausted

    def _route(self, org: Org, request: Request) -> Answer:
        if request.body and not isinstance(request.json(), dict):
            raise Refused(400, "INVALID_DATA", "body", expected_data_type="jsonobject")
        route = (request.method, request.path)
        if route == ("GET", "/crm/v8/org"):
            return Answer({"org": [_org_shown(org)]})
        if route == ("POST", "/crm/v8/coql"):
            return _or_nothing(run_coql(org, request.json_object().get("select_query")))
        if request.path.startswith("/crm/v8/settings/fields"):
            return self._answer_fields(org, request)
        match = _MODULE_PATH.match(request.path)
        if match is None:
            raise no_such_path()
        module, rest = match[1], match[2] or ""
        if module not in MODULES:
            raise Refused(400, "INVALID_MODULE", "The module name given seems to be invalid", resource_path_index=0)
        if (request.method, rest) == ("GET", "search"):
            return _or_nothing(search(org, module, request.query, lag_s=self.conditions.search_lag_s))
        return _answer_module(org, module, rest, request)

    def _answer_fields(self, org: Org, request: Request) -> Answer:
        module = request.query.get("module")
        if not module:
            raise missing_parameter("module")
        if module not in MODULES:
            raise Refused(400, "INVALID_MODULE", "The module name given seems to be invalid")
        fields = org.fields[module]
        if request.method == "GET":
            return Answer({"fields": list(fields.known.values())})
        if not self.conditions.may_provision:
            raise scope_mismatch()
        if request.method == "DELETE":
            fields.remove(request.path.rpartition("/")[2])
            return Answer(
                {"fields": [{"code": "SUCCESS", "details": {}, "message": "field deleted", "status": "success"}]}
            )
        status, body = add_fields(fields, request.json_object())
        return Answer(body, status)


def _cost(request: Request) -> int:
    """Credits: ten records written, fifty tagged, two hundred queried are one."""
    if request.path.endswith("_tags"):
        return _whole(len(request.json_object().get("ids") or []), 50)
    if request.path == "/crm/v8/coql":
        limit = coql_limit(request.json_object().get("select_query"))
        return 1 if limit <= 200 else 2 if limit <= 1000 else 3
    if request.method in {"POST", "PUT"} and isinstance(data := request.json_object().get("data"), list):
        return _whole(len(data), 10)
    return 1


def _whole(count: int, size: int) -> int:
    return max(1, -(-count // size))


def _org_shown(org: Org) -> dict[str, Any]:
    license_details = {"paid": True, "paid_type": "standard", "users_license_purchased": 1, "paid_expiry": None}
    return {
        "id": f"57257670000000{org.number % 100_000:05}",
        "zgid": str(org.number),
        "company_name": "Example",
        "time_zone": "UTC",
        "license_details": license_details,
    }


def _or_nothing(body: dict[str, Any] | None) -> Answer:
    return Answer(None, 204) if body is None else Answer(body)


def _answer_module(org: Org, module: str, rest: str, request: Request) -> Answer:
    body = request.json_object()
    method = request.method
    if method == "GET" and not rest:
        if not request.query.get("fields"):
            raise missing_parameter("fields")
        return _or_nothing(page(list(org.records[module].values()), request.query))
    if method == "POST" and not rest:
        return _change_all(module, body, lambda item: _done(org.insert(module, item)), created=True)
    if method == "PUT" and not rest:
        return _change_all(module, body, lambda item: _updated(org, module, item))
    if (method, rest) == ("POST", "upsert"):
        checked = body.get("duplicate_check_fields") or ["Email"]
        return _change_all(module, body, lambda item: _upserted(org, module, item, checked))
    if method == "DELETE" and not rest:
        return _delete(org, module, request.query)
    if method == "POST" and rest in {"actions/add_tags", "actions/remove_tags"}:
        status, answer = change_tags(org, module, body, add=rest.endswith("add_tags"))
        return Answer(answer, status)
    if method == "GET" and rest.isdigit():
        return _or_nothing(page([one for one in [org.records[module].get(rest)] if one], request.query))
    if method == "GET" and (match := re.fullmatch(r"(\d+)/(Notes|Tasks)", rest)) and module == "Contacts":
        return _answer_related(org, match[1], match[2], request)
    raise no_such_path()


def _answer_related(org: Org, record_id: str, related: str, request: Request) -> Answer:
    if not request.query.get("fields"):
        raise missing_parameter("fields")
    if record_id not in org.records["Contacts"]:
        raise unknown_id()
    link = "Parent_Id" if related == "Notes" else "Who_Id"
    linked = [one for one in org.records[related].values() if (one.values.get(link) or {}).get("id") == record_id]
    return _or_nothing(page(linked, request.query))


def _change_all(module: str, body: dict[str, Any], change: Change, *, created: bool = False) -> Answer:
    """Each record for itself; the status tells whether all, some or none of it was done."""
    data = body.get("data")
    if not isinstance(data, list) or not all(isinstance(one, dict) for one in data):
        raise missing("data")
    if len(data) > MAX_RECORDS:
        raise limit_exceeded(MAX_RECORDS, api_name="data", json_path="$.data")
    results: list[dict[str, Any]] = []
    for index, item in enumerate(data):
        try:
            results.append(change(item))
        except Refused as refused:
            results.append(refused.item(index))
    done = sum(one["status"] == "success" for one in results)
    if done == len(results):
        return Answer({"data": results}, 201 if created else 200)
    # The specification of notes has 202 for what was refused.
    return Answer({"data": results}, 207 if done else 202 if module == "Notes" else 400)


def _done(record: Record, *, message: str = "record added", **more: Any) -> dict[str, Any]:
    details = {"id": record.id, "Created_Time": record.created_at, "Modified_Time": record.updated_at}
    return {"code": "SUCCESS", "details": details, "message": message, "status": "success", **more}


def _updated(org: Org, module: str, item: dict[str, Any]) -> dict[str, Any]:
    if not item.get("id"):
        raise missing("id")
    values = {name: value for name, value in item.items() if name != "id"}
    return _done(org.update(module, org.get(module, item["id"]), values), message="record updated")


def _upserted(org: Org, module: str, item: dict[str, Any], checked: list[str]) -> dict[str, Any]:
    record, action, name = org.upsert(module, item, checked)
    return _done(record, message="record updated" if name else "record added", action=action, duplicate_field=name)


def _delete(org: Org, module: str, query: dict[str, str]) -> Answer:
    ids = [one for one in query.get("ids", "").split(",") if one]
    if not ids:
        raise missing_parameter("ids")
    if len(ids) > MAX_RECORDS:
        raise limit_exceeded(MAX_RECORDS)
    results: list[dict[str, Any]] = []
    for record_id in ids:
        try:
            org.delete(module, record_id)
        except Refused:
            body = Refused(400, "INVALID_DATA", "record not deleted", id=record_id).body
            results.append(body)
            continue
        details = {"id": record_id}
        results.append({"code": "SUCCESS", "details": details, "message": "record deleted", "status": "success"})
    done = sum(one["status"] == "success" for one in results)
    return Answer({"data": results}, 200 if done == len(results) else 207 if done else 400)
