"""Errors as application/problem+json (RFC 9457): what is wrong, with which field, and how to put it right."""

import json
from typing import Any

import structlog
from flask import Response
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException

from store.db import StoreError

log = structlog.get_logger()

CONTENT_TYPE = "application/problem+json"
MAX_TOLD = 20
# Our own words for what Flask itself refuses.
_TITLES = {
    400: ("bad_request", "send a well-formed request"),
    404: ("not_found", "there is no such thing here; see /api/v1/openapi.json"),
    405: ("method_not_allowed", "see /api/v1/openapi.json for the methods of this address"),
    413: ("body_too_large", "send at most 64 KiB"),
    415: ("unsupported_media_type", "send Content-Type: application/json"),
}
_KEPT_HEADERS = frozenset({"Allow", "Retry-After"})


class Problem(Exception):
    """What a call is refused with. field: the part of the request that is wrong. more: further facts for the caller."""

    def __init__(self, status: int, code: str, *, fix: str, field: str | None = None, **more: Any) -> None:
        super().__init__(code)
        self.status, self.code, self.fix, self.field, self.more = status, code, fix, field, more
        self.retry_after_s: int | None = None

    def response(self) -> Response:
        """As it is answered."""
        body = {
            "type": f"urn:earshot:problem:{self.code}",
            "title": self.code.replace("_", " "),
            "status": self.status,
            "code": self.code,
            "fix": self.fix,
            **({"field": self.field} if self.field else {}),
            **self.more,
        }
        response = Response(json.dumps(body, default=str), self.status, content_type=CONTENT_TYPE)
        if self.retry_after_s is not None:
            response.headers["Retry-After"] = str(self.retry_after_s)
        return response


def not_found(what: str) -> Problem:
    """An id that the tenant doesn't have; whether another one has it, nobody learns."""
    return Problem(404, "not_found", fix=f"use the id of {what} of this tenant")


def from_validation(error: ValidationError) -> Response:
    """What pydantic found, without the values."""
    # A body of thousands of unknown fields is told of some of them.
    errors = [
        {"field": ".".join(str(part) for part in item["loc"]) or "body", "fix": item["msg"]}
        for item in error.errors(include_input=False, include_url=False, include_context=False)[:MAX_TOLD]
    ]
    first = errors[0]
    return Problem(422, "invalid_request", fix=first["fix"], field=first["field"], errors=errors).response()


def from_http(error: HTTPException) -> Response:
    """What Flask refuses by itself."""
    if isinstance(error.response, Response):
        return error.response
    status = error.code or 500
    code, fix = _TITLES.get(status, ("refused", "see /api/v1/openapi.json"))
    response = Problem(status, code, fix=fix).response()
    # Which methods an address has, and when to come back, stand in headers.
    response.headers.extend({name: value for name, value in error.get_headers() if name in _KEPT_HEADERS})
    return response


def from_store(error: StoreError) -> Response:
    """The database did not do it."""
    log.warning("api_store_error", code=error.code)
    if error.permanent:
        return Problem(500, "not_done", fix="tell the operator; the log has the code").response()
    response = Problem(503, "try_again", fix="the database is busy or away: try again in a moment").response()
    response.headers["Retry-After"] = "1"
    return response


def from_bug(error: Exception) -> Response:
    """Ours. Its text may quote a customer: only its class is told."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    where = f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}" if trace else ""
    log.error("api_call_failed", code=type(error).__name__, where=where)
    return Problem(500, "not_done", fix="tell the operator; the log says where").response()
