"""A thin JSON client for every CRM, and the one place where HTTP answers become CrmError."""

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import httpx2
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, stop_any, stop_before_delay

from crm_sync.base import RECORD_NOT_FOUND, CrmError
from crm_sync.metering import Lane, Meter, Unmetered, Usage
from crm_sync.tokens import AccessToken, TokenSource

CONNECT_TIMEOUT_S = 3.0
MAX_ANSWER_BYTES = 16 * 1024 * 1024
# Blips are waited out here; the worker owns every longer wait, so that no thread sleeps through a CRM's bad hour.
TRIES = 3
BLIP_S = 8.0
BLIP_WAITS_S = (0.3, 1.0)
MAX_SHORT_RETRY_AFTER_S = 2.0
RATE_LIMIT_WAIT_S = 10.0

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_BLIP_STATUSES = {502, 503, 504}
# Not the request's fault: time-out, locked record, too early, HubSpot's "migration in progress".
_PASSING_STATUSES = {408, 423, 425, 477}
_NOT_JSON = object()

# What codes of limits begin with.
RATE_LIMIT = "rate_limit"

# Status, error body (an array comes as {"items": […]}), seconds of Retry-After.
ReadRefusal = Callable[[int, dict[str, Any], float | None], CrmError | None]
ReadUsage = Callable[[Mapping[str, str]], Usage | None]


@dataclass(frozen=True)
class _Sending:
    method: str
    path: str
    params: Mapping[str, str] | None
    content: bytes | None
    idempotent: bool
    cost: int
    lane: Lane


class _BlipError(CrmError):
    """A failure that may be gone in a second and whose request did nothing, or may be repeated."""


@cache
def shared_transport() -> httpx2.HTTPTransport:
    """One pool for the process. Connections are told apart by host and carry no credentials or cookies between them."""
    # As many connections as there are threads asking, so that one tenant's slow CRM takes none from the others.
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=30.0)
    return httpx2.HTTPTransport(limits=limits, trust_env=False)


class CrmClient:
    """Requests to one tenant's CRM.

    base_url: scheme and host; None: what comes with the access token. authorization: the header's value for a token, or a
    header and its value. timeout_s: for a whole answer, after the connection stands. read_refusal: what the CRM's own error
    body means; None leaves it to the HTTP status. read_usage: what the answer's headers say of the account's limits.
    sleep and clock are for tests.
    """

    def __init__(
        self,
        base_url: str | None,
        *,
        tokens: TokenSource,
        authorization: Callable[[AccessToken], dict[str, str]],
        timeout_s: float,
        read_refusal: ReadRefusal = lambda _status, _body, _retry_after_s: None,
        read_usage: ReadUsage = lambda _headers: None,
        meter: Meter | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._base = base_url.rstrip("/") if base_url else None
        self._tokens = tokens
        self._authorization = authorization
        self._timeout_s = timeout_s
        self._read_refusal = read_refusal
        self._read_usage = read_usage
        self._meter = meter or Unmetered()
        self._clock = clock
        self._http = httpx2.Client(
            transport=shared_transport(),
            timeout=httpx2.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S),
            trust_env=False,
        )
        self._retrying = Retrying(
            stop=stop_any(stop_after_attempt(TRIES), stop_before_delay(BLIP_S)),
            wait=_blip_wait_s,
            retry=retry_if_exception(lambda error: isinstance(error, _BlipError)),
            sleep=sleep,
            reraise=True,
        )

    def get(
        self, path: str, *, params: Mapping[str, str] | None = None, cost: int = 1, lane: Lane = "general"
    ) -> dict[str, Any]:
        """The decoded answer. Raises: CrmError."""
        return self.request("GET", path, params=params, idempotent=True, cost=cost, lane=lane)

    def post(
        self, path: str, payload: Any, *, idempotent: bool, cost: int = 1, lane: Lane = "general"
    ) -> dict[str, Any]:
        """The decoded answer; idempotent says that doing it twice equals doing it once. Raises: CrmError."""
        return self.request("POST", path, payload=payload, idempotent=idempotent, cost=cost, lane=lane)

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        payload: Any = None,
        idempotent: bool,
        cost: int = 1,
        lane: Lane = "general",
    ) -> dict[str, Any]:
        """The decoded object of a 2xx ({} for 204; an array comes as {"items": […]}); blips are retried.

        cost: units of the account's allowance. Raises: CrmError, `uncertain` when a request that is not idempotent got no
        answer.
        """
        # ASCII: a lone surrogate in a name must not make the whole batch impossible to encode.
        content = None if payload is None else json.dumps(payload).encode("ascii")
        sending = _Sending(method, path, params, content, idempotent, cost, lane)
        token = self._tokens.current()
        try:
            return self._retrying(self._once, sending, token)
        except CrmError as error:
            if not error.token_refused:
                raise
            refusal = error
        renewed = self._tokens.renew(token)
        if renewed.value == token.value:
            raise refusal
        # A refused token has done nothing, so that this is no repetition.
        return self._retrying(self._once, sending, renewed)

    def _once(self, sending: _Sending, token: AccessToken) -> dict[str, Any]:
        self._meter.take(sending.cost, lane=sending.lane)
        failure: CrmError
        try:
            status, headers, body = self._exchange(sending, token)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout):
            failure = _BlipError("no_connection", permanent=False)
        except (httpx2.TimeoutException, httpx2.DecodingError):
            # Waiting once more for something this slow is the worker's decision.
            failure = CrmError("no_answer", permanent=False, uncertain=not sending.idempotent)
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol):
            failure = CrmError("address_unusable", permanent=False, connection_broken=True)
        except httpx2.HTTPError:
            kind = _BlipError if sending.idempotent else CrmError
            failure = kind("connection_lost", permanent=False, uncertain=not sending.idempotent)
        else:
            if usage := self._read_usage(headers):
                self._meter.learn(usage)
            return self._read(status, headers, body, idempotent=sending.idempotent)
        raise failure  # outside the handler, so that no exception with the request and its token in it hangs on ours

    def _exchange(self, sending: _Sending, token: AccessToken) -> tuple[int, httpx2.Headers, bytes]:
        base = self._base or token.api_base
        if base is None:
            raise httpx2.UnsupportedProtocol("the CRM told no address")
        deadline = self._clock() + CONNECT_TIMEOUT_S + self._timeout_s
        headers = {"Accept": "application/json", **self._authorization(token)}
        if sending.content is not None:
            headers["Content-Type"] = "application/json"
        body = bytearray()
        with self._http.stream(
            sending.method, base + sending.path, params=sending.params, content=sending.content, headers=headers
        ) as response:
            for chunk in response.iter_bytes():
                body += chunk
                # The client's own timeout starts anew with every byte that drips in.
                if self._clock() > deadline or len(body) > MAX_ANSWER_BYTES:
                    message = "the answer is too slow or too long"
                    raise httpx2.ReadTimeout(message)
        return response.status_code, response.headers, bytes(body)

    def _read(self, status: int, headers: httpx2.Headers, body: bytes, *, idempotent: bool) -> dict[str, Any]:
        decoded = {} if status == 204 else _decode(body)
        if 200 <= status < 300:
            if decoded is _NOT_JSON:
                raise CrmError("answer_not_json", permanent=False, uncertain=not idempotent)
            return as_object({"items": decoded} if isinstance(decoded, list) else decoded)
        retry_after_s = read_retry_after_s(headers.get("Retry-After"))
        # Salesforce's errors are an array.
        body_object = as_object({"items": decoded} if isinstance(decoded, list) else decoded)
        refusal = self._read_refusal(status, body_object, retry_after_s) or error_from_status(
            status, retry_after_s=retry_after_s, is_json=decoded is not _NOT_JSON, idempotent=idempotent
        )
        if refusal.code.startswith(RATE_LIMIT) and refusal.retry_after_s is not None:
            self._meter.rest(refusal.retry_after_s)
        raise refusal


def error_from_status(status: int, *, retry_after_s: float | None, is_json: bool, idempotent: bool) -> CrmError:
    """What an HTTP status means when the CRM's own error body says nothing better."""
    code = f"http_{status}"
    if status == 429:
        return rate_limited(RATE_LIMIT, retry_after_s=retry_after_s)
    if status == 401 or (status == 403 and is_json):
        return CrmError(code, permanent=False, connection_broken=True, token_refused=status == 401)
    if status in _BLIP_STATUSES and idempotent:
        return _BlipError(code, permanent=False, retry_after_s=retry_after_s)
    if status >= 500:
        # A gateway's error page says nothing about what happened behind it.
        return CrmError(code, permanent=False, uncertain=not idempotent)
    if status in _PASSING_STATUSES:
        return CrmError(code, permanent=False, retry_after_s=retry_after_s)
    if not is_json:
        # A firewall's or a proxy's page, not the CRM's word.
        return CrmError("answer_not_json", permanent=False)
    return CrmError(RECORD_NOT_FOUND if status == 404 else code, permanent=True)


def rate_limited(code: str, *, retry_after_s: float | None) -> CrmError:
    """The error for a limit; a short wait is waited out by the client itself."""
    wait_s = RATE_LIMIT_WAIT_S if retry_after_s is None else retry_after_s
    kind = _BlipError if wait_s <= MAX_SHORT_RETRY_AFTER_S else CrmError
    return kind(code, permanent=False, retry_after_s=wait_s)


def read_retry_after_s(value: str | None) -> float | None:
    """Seconds of a Retry-After header; None when it is absent or a date."""
    return float(value) if value and re.fullmatch(r"\d{1,6}(\.\d{1,3})?", value.strip()) else None


def safe_code(value: object) -> str:
    """A CRM's own error code in lower case, or "" when it is not one: free text may hold customer data."""
    return value.lower() if isinstance(value, str) and _CODE.fullmatch(value) else ""


def as_object(value: object) -> dict[str, Any]:
    """The JSON object, or an empty one for anything else."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def as_objects(value: object) -> list[dict[str, Any]]:
    """The JSON objects in an array; other items, and what is no array, are left out."""
    items = cast("list[object]", value) if isinstance(value, list) else []
    return [as_object(item) for item in items if isinstance(item, dict)]


def _decode(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return _NOT_JSON


def _blip_wait_s(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked_s = error.retry_after_s if isinstance(error, CrmError) else None
    return asked_s if asked_s is not None else BLIP_WAITS_S[min(state.attempt_number, len(BLIP_WAITS_S)) - 1]
