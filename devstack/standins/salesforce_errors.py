"""Salesforce's refusals: a whole request is refused by an array of errors, one record of a batch by its own."""

from collections.abc import Sequence
from typing import Any

from devstack.standins.exchange import Answer


class Refused(Exception):
    """What Salesforce does not do. whole: it refuses the request, also where a batch would take its other records."""

    def __init__(
        self, code: str, message: str, *, status: int = 400, fields: Sequence[str] = (), whole: bool = False
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.fields = list(fields)
        self.whole = whole

    def answer(self) -> Answer:
        """The refusal of a whole request."""
        body: dict[str, Any] = {"message": self.message, "errorCode": self.code}
        if self.fields:
            body["fields"] = self.fields
        return Answer([body], self.status)

    def item(self) -> dict[str, Any]:
        """The refusal of one record of a batch."""
        return {"statusCode": self.code, "message": self.message, "fields": self.fields}


def no_such_resource() -> Refused:
    """A path that Salesforce, or this stand-in, does not have."""
    return Refused("NOT_FOUND", "The requested resource does not exist", status=404)


def no_such_column(name: str, kind: str, *, noun: str = "sobject of type") -> Refused:
    """A field that is not there or that the user may not see: Salesforce does not tell the two apart."""
    return Refused("INVALID_FIELD", f"No such column '{name}' on {noun} {kind}", whole=True)
