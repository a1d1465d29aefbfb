"""What HubSpot's answers mean: refusals, and which input of a batch succeeded or failed.

Error shapes: HubSpot's error-handling reference and API specifications, version 2026-09.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crm_sync.base import FIELD_MISSING, RECORD_NOT_FOUND, CrmError
from crm_sync.client import as_object, as_objects, rate_limited, safe_code
from crm_sync.hubspot_fields import CUSTOMER_KEY, EVENT_KEY, FIELDS
from crm_sync.metering import Usage

MISSING_SCOPES = "missing_scopes"
# Another record has this value of a unique property; the property's name follows.
VALUE_TAKEN = "value_taken:"
# HubSpot sends no Retry-After with a 429, but names the limit. The daily one comes back at the portal's midnight.
_LIMIT_WAITS_S = {"secondly": 1.0, "ten_secondly_rolling": 10.0, "daily": 3600.0}
_PERMANENT_CATEGORIES = {"validation_error", "conflict", "bad_request", "invalid_parameter"}
# Our very names: a message may quote a customer, and a code holds none of that.
_OUR_FIELD = re.compile(rf"\b(?:{'|'.join(sorted({one['name'] for listed in FIELDS.values() for one in listed}))})\b")
_SCOPE = re.compile(r"[a-z][a-z0-9._-]{2,80}")


@dataclass(frozen=True)
class Sent:
    """One input of a batch. names: what a result or an error may call it: a trace, a record id, our own key."""

    names: frozenset[str]


def read_refusal(status: int, body: dict[str, Any], retry_after_s: float | None) -> CrmError | None:
    """The error of a whole request; None when the HTTP status says all there is."""
    category = safe_code(body.get("category"))
    if status == 429:
        policy = safe_code(body.get("policyName"))
        return rate_limited(
            f"rate_limit_{policy}" if policy else "rate_limit",
            retry_after_s=_LIMIT_WAITS_S.get(policy) if retry_after_s is None else retry_after_s,
        )
    if status == 403 and category == MISSING_SCOPES:
        code = ":".join([MISSING_SCOPES, *_scopes(body)])
        return CrmError(code, permanent=False, connection_broken=True)
    if status == 401 and category:
        # Run out or revoked: HubSpot does not tell them apart reliably, so that a newer token may work.
        return CrmError(category, permanent=False, connection_broken=True, token_refused=True)
    if status in {400, 409, 422} and (category or _field_error(body)):
        return _field_error(body) or CrmError(_with_field(category, body), permanent=True)
    return None


def read_usage(headers: Mapping[str, str]) -> Usage | None:
    """What HubSpot says is left. Searches say nothing, and apps that a user installed nothing of the day."""
    window_ms = _number(headers.get("X-HubSpot-RateLimit-Interval-Milliseconds"))
    usage = Usage(
        day_limit=_number(headers.get("X-HubSpot-RateLimit-Daily")),
        day_left=_number(headers.get("X-HubSpot-RateLimit-Daily-Remaining")),
        window_left=_number(headers.get("X-HubSpot-RateLimit-Remaining")),
        window_ends_in_s=None if window_ms is None else window_ms / 1000,
    )
    return None if usage == Usage() else usage


def _number(value: str | None) -> int | None:
    return int(value) if value and re.fullmatch(r"\d{1,12}", value) else None


def records(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """The records in an answer, each with its id.

    Raises: CrmError when it lists neither results nor errors: nothing found is a list too, and must not be guessed.
    """
    if not isinstance(answer.get("results"), list) and not isinstance(answer.get("errors"), list):
        raise CrmError("answer_incomplete", permanent=False)
    return [one for one in as_objects(answer.get("results")) if isinstance(one.get("id"), str)]


def sort_results(answer: dict[str, Any], sent: Sequence[Sent]) -> list[dict[str, Any] | CrmError]:
    """Per input, in order: its result, or why it has none. HubSpot lists results and errors in any order.

    Raises: CrmError when an input failed because the portal lacks one of our fields.
    """
    results = {known: result for result in records(answer) for known in _names_of(result)}
    failures = [(_words(error.get("context")), _item_error(error)) for error in as_objects(answer.get("errors"))]
    for _, error in failures:
        if error.code.startswith(FIELD_MISSING):
            raise error
    return [
        next((results[known] for known in one.names if known in results), None) or _failure_of(one, failures)
        for one in sent
    ]


def _failure_of(one: Sent, failures: Iterable[tuple[set[str], CrmError]]) -> CrmError:
    unnamed = CrmError("no_result", permanent=False)
    for named, error in failures:
        if named & one.names:
            return error
        if not named:
            unnamed = error
    return unnamed


def _item_error(error: dict[str, Any]) -> CrmError:
    category = safe_code(error.get("category"))
    if about_field := _field_error(error):
        return about_field
    if category == "object_not_found":
        return CrmError(RECORD_NOT_FOUND, permanent=True)
    code = _with_field(category, error) if category else "refused"
    return CrmError(code, permanent=category in _PERMANENT_CATEGORIES)


def _names_of(result: dict[str, Any]) -> set[str]:
    """All that a result may be recognised by: its trace, its id, our keys."""
    properties = as_object(result.get("properties"))
    candidates = (
        result.get("objectWriteTraceId"),
        result.get("id"),
        properties.get(EVENT_KEY),
        properties.get(CUSTOMER_KEY),
    )
    return {value for value in candidates if isinstance(value, str)}


def _words(context: object) -> set[str]:
    return {
        word
        for value in as_object(context).values()
        for word in (value if isinstance(value, list) else [value])
        if isinstance(word, str)
    }


def _field_error(error: dict[str, Any]) -> CrmError | None:
    """The portal lacks one of our properties, or has it without uniqueness, or another record has our value of it."""
    text = _text(error)
    match = _OUR_FIELD.search(text)
    if match and re.search(r"PROPERTY_DOESNT_EXIST|does not exist|(non-|not a )unique", text):
        return CrmError(FIELD_MISSING + match[0], permanent=True)
    if match and "CONFLICTING_UNIQUE_VALUE" in text:
        return CrmError(VALUE_TAKEN + match[0], permanent=True)
    return None


def _with_field(category: str, error: dict[str, Any]) -> str:
    """The category, and which of our properties it is about if it is one: "validation_error:earshot_sentiment"."""
    match = _OUR_FIELD.search(_text(error))
    return f"{category}:{match[0]}" if match else category


def _text(error: dict[str, Any]) -> str:
    return json.dumps([error.get("category"), error.get("message"), error.get("errors"), error.get("context")])


def _scopes(body: dict[str, Any]) -> list[str]:
    words = [word for error in as_objects(body.get("errors")) for word in _words(error.get("context"))]
    return sorted(word for word in words if _SCOPE.fullmatch(word))
