"""One request to Meta's Graph API, and one place where its errors become ours.

Error table: Meta's WhatsApp error codes and Graph API error reference, 2026.
"""

import json
import logging
import re
from typing import Any
from urllib.parse import quote

import httpx2

from channels.base import ChannelError
from channels.reading import as_object, as_objects

# Clear refusals that pass by themselves: a limit or a closed door, nothing was sent. Code to seconds to wait.
_TRANSIENT = {4: 60.0, 17: 60.0, 32: 60.0, 613: 30.0, 80007: 60.0, 130429: 10.0, 131056: 8.0,
              131016: 10.0, 131057: 60.0, 429: 30.0}  # fmt: skip
# "Something went wrong, retry later": Meta's server broke while it worked. Posts have appeared that were answered so, once for
# each retry (arsduo/koala#699, HTTP 500 with code 2), so for a send this proves nothing, whatever the HTTP status says.
_BROKE_INSIDE = {1: 5.0, 2: 5.0, 131000: 5.0}
# The account can't send until a person acts: token, permission, lock, payment, quality.
_BLOCKED = {0, 3, 10, 190, 368, 131031, 131042, 131045, 130497, 131048, 131064, *range(200, 300)}
# Clear refusals of this message or this customer, whatever the HTTP status says.
_REFUSED = {100, 551, 131008, 131009, 131026, 131049, 131050, 130472, 131062, 131063, *range(132000, 132100)}
_WINDOW_CLOSED = {131047, 1545041}
_WINDOW_CLOSED_SUBCODES = {2534022, 2018278, 2018065, 1545041}
# This one customer can't be reached, under codes that otherwise speak of the account.
_UNREACHABLE_SUBCODES = {2018108}
_ALREADY_ANSWERED_SUBCODE = 2534014
# It writes every address it calls at INFO, and the one of a token's refresh holds the token.
logging.getLogger("httpx2").setLevel(logging.WARNING)
_BLOCKED_FOR_S = 300.0
_SERVER_ERROR = 500
# An action is too old after half an hour; asking again then costs nothing.
_MAX_WAIT_S = 3600.0
_CODE = re.compile(r"\d{1,9}")
_USABLE_TOKEN = re.compile(r"[\x21-\x7e]+")


class GraphClient:
    """Sends and never repeats: without an idempotency key at the provider a second try could be a second message.

    Safe to share between threads.
    """

    def __init__(self, base_url: str, *, version: str, timeout_s: float) -> None:
        self._host = base_url
        self._base = f"{base_url}/{version}"
        self._client = httpx2.Client(
            timeout=httpx2.Timeout(timeout_s, connect=min(timeout_s, 3.0)),
            limits=httpx2.Limits(max_connections=64, max_keepalive_connections=64, keepalive_expiry=30.0),
            trust_env=False,
        )

    def post(self, node: str, edge: str, payload: dict[str, Any], *, token: str) -> dict[str, Any]:
        """The decoded answer to a POST to an edge ("messages", "replies") of a node, the id of a number, account or comment.

        Raises: ChannelError, `uncertain` when it may have had its effect.
        """
        request = self._client.build_request(
            "POST",
            f"{self._base}/{quote(node, safe='')}/{edge}",
            content=json.dumps(payload),  # in ASCII, so that no text can fail to be encoded
            headers={"Content-Type": "application/json"},
        )
        return self._exchange(request, token=token, has_effect=True)

    def get(self, path: str, *, token: str, parameters: dict[str, str] | None = None) -> dict[str, Any]:
        """The decoded answer to a GET below the version path. Raises: ChannelError, never `uncertain`."""
        request = self._client.build_request("GET", f"{self._base}/{path}", params=parameters or {})
        return self._exchange(request, token=token, has_effect=False)

    def refresh_instagram_token(self, token: str) -> dict[str, Any]:
        """The decoded answer to Instagram Login's token refresh, whose path has no version. Raises: ChannelError."""
        request = self._client.build_request(
            "GET",
            f"{self._host}/refresh_access_token",
            params={"grant_type": "ig_refresh_token", "access_token": token},
        )
        return self._exchange(request, token=token, has_effect=False)

    def _exchange(self, request: httpx2.Request, *, token: str, has_effect: bool) -> dict[str, Any]:
        if not _USABLE_TOKEN.fullmatch(token):  # it can't stand in a header, and the client's error would quote it
            raise ChannelError("token_unusable", permanent=False, retry_after_s=_BLOCKED_FOR_S, account_blocked=True)
        request.headers["Authorization"] = f"Bearer {token}"
        failure: ChannelError
        try:
            response = self._client.send(request)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout):
            failure = ChannelError("no_connection", permanent=False, retry_after_s=5.0, channel_down=True)
        except httpx2.HTTPError:
            # The request may have arrived: the customer may have the message already.
            failure = ChannelError("no_answer", permanent=has_effect, uncertain=has_effect, channel_down=True)
        else:
            return _read(response, has_effect=has_effect)
        raise failure  # outside the handler, so that no exception with the request in it hangs on ours


def _read(response: httpx2.Response, *, has_effect: bool) -> dict[str, Any]:
    try:
        body = as_object(response.json())
    except (ValueError, RecursionError):
        body = {}
    if not response.is_success:
        error = as_object(body.get("error"))
        raise error_from(
            response.status_code, error, asked_wait_s=_asked_wait_s(response.headers), has_effect=has_effect
        )
    if not body:
        raise ChannelError("answer_not_json", permanent=True, uncertain=has_effect)
    return body


def _asked_wait_s(headers: httpx2.Headers) -> float:
    """How long Meta asks to wait: Retry-After in seconds, or the usage header's minutes until access is back.

    0 when it does not say.
    """
    waits = [float(headers["retry-after"])] if _CODE.fullmatch(headers.get("retry-after", "")) else []
    try:
        usage = as_object(json.loads(headers.get("x-business-use-case-usage", "{}")))
    except (ValueError, RecursionError):
        usage = {}
    for limit in (limit for limits in usage.values() for limit in as_objects(limits)):
        minutes = limit.get("estimated_time_to_regain_access")
        waits.extend([minutes * 60.0] if isinstance(minutes, int) and minutes < _MAX_WAIT_S else [])
    return min(max(waits, default=0.0), _MAX_WAIT_S)


def _as_code(value: Any) -> int | None:
    """An error code: a number, or its digits as text."""
    return int(value) if not isinstance(value, bool) and _CODE.fullmatch(str(value)) else None


def error_from(
    status: int, error: dict[str, Any], *, asked_wait_s: float = 0.0, has_effect: bool = True
) -> ChannelError:
    """The ChannelError for a Graph API error object; an empty one is judged by its HTTP status.

    has_effect: the request was a send, so an answer that does not prove that nothing left is `uncertain`.
    """
    code, subcode = _as_code(error.get("code")), _as_code(error.get("error_subcode"))
    label = f"http_{status}" if code is None else f"graph_{code}"
    if code in _WINDOW_CLOSED or subcode in _WINDOW_CLOSED_SUBCODES:
        return ChannelError(label, permanent=True, window_closed=True)
    if subcode == _ALREADY_ANSWERED_SUBCODE:
        return ChannelError("already_answered", permanent=True)
    if subcode in _UNREACHABLE_SUBCODES:
        return ChannelError(label, permanent=True)
    if code in _BROKE_INSIDE:
        wait_s = max(_BROKE_INSIDE[code], asked_wait_s)
        return _server_failed(label, has_effect=has_effect, wait_s=wait_s)
    if code in _TRANSIENT:
        down = status >= _SERVER_ERROR
        wait_s = max(_TRANSIENT[code], asked_wait_s)
        return ChannelError(label, permanent=False, retry_after_s=wait_s, channel_down=down)
    if code in _BLOCKED or status in {401, 403}:
        return ChannelError(label, permanent=False, retry_after_s=_BLOCKED_FOR_S, account_blocked=True)
    if code is None and status == 429:
        return ChannelError(label, permanent=False, retry_after_s=max(30.0, asked_wait_s))
    if status >= _SERVER_ERROR and code not in _REFUSED:
        # Also a proxy's page without a code: it says nothing about what happened behind it.
        return _server_failed(label, has_effect=has_effect, wait_s=asked_wait_s)
    return ChannelError(label, permanent=True)


def _server_failed(label: str, *, has_effect: bool, wait_s: float) -> ChannelError:
    if has_effect:
        return ChannelError(label, permanent=True, uncertain=True, channel_down=True)
    return ChannelError(label, permanent=False, retry_after_s=wait_s or None, channel_down=True)
