"""HubSpot's refusals, in the shape of its API specifications of version 2026-09."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from devstack.standins.exchange import Answer

CORRELATION_ID = "00000000-0000-4000-8000-000000000000"


class Refused(Exception):
    """What HubSpot does not do. errors: details, each {"message", "code", "context"}."""

    def __init__(
        self,
        status: int,
        category: str,
        message: str,
        *,
        errors: Sequence[dict[str, Any]] = (),
        context: dict[str, list[str]] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.category = category
        self.message = message
        self.errors = list(errors)
        self.context = context or {}

    def answer(self) -> Answer:
        """The refusal of a whole request."""
        body: dict[str, Any] = {
            "status": "error",
            "message": self.message,
            "correlationId": CORRELATION_ID,
            "category": self.category,
        }
        if self.errors:
            body["errors"] = self.errors
        if self.context:
            body["context"] = self.context
        return Answer(body, self.status)

    def item(self, **context: list[str]) -> dict[str, Any]:
        """The refusal of one input of a batch."""
        return {
            "status": "error",
            "category": self.category,
            "message": self.message,
            "errors": self.errors,
            "context": {**self.context, **context},
            "links": {},
        }


@dataclass(frozen=True)
class WrongValue:
    """One property of an input that can't be written."""

    name: str
    code: str
    message: str


def not_found(kind: str, *ids: str) -> Refused:
    """Objects that are not there."""
    singular = kind.upper().removesuffix("S")
    message = f"Could not get some {singular} objects, they may be deleted or not exist. Check that ids are valid."
    return Refused(404, "OBJECT_NOT_FOUND", message, context={"ids": list(ids)})


def no_such_path() -> Refused:
    """A path that HubSpot, or this stand-in, does not have."""
    return Refused(404, "OBJECT_NOT_FOUND", "resource not found")


def invalid(message: str, *, context: dict[str, list[str]] | None = None) -> Refused:
    """A request that makes no sense."""
    return Refused(400, "VALIDATION_ERROR", message, context=context)


def wrong_values(values: Sequence[WrongValue]) -> Refused:
    """Properties that can't be written: each named in the message, as a list of JSON objects, and in `errors`."""
    listed = [
        {
            "isValid": False,
            "message": one.message,
            "error": one.code,
            "name": one.name,
            "localizedErrorMessage": one.message,
        }
        for one in values
    ]
    errors = [{"message": one.message, "code": one.code, "context": {"propertyName": [one.name]}} for one in values]
    return Refused(400, "VALIDATION_ERROR", f"Property values were not valid: {json.dumps(listed)}", errors=errors)


def missing_scope(scope: str) -> Refused:
    """A right that the credential lacks."""
    detail = {
        "message": "One or more of the following scopes are required.",
        "context": {"requiredGranularScopes": [scope]},
    }
    message = "This app hasn't been granted all required scopes to make this call."
    return Refused(403, "MISSING_SCOPES", message, errors=[detail])
