"""Access tokens of a CRM connection: constant ones, and ones that are fetched and run out."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class AccessToken:
    """What opens a CRM's API.

    api_base: scheme and host that the CRM told us to use with it; None when it told none. expires_in_s: counted from when
    it was given; None: it works until it is refused. refresh_token: a new one to keep instead of the old; None: no change.
    """

    value: str = field(repr=False)
    api_base: str | None = None
    expires_in_s: float | None = None
    refresh_token: str | None = field(default=None, repr=False)


class TokenSource(Protocol):
    """Where an adapter gets its token. Both methods raise CrmError; `connection_broken` when the CRM gives none any more."""

    def current(self) -> AccessToken:
        """A token that should work now."""
        ...

    def renew(self, refused: AccessToken) -> AccessToken:
        """Another token than the refused one; of many callers at once only one asks the CRM.

        A source that has no other gives the refused one back.
        """
        ...


class ConstantToken:
    """A key that works until an administrator revokes it."""

    def __init__(self, value: str) -> None:
        self._token = AccessToken(value)

    def current(self) -> AccessToken:
        """The key."""
        return self._token

    def renew(self, refused: AccessToken) -> AccessToken:  # noqa: ARG002 -- there is no other
        """The same key."""
        return self._token


class ProcessToken:
    """Fetched when first needed and kept in this process: for a command or a test. Workers share theirs (worker.crm_tokens)."""

    def __init__(self, fetch: Callable[[], AccessToken]) -> None:
        self._fetch = fetch
        self._token: AccessToken | None = None
        self._lock = threading.Lock()

    def current(self) -> AccessToken:
        """The token at hand, or a fetched one."""
        with self._lock:
            self._token = self._token or self._fetch()
            return self._token

    def renew(self, refused: AccessToken) -> AccessToken:
        """Fetched anew unless another thread has done so."""
        with self._lock:
            if self._token is None or self._token.value == refused.value:
                self._token = self._fetch()
            return self._token
