"""HubSpot's OAuth: access tokens that run out, given for refresh tokens that name an account."""

import itertools
import time
import zlib
from typing import Any
from urllib.parse import parse_qsl

from devstack.standins.crm_conditions import Conditions
from devstack.standins.exchange import Answer, Request
from devstack.standins.hubspot_errors import CORRELATION_ID, Refused

PATH = "/oauth/2026-09/token"
LIFE_S = 1800.0
_NEEDED = ("client_id", "client_secret", "refresh_token")


class Tokens:
    """Access tokens by value: whose they are and until when. Any other bearer is a service key, an account of its own."""

    def __init__(self) -> None:
        self._given: dict[str, tuple[str, float]] = {}
        self._numbers = itertools.count(1)

    def answer(self, request: Request, conditions: Conditions) -> Answer:
        """One call of the token endpoint."""
        form = dict(parse_qsl(request.body.decode(errors="replace")))
        if form.get("grant_type") != "refresh_token":
            return _refuse("BAD_GRANT_TYPE", "missing or unknown grant type", "unsupported_grant_type")
        if missing := [name for name in _NEEDED if not form.get(name)]:
            return _refuse("MISSING_PARAMETERS", f"missing {', '.join(missing)}", "invalid_request")
        if not conditions.refresh_tokens_work:
            return _refuse("BAD_REFRESH_TOKEN", "missing or invalid refresh token", "invalid_grant")
        life_s = LIFE_S if conditions.token_life_s is None else conditions.token_life_s
        value = f"access-{next(self._numbers)}-of-{zlib.crc32(form['refresh_token'].encode()):08x}"
        self._given[value] = (form["refresh_token"], time.monotonic() + life_s)
        body: dict[str, Any] = {
            "token_type": "bearer",
            "access_token": value,
            "refresh_token": form["refresh_token"],
            "expires_in": int(life_s) if life_s >= 1 else life_s,
            "scopes": ["crm.objects.contacts.read", "crm.objects.contacts.write", "crm.schemas.contacts.write"],
        }
        return Answer(body)

    def is_access_token(self, bearer: str) -> bool:
        """Whether it was given here."""
        return bearer in self._given

    def account_of(self, bearer: str) -> str:
        """The credential that names the account. Raises: Refused when there is none, or it has run out."""
        if not bearer:
            message = "Authentication credentials not found. This API supports OAuth 2.0 authentication."
            raise Refused(401, "INVALID_AUTHENTICATION", message)
        account, ends_at = self._given.get(bearer, (bearer, None))
        if ends_at is not None and time.monotonic() >= ends_at:
            ago_s = int(time.monotonic() - ends_at)
            raise Refused(
                401, "EXPIRED_AUTHENTICATION", f"The OAuth token used to make this call expired {ago_s} second(s) ago."
            )
        return account


def _refuse(status: str, message: str, error: str) -> Answer:
    body = {"status": status, "message": message, "correlationId": CORRELATION_ID, "error": error}
    return Answer({**body, "error_description": message, "category": "VALIDATION_ERROR"}, 400)
