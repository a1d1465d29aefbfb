"""What Zoho's answers mean: refusals of a request, and which record of a batch succeeded or failed.

Error shapes: Zoho CRM's API specifications and status codes, version 8.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from crm_sync.base import FIELD_MISSING, RECORD_NOT_FOUND, CrmError
from crm_sync.client import ReadRefusal, as_object, as_objects, rate_limited, safe_code
from crm_sync.metering import Usage

SCOPE_MISMATCH = "oauth_scope_mismatch"
NO_PERMISSION = "no_permission"
DUPLICATE = "duplicate_data"
# Zoho sends no Retry-After with a 429 and does not say which limit it was. Credits of a day come back one by one, as the
# calls of 24 hours ago leave the window; the number of calls at one time falls within seconds.
DAY_WAIT_S = 3600.0
CONCURRENCY_WAIT_S = 10.0
# With fewer credits left than this, a 429 is the day's.
_FEW_CREDITS = 100
_PASSING_CODES = {"record_locked", "internal_error", "internal_server_error"}
_COLUMN = re.compile(r"[A-Za-z]\w{0,63}(\.[A-Za-z]\w{0,63})?")
_ID_FIELDS = {"id", "Parent_Id", "Who_Id"}


class RecordsRefusedError(CrmError):
    """A whole batch refused, each record for a reason of its own. items: Zoho's own, in the order of the request."""

    def __init__(self, items: list[dict[str, Any]]) -> None:
        super().__init__("records_refused", permanent=True)
        self.items = items


class CreditsLeft:
    """What the newest answer said is left of the day's credits. Zoho tells it once half of them are used."""

    def __init__(self) -> None:
        self.number: int | None = None

    def read(self, headers: Mapping[str, str]) -> Usage | None:
        """The usage of one answer."""
        written = headers.get("x-api-credits-remaining", "").strip()
        self.number = int(written) if re.fullmatch(r"\d{1,9}", written) else None
        return None if self.number is None else Usage(day_left=self.number)


def refusal_reader(*, dc: str, credits_left: CreditsLeft) -> ReadRefusal:
    """What a refused request means. dc: named where a token is refused, because tokens work in their own data centre only."""

    def read(status: int, body: dict[str, Any], retry_after_s: float | None) -> CrmError | None:
        code = safe_code(body.get("code"))
        if status == 429:
            return _limited(code, retry_after_s, credits_left.number)
        if code == SCOPE_MISMATCH:
            return CrmError(SCOPE_MISMATCH, permanent=False, connection_broken=True)
        if code == NO_PERMISSION:
            return CrmError(NO_PERMISSION, permanent=False, connection_broken=True)
        if status == 401 and code:
            return CrmError(f"{code}:dc_{dc}", permanent=False, connection_broken=True, token_refused=True)
        if items := as_objects(body.get("data")) or as_objects(body.get("fields")):
            return RecordsRefusedError(items)
        if code in _PASSING_CODES or not code or not 400 <= status < 500:
            return None
        return error_of(body)

    return read


def _limited(code: str, retry_after_s: float | None, credits_left: int | None) -> CrmError:
    if credits_left is not None and credits_left < _FEW_CREDITS:
        return rate_limited("rate_limit_day", retry_after_s=DAY_WAIT_S if retry_after_s is None else retry_after_s)
    name = "rate_limit_concurrency" if code else "rate_limit"
    return rate_limited(name, retry_after_s=CONCURRENCY_WAIT_S if retry_after_s is None else retry_after_s)


def error_of(body: dict[str, Any]) -> CrmError:
    """The error in one of Zoho's error objects: its code, and the field where that is one of ours."""
    code = safe_code(body.get("code")) or "refused"
    details = as_object(body.get("details"))
    name = details.get("api_name")
    if code == "invalid_query" and (column := _column(details)):
        return CrmError(FIELD_MISSING + column, permanent=True)
    if code == "invalid_data" and (name in _ID_FIELDS or "resource_path_index" in details):
        return CrmError(RECORD_NOT_FOUND, permanent=True)
    if isinstance(name, str) and name.startswith("earshot_") and _COLUMN.fullmatch(name):
        code = f"{code}:{name}"
    return CrmError(code, permanent=code not in _PASSING_CODES)


def _column(details: dict[str, Any]) -> str | None:
    column = details.get("column_name")
    return column if isinstance(column, str) and _COLUMN.fullmatch(column) else None


def rows(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """The records that a search or a query found; Zoho answers "no content" when there are none.

    Raises: CrmError when the answer holds something else than records: it must not be taken for "nobody".
    """
    if answer and not isinstance(answer.get("data"), list):
        raise CrmError("answer_incomplete", permanent=False)
    return as_objects(answer.get("data"))


def has_more(answer: dict[str, Any]) -> bool:
    """Whether further records fit."""
    return as_object(answer.get("info")).get("more_records") is True


def change(send: Callable[[], dict[str, Any]], *, count: int) -> list[dict[str, Any] | CrmError]:
    """Per record, in order: what Zoho says of its success (at least its id), or why it failed.

    send: makes the request. Zoho answers in the order of the request, with 200, 207, 202 or 400.
    Raises: CrmError of the whole request, or when there is not one result for each record.
    """
    try:
        items = as_objects(send().get("data"))
    except RecordsRefusedError as error:
        items = error.items
    if len(items) != count:
        raise CrmError("answer_incomplete", permanent=False)
    return [
        as_object(item.get("details")) if safe_code(item.get("code")) == "success" else error_of(item) for item in items
    ]
