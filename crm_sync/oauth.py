"""Asking a CRM's token endpoint (RFC 6749) for an access token."""

import base64
import json
import re
from collections.abc import Mapping
from typing import Any

import httpx2

from crm_sync.base import CrmError
from crm_sync.client import CONNECT_TIMEOUT_S, as_object, read_retry_after_s, safe_code, shared_transport
from crm_sync.tokens import AccessToken

TOKEN_TIMEOUT_S = 10.0
# RFC 6749, 5.2, and the vendors' own words for the same: asking again gives the same answer until an administrator acts.
_FINAL_REFUSALS = {
    "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope", "access_denied",
    "invalid_client_id", "invalid_code", "invalid_client_credentials", "inactive_user", "inactive_org", "invalid_app_access",
}  # fmt: skip


def request_token(
    url: str,
    form: Mapping[str, str],
    *,
    basic_auth: tuple[str, str] | None = None,
    base_key: str | None = None,
    base_hosts: str | None = None,
) -> AccessToken:
    """The token in the answer to a form POST.

    basic_auth: client id and secret, for vendors that want them in the header. base_key: where the answer names the host of
    the API ("instance_url", "api_domain"). base_hosts: a pattern of the vendor's own hosts; a token is sent to no other, and over
    https only. None where the operator has said where the vendor is.
    Raises: CrmError: `connection_broken` with the vendor's code when it refuses for good; passing for the rest.
    """
    failure: CrmError
    headers = {"Accept": "application/json"}
    if basic_auth:
        headers["Authorization"] = "Basic " + base64.b64encode(":".join(basic_auth).encode()).decode()
    try:
        with httpx2.Client(
            transport=shared_transport(),
            timeout=httpx2.Timeout(TOKEN_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
            trust_env=False,
        ).stream("POST", url, data=dict(form), headers=headers) as response:
            response.read()
            token = _read_token(response, base_key=base_key)
    except (httpx2.InvalidURL, httpx2.UnsupportedProtocol):
        failure = CrmError("token_address_unusable", permanent=False, connection_broken=True)
    except httpx2.HTTPError:
        failure = CrmError("no_token_answer", permanent=False)
    else:
        if token.api_base is None or base_hosts is None or re.fullmatch(f"https://(?:{base_hosts})/?", token.api_base):
            return token
        failure = CrmError("token_names_strange_host", permanent=False, connection_broken=True)
    raise failure  # outside the handler: the exception holds the request with its secrets


def _read_token(response: httpx2.Response, *, base_key: str | None) -> AccessToken:
    try:
        answer = as_object(json.loads(response.content))
    except (ValueError, RecursionError):
        raise CrmError("token_answer_not_json", permanent=False) from None
    # Zoho answers 200 with {"error": …}.
    refusal = safe_code(answer.get("error"))
    if refusal in _FINAL_REFUSALS:
        raise CrmError(f"token_refused:{refusal}", permanent=False, connection_broken=True)
    value = answer.get("access_token")
    if response.status_code != 200 or not isinstance(value, str) or not value:
        wait_s = read_retry_after_s(response.headers.get("Retry-After"))
        raise CrmError(f"token_{refusal or f'http_{response.status_code}'}", permanent=False, retry_after_s=wait_s)
    refresh_token = answer.get("refresh_token")
    return AccessToken(
        value=value,
        api_base=_text(answer.get(base_key)) if base_key else None,
        expires_in_s=_seconds(answer.get("expires_in")),
        refresh_token=_text(refresh_token),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _seconds(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else None
