"""What Salesforce's answers mean: refusals, limits, and which record of a batch succeeded or failed.

Error shapes and codes: Salesforce's REST API Developer Guide, version 64.0.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from crm_sync.base import FIELD_MISSING, RECORD_NOT_FOUND, CrmError
from crm_sync.client import as_object, as_objects, rate_limited, safe_code
from crm_sync.metering import Usage
from crm_sync.salesforce_fields import our_name

MISSING_PERMISSION = "missing_permission:"
NO_ACCESS = "insufficient_access"
# The day is any 24 hours: requests come back bit by bit, and Salesforce does not say when.
DAY_WAIT_S = 3_600.0
# The limit on requests that run longer than 20 s at one time.
CONCURRENT_WAIT_S = 5.0
OF_ANOTHER_TYPE = FIELD_MISSING + "of_another_type"

_PASSING = {
    "unable_to_lock_row", "server_unavailable", "request_running_too_long", "query_timeout", "unknown_exception",
    "api_currently_disabled", "all_or_none_operation_rolled_back", "apex_data_access_restriction", "invalid_query_locator",
}  # fmt: skip
_GONE = {"entity_is_deleted", "invalid_cross_reference_key", "malformed_id", "not_found"}
_OUR_FIELD = re.compile(r"\bEarshot_[A-Za-z0-9_]{1,60}__c\b", re.IGNORECASE)
_COLUMN = re.compile(r"No such column '([A-Za-z]\w{0,79})'|Didn't understand relationship '([A-Za-z]\w{0,79})'")
_API_USAGE = re.compile(r"api-usage=(\d{1,12})/(\d{1,12})")


def read_usage(headers: Mapping[str, str]) -> Usage | None:
    """Of "api-usage=33/15000", and perhaps of the share that an administrator gives this app, the scarcer one."""
    pairs = [(int(used), int(limit)) for used, limit in _API_USAGE.findall(headers.get("Sforce-Limit-Info") or "")]
    if not pairs:
        return None
    used, limit = min(pairs, key=lambda pair: pair[1] - pair[0])
    return Usage(day_limit=limit, day_left=max(limit - used, 0))


def read_refusal(status: int, body: dict[str, Any], retry_after_s: float | None) -> CrmError | None:
    """The error of a whole request; None when the HTTP status says all there is."""
    error = next(iter(as_objects(body.get("items"))), {})
    code = safe_code(error.get("errorCode"))
    if not code:
        return None
    text = str(error.get("message"))
    if code == "request_limit_exceeded":
        concurrent = "concurrent" in text.lower()
        wait_s = CONCURRENT_WAIT_S if concurrent else DAY_WAIT_S
        name = "rate_limit_concurrent" if concurrent else "rate_limit_daily"
        return rate_limited(name, retry_after_s=wait_s if retry_after_s is None else retry_after_s)
    if status >= 500:
        return None
    if status == 401:
        return CrmError(code, permanent=False, connection_broken=True, token_refused=True)
    if code == "json_parser_error":
        return CrmError(OF_ANOTHER_TYPE, permanent=True)
    if name := _missing_field(code, text):
        return CrmError(FIELD_MISSING + name, permanent=True)
    if code == "invalid_type":
        return CrmError(f"{MISSING_PERMISSION}object", permanent=False, connection_broken=True)
    if code in _PASSING:
        return CrmError(code, permanent=False, retry_after_s=retry_after_s)
    if code.startswith(NO_ACCESS):
        return CrmError(code, permanent=True)
    if status in {403, 404}:
        # Every path is the same for all records: what is not there is an object or the API itself.
        return CrmError(code, permanent=False, connection_broken=True)
    return CrmError(code, permanent=True) if status == 400 else None


def records(answer: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The records of a query ("records") or a search ("searchRecords"), each with its Id.

    Raises: CrmError when there is no such list: nothing found is a list too, and must not be guessed.
    """
    if not isinstance(answer.get(name), list):
        raise CrmError("answer_incomplete", permanent=False)
    return [one for one in as_objects(answer.get(name)) if isinstance(one.get("Id"), str)]


def results(answer: dict[str, Any], *, sent: int) -> list[dict[str, Any] | CrmError]:
    """Per record of a batch, in order: its result, or why it has none.

    Raises: CrmError when a record failed because the org lacks one of our fields, or keeps it from us.
    """
    items = answer.get("items")
    if not isinstance(items, list):
        raise CrmError("answer_incomplete", permanent=False)
    read = [_result(as_object(one)) for one in items[:sent]]
    for one in read:
        if isinstance(one, CrmError) and one.code.startswith(FIELD_MISSING):
            raise one
    return read + [CrmError("no_result", permanent=False)] * (sent - len(read))


def _result(item: dict[str, Any]) -> dict[str, Any] | CrmError:
    if item.get("success") is True and isinstance(item.get("id"), str):
        return item
    error = next(iter(as_objects(item.get("errors"))), {})
    code = safe_code(error.get("statusCode") or error.get("errorCode"))
    if not code:
        return CrmError("no_result", permanent=False)
    listed = error.get("fields")
    fields = {str(one).lower() for one in listed} if isinstance(listed, list) else set[str]()
    named = _OUR_FIELD.search(json.dumps([error.get("fields"), error.get("message")]))
    if code == "invalid_field_for_insert_update" and named:
        return CrmError(FIELD_MISSING + our_name(named[0]), permanent=True)
    if code in _GONE and fields <= {"id", "whoid"}:
        return CrmError(RECORD_NOT_FOUND, permanent=True)
    if code in {"storage_limit_exceeded", "request_limit_exceeded", "limit_exceeded"}:
        return CrmError(f"rate_limit_{code}", permanent=False, retry_after_s=DAY_WAIT_S)
    return CrmError(f"{code}:{our_name(named[0])}" if named else code, permanent=code not in _PASSING)


def _missing_field(code: str, text: str) -> str | None:
    """The field or relationship that the org lacks or keeps from us, when that is what the error says."""
    if code == "not_found" and "external ID field" in text and (named := _OUR_FIELD.search(text)):
        return our_name(named[0])
    if code in {"invalid_field", "invalid_field_for_insert_update"}:
        column = _COLUMN.search(text)
        if column:
            return our_name(column[1] or column[2])
        named = _OUR_FIELD.search(text)
        return our_name(named[0]) if named else None
    return None
