"""One tenant's account at a stand-in, seen with the CRM's own API, not with our adapter."""

import itertools
import json
from typing import Any, Protocol

SECRET = "pat-very-secret"
# On every request that a test itself makes, so that it is not taken for the adapter's.
BY_THE_TEST = {"X-By-The-Test": "yes"}
numbers = itertools.count(1)


def adapter_requests(received: str) -> list[dict[str, Any]]:
    """The lines of `/_received` that the adapter sent."""
    entries = [json.loads(line) for line in received.splitlines()]
    return [one for one in entries if "x-by-the-test" not in one["headers"]]


class Portal(Protocol):
    """What the tests of all CRMs ask of an account."""

    credentials: dict[str, str]
    writes: str
    """Path of the request that writes labels."""
    emits: str
    """Path of the request that makes a note."""
    credential_header: str
    blocked: str
    """The code of the error for a firewall's page with status 403."""
    lost_after_the_effect: list[dict[str, Any]]
    """Steps that make the answer of a note that was made fail for the adapter."""
    own_field: str
    """A field of contacts that an administrator fills, as the tenant file names it."""

    def add_contact(self, *, phone: str = "", email: str = "", **fields: str) -> str: ...
    def card(self, record_id: str) -> dict[str, str]: ...
    def events(self, record_id: str) -> list[str]: ...
    def contacts(self) -> int: ...
    def all_events(self) -> int: ...
    def script(self, **step: Any) -> None: ...
    def requests(self) -> list[dict[str, Any]]: ...
    def reset(self) -> None: ...
