"""Pipedrive's refusals, in the shapes of its API v2 and v1."""

from devstack.standins.exchange import Answer

INFO = "Please check developers.pipedrive.com for more information about Pipedrive API."


class Refused(Exception):
    """What Pipedrive does not do. code: what API v2 adds to the message, a number in v1."""

    def __init__(
        self, status: int, message: str, *, code: str | int | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = status if code is None else code
        self.headers = headers or {}

    def answer(self) -> Answer:
        """The refusal of a request."""
        name = "errorCode" if isinstance(self.code, int) else "code"
        body = {"success": False, "error": self.message, name: self.code, "error_info": INFO, "data": None}
        return Answer(body, self.status, self.headers)


def invalid(message: str) -> Refused:
    """A request that makes no sense."""
    return Refused(400, f"Validation failed: {message}", code="ERR_SCHEMA_VALIDATION_FAILED")


def not_found(what: str) -> Refused:
    """A record that is not there, or was deleted."""
    return Refused(404, f"{what} not found", code="ERR_NOT_FOUND")


def no_scope() -> Refused:
    """A path that the app, or the token's user, has no right to."""
    return Refused(403, "Scope and URL mismatch")
