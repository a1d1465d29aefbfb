"""Zoho CRM's refusals, in the shape of its API specifications of version 8."""

from typing import Any

from devstack.standins.exchange import Answer


class Refused(Exception):
    """What Zoho does not do."""

    def __init__(self, status: int, code: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.status = status
        self.details = details
        self.body: dict[str, Any] = {"code": code, "details": details, "message": message, "status": "error"}

    def answer(self) -> Answer:
        """The refusal of a whole request."""
        return Answer(self.body, self.status)

    def item(self, index: int, *, list_name: str = "data") -> dict[str, Any]:
        """The refusal of one input: where it stands in the request is added."""
        details = dict(self.details)
        if name := details.get("api_name"):
            details["json_path"] = f"$.{list_name}[{index}].{name}"
        return {**self.body, "details": details}


def invalid(name: str, **details: Any) -> Refused:
    """A value that its field can't take."""
    return Refused(400, "INVALID_DATA", "invalid data", api_name=name, **details)


def unknown_id(name: str = "id") -> Refused:
    """A record that is not there."""
    return Refused(400, "INVALID_DATA", "the id given seems to be invalid", api_name=name)


def missing(name: str) -> Refused:
    """A mandatory part that was not given."""
    return Refused(400, "MANDATORY_NOT_FOUND", "required field not found", api_name=name)


def missing_parameter(name: str) -> Refused:
    """A mandatory parameter that was not given."""
    return Refused(400, "REQUIRED_PARAM_MISSING", "One of the expected parameter is missing", param_name=name)


def limit_exceeded(limit: int, **details: Any) -> Refused:
    """More than one request may hold."""
    return Refused(400, "LIMIT_EXCEEDED", "Limit exceeded", limit=limit, **details)


def invalid_query(reason: str, **details: Any) -> Refused:
    """A query or criteria that name what is not there."""
    return Refused(400, "INVALID_QUERY", "invalid query formed", reason=reason, **details)


def scope_mismatch() -> Refused:
    """A token that was not granted what the request needs."""
    return Refused(401, "OAUTH_SCOPE_MISMATCH", "invalid oauth scope to access this URL")


def no_such_path() -> Refused:
    """A path that Zoho, or this stand-in, does not have."""
    return Refused(404, "INVALID_URL_PATTERN", "Please check if the URL trying to access is a correct one")
