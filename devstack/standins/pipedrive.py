"""Pipedrive's API v2, the parts of v1 that are left, and its token endpoint, as far as Earshot calls them.

Each API token, and each refresh token with what was given for it, is a company of its own.
"""

import base64
import itertools
import re
import secrets
import time
from typing import Any
from urllib.parse import parse_qs

from devstack.standins.crm_conditions import CrmStandIn
from devstack.standins.exchange import Answer, Request
from devstack.standins.pipedrive_company import Company
from devstack.standins.pipedrive_errors import Refused, invalid, no_scope, not_found
from devstack.standins.pipedrive_events import answer_notes
from devstack.standins.pipedrive_fields import PersonFields
from devstack.standins.pipedrive_resources import answer_resource, data, listed, page_of

# 30,000 tokens x 7 (the largest plan) x 10 seats.
USUAL_DAY_LIMIT = 2_100_000
TOKEN_LIFE_S = 3600.0
_V2 = re.compile(r"^/api/v2/(persons|personFields|activities|organizations|deals)(?:/([A-Za-z0-9_]+))?(/options)?$")
_V1 = re.compile(r"^/api/v1/notes(?:/(\d+))?$")
# Tokens of a call by method and whether it names a record (x-token-cost in the vendor's documents); v1 costs twice as much.
_COSTS = {("GET", True): 1, ("GET", False): 10, ("DELETE", True): 3}
_WRITE_COST, _SEARCH_COST, _ME_COST = 5, 20, 2
# Bursts are not refused here, so that a demo runs as fast as it can; tests script a 429.
_BURST_HEADERS = {"x-ratelimit-limit": "480", "x-ratelimit-remaining": "479", "x-ratelimit-reset": "2"}


class Pipedrive(CrmStandIn):
    """All companies in one application."""

    def __init__(self) -> None:
        super().__init__()
        self._companies: dict[str, Company] = {}
        self._numbers = itertools.count(1)
        # Of each access token: the credential whose company it opens, and when it runs out.
        self._access: dict[str, tuple[str, float]] = {}
        self._refresh: dict[str, str] = {}

    def handle(self, request: Request) -> Answer:
        """One API call."""
        with self.lock:
            try:
                if request.path.rstrip("/") == "/oauth/token":
                    return self._give_token(request)
                company = self._company(self._account_of(request))
                limits = self._count(company, _cost(request))
            except Refused as refused:
                return refused.answer()
            try:
                answer = self._route(company, request)
            except Refused as refused:
                answer = refused.answer()
        return Answer(answer.body, answer.status, {**limits, **answer.headers})

    def merge(self, account: str, loser: str, winner: str) -> None:
        """account: the API token, or the first refresh token."""
        self._company(self._refresh.get(account, account)).merge(int(loser), int(winner))

    def _company(self, account: str) -> Company:
        if account not in self._companies:
            self._companies[account] = Company(next(self._numbers), PersonFields(account))
        return self._companies[account]

    def _account_of(self, request: Request) -> str:
        if token := request.headers.get("x-api-token"):
            return token
        account, ends_at = self._access.get(request.bearer, ("", 0.0))
        if not account or time.monotonic() > ends_at:
            raise Refused(401, "unauthorized access")
        return account

    def _give_token(self, request: Request) -> Answer:
        form = {name: values[0] for name, values in parse_qs(request.body.decode(errors="replace")).items()}
        client = _basic(request.headers.get("authorization", ""))
        refresh_token = form.get("refresh_token", "")
        if not client or not all(client.split(":", 1)):
            return Answer({"success": False, "error": "invalid_client", "message": "Invalid client"}, 401)
        if form.get("grant_type") != "refresh_token":
            return Answer({"success": False, "error": "unsupported_grant_type"}, 400)
        if not refresh_token or not self.conditions.refresh_tokens_work:
            return Answer({"success": False, "error": "invalid_grant", "message": "Refresh token does not exist."}, 400)
        account = self._refresh.setdefault(refresh_token, refresh_token)
        life_s = TOKEN_LIFE_S if self.conditions.token_life_s is None else self.conditions.token_life_s
        access_token, new_refresh_token = secrets.token_hex(16), secrets.token_hex(16)
        self._access[access_token] = (account, time.monotonic() + life_s)
        self._refresh[new_refresh_token] = account
        host = request.headers.get("host", "127.0.0.1")
        return Answer(
            {
                "access_token": access_token,
                "token_type": "Bearer",
                "refresh_token": new_refresh_token,
                "scope": "base,contacts:full,contact-fields:full,activities:full,search:read",
                "expires_in": int(life_s) if life_s >= 1 else life_s,
                "api_domain": f"http://{host}",
            }
        )

    def _count(self, company: Company, cost: int) -> dict[str, str]:
        """Take the cost from the company's day. Raises: Refused when the day is used up."""
        now = time.monotonic()
        if now > company.day_ends_at:
            company.used, company.day_ends_at = 0, now + self.conditions.day_ends_in_s
        limit = USUAL_DAY_LIMIT if self.conditions.day_limit is None else self.conditions.day_limit
        if company.used + cost > limit:
            wait_s = max(1, round(company.day_ends_at - now))
            headers = {"Retry-After": str(wait_s), **_day_headers(limit, 0)}
            raise Refused(429, "Daily API token limit reached", headers=headers)
        company.used += cost
        return {**_BURST_HEADERS, **_day_headers(limit, limit - company.used)}

    def _route(self, company: Company, request: Request) -> Answer:
        if request.method in {"POST", "PATCH", "PUT"} and request.json() is None:
            raise invalid("the body is no JSON")
        if request.path == "/api/v1/users/me":
            return Answer({"success": True, "data": _me(company)})
        if match := _V1.match(request.path):
            return answer_notes(company, request, int(match[1]) if match[1] else None)
        if request.path == "/api/v2/persons/search":
            return self._search(company, request.query)
        match = _V2.match(request.path)
        if match is None:
            raise Refused(404, "Unknown method .")
        kind, number, options = match[1], match[2] or "", bool(match[3])
        if kind == "personFields":
            return self._answer_fields(company, request, number, options=options)
        return answer_resource(company, kind, request, int(number) if number.isdigit() else None)

    def _search(self, company: Company, query: dict[str, str]) -> Answer:
        term, exact = query.get("term", "").strip(), query.get("exact_match", "false").lower() in {"true", "1"}
        if len(term) < (1 if exact else 2):
            raise invalid("term must have at least 2 characters, 1 with exact_match")
        fields = [one for one in query.get("fields", "custom_fields,email,notes,phone,name").split(",") if one]
        if unknown := set(fields) - {"custom_fields", "email", "notes", "phone", "name"}:
            raise invalid(f"fields: unknown {sorted(unknown)}")
        found = company.search(term, fields=fields, exact=exact, lag_s=self.conditions.search_lag_s)
        page, cursor = page_of([{"result_score": 1.0, "item": one} for one in found], query)
        return Answer({"success": True, "data": {"items": page}, "additional_data": {"next_cursor": cursor}})

    def _answer_fields(self, company: Company, request: Request, code: str, *, options: bool) -> Answer:
        fields, method = company.fields, request.method
        if method != "GET" and not self.conditions.may_provision:
            raise no_scope()
        if method == "GET":
            return listed(fields.list_all(), request.query) if not code else data(fields.get(code))
        if options:
            change = {"POST": fields.add_options, "DELETE": fields.remove_options}.get(method)
            if change is None:
                raise not_found("Method")
            return data(change(code, request.json()))
        if method == "POST" and not code:
            return data(fields.add(request.json_object()), 201)
        if method == "PATCH":
            return data(fields.rename(code, request.json_object()))
        if method == "DELETE":
            fields.remove(code)
            return data({"field_code": code})
        raise not_found("Method")


def _cost(request: Request) -> int:
    if request.path == "/api/v1/users/me":
        return _ME_COST
    if request.path.endswith("/search"):
        return _SEARCH_COST
    last = request.path.rsplit("/", 1)[-1]
    cost = _COSTS.get((request.method, last not in {"persons", "personFields", "activities", "notes"}), _WRITE_COST)
    return cost * 2 if request.path.startswith("/api/v1/") else cost


def _day_headers(limit: int, left: int) -> dict[str, str]:
    return {"x-daily-ratelimit-token-limit": str(limit), "x-daily-ratelimit-token-remaining": str(left)}


def _basic(header: str) -> str:
    scheme, _, value = header.partition(" ")
    try:
        return base64.b64decode(value).decode() if scheme.lower() == "basic" else ""
    except ValueError:
        return ""


def _me(company: Company) -> dict[str, Any]:
    return {
        "id": 1,
        "name": "Earshot",
        "is_you": True,
        "active_flag": True,
        "company_id": company.number,
        "company_name": f"Company {company.number}",
        "company_domain": f"company{company.number}",
        "timezone_name": "UTC",
        "timezone_offset": "+00:00",
        "access": [{"app": "global", "admin": True, "permission_set_id": "1"}],
    }
