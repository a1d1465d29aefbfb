"""What Pipedrive's answers mean: refusals, and what their headers say of the account's limits."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from crm_sync.base import RECORD_NOT_FOUND, CrmError
from crm_sync.client import as_object, as_objects, rate_limited, safe_code
from crm_sync.metering import Usage

MISSING_SCOPES = "missing_scopes"
FORBIDDEN = "forbidden"
# The dearest call, in tokens: with less than this left, a 429 is the day's and not the burst's.
DEAREST_CALL = 20
# The day ends at midnight of the account's data centre, whose clock is not told: asking once an hour finds it.
DAY_WAIT_S = 3600.0
# Cloudflare blocks who went on asking after a 429, without saying for how long.
BLOCKED_WAIT_S = 300.0
_DAY_S = 86_400


class Answers:
    """Reads the answers of one account. Each thread's refusal is judged with the headers that came with it."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._here = threading.local()
        self.latest = Usage()

    def read_usage(self, headers: Mapping[str, str]) -> Usage:
        """The day in tokens. The burst is counted in requests, so that only its end is a number we can use."""
        left = _whole(headers.get("x-ratelimit-remaining"))
        usage = Usage(
            day_limit=_whole(headers.get("x-daily-ratelimit-token-limit")),
            day_left=_whole(headers.get("x-daily-ratelimit-token-remaining")),
            window_left=0 if left == 0 else None,
            window_ends_in_s=_whole(headers.get("x-ratelimit-reset")),
        )
        self._here.usage = usage
        if usage.day_limit is not None:
            self.latest = usage
        return usage

    def read_refusal(self, status: int, body: dict[str, Any], retry_after_s: float | None) -> CrmError | None:
        """The error of a request; None when the HTTP status says all there is."""
        code = safe_code(body.get("code"))
        if status == 429:
            return self._limit(retry_after_s)
        if status == 403 and not body:
            # A page of Cloudflare's, which says nothing of our rights.
            return rate_limited("rate_limit_blocked", retry_after_s=retry_after_s or BLOCKED_WAIT_S)
        if status == 403 and code.startswith("feature_capping"):
            return CrmError(code, permanent=True)
        if status == 403 and "scope" in str(body.get("error")).lower():
            return CrmError(MISSING_SCOPES, permanent=False, connection_broken=True)
        if status == 403 and body.get("success") is False:
            return CrmError(FORBIDDEN, permanent=False, connection_broken=True)
        if status == 402:
            return CrmError("payment_required", permanent=False, connection_broken=True)
        if status in {404, 410} and body:
            return CrmError(RECORD_NOT_FOUND, permanent=True)
        if status in {400, 409, 422} and code:
            return CrmError(code, permanent=True)
        return None

    def _limit(self, retry_after_s: float | None) -> CrmError:
        usage: Usage = getattr(self._here, "usage", Usage())
        if usage.day_left is not None and usage.day_left < DEAREST_CALL:
            until_midnight_s = _DAY_S - self._clock() % _DAY_S
            return rate_limited("rate_limit_daily", retry_after_s=retry_after_s or min(until_midnight_s, DAY_WAIT_S))
        return rate_limited("rate_limit_burst", retry_after_s=retry_after_s or usage.window_ends_in_s)


def data_of(answer: dict[str, Any], *, idempotent: bool) -> Any:
    """What a successful answer bears.

    Raises: CrmError when it says in spite of its HTTP status that it failed, or says nothing.
    """
    if answer.get("success") is False:
        raise CrmError(safe_code(answer.get("code")) or "refused", permanent=True)
    if "data" not in answer:
        raise CrmError("answer_incomplete", permanent=False, uncertain=not idempotent)
    return answer["data"]


def record_of(answer: dict[str, Any], *, idempotent: bool) -> dict[str, Any]:
    """The one record that an answer bears. Raises: CrmError when it bears none."""
    record = as_object(data_of(answer, idempotent=idempotent))
    if not isinstance(record.get("id"), int):
        raise CrmError("answer_incomplete", permanent=False, uncertain=not idempotent)
    return record


def list_of(data: object) -> list[dict[str, Any]]:
    """The records of a list; API v1 gives null for an empty one. Raises: CrmError when it is none."""
    if data is not None and not isinstance(data, list):
        raise CrmError("answer_incomplete", permanent=False)
    return as_objects(data)


def next_cursor(answer: dict[str, Any]) -> str | None:
    """Where API v2 goes on; None at the end."""
    cursor = as_object(answer.get("additional_data")).get("next_cursor")
    return cursor if isinstance(cursor, str) and cursor else None


def _whole(value: str | None) -> int | None:
    return int(value) if value and value.isascii() and value.isdigit() else None
