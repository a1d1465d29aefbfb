"""Posts webhooks of our own to the installation's own receiver, signed as a channel signs them."""

import httpx2

from channels.base import ChannelKind
from channels.signature import sign

TIMEOUT_S = 10.0


def open_client() -> httpx2.Client:
    """A client costs far more than a post: it loads the machine's certificates."""
    return httpx2.Client(timeout=TIMEOUT_S, trust_env=False)


class OwnReceiver:
    """Safe to share between threads. Its address is the operator's own, never a tenant's."""

    def __init__(self) -> None:
        self._client = open_client()

    def post(self, url: str, kind: ChannelKind, body: bytes, *, secret: str) -> int | str:
        """The status of its answer, or the error's class when there was none. url: without a path; secret: the account's signing secret."""
        headers = {"Content-Type": "application/json", "X-Hub-Signature-256": sign(body, secret)}
        try:
            return self._client.post(f"{url}/webhooks/{kind}", content=body, headers=headers).status_code
        except httpx2.HTTPError as error:
            return type(error).__name__
