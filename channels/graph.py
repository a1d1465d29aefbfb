"""One POST to Meta's Graph API, and one place where its errors become ours.

Error table: Meta's WhatsApp error codes and Graph API error reference, 2026.
"""

from typing import Any

import httpx2

from channels.base import ChannelError
from channels.reading import as_object

# Clear refusals that pass by themselves: nothing was sent. Code to seconds to wait.
_TRANSIENT = {1: 5.0, 2: 5.0, 4: 60.0, 17: 60.0, 32: 60.0, 613: 30.0, 80007: 60.0, 130429: 10.0, 131056: 8.0,
              131000: 5.0, 131016: 10.0, 131057: 60.0, 429: 30.0}  # fmt: skip
# The account can't send until a person acts: token, permission, lock, payment, quality.
_BLOCKED = {0, 3, 190, 368, 131031, 131042, 131045, 130497, 131048, 131064, *range(200, 300)}
_WINDOW_CLOSED = {131047, 1545041}
_WINDOW_CLOSED_SUBCODES = {2534022, 2018278}
_ALREADY_ANSWERED_SUBCODE = 2534014


class GraphClient:
    """Sends and never repeats: without an idempotency key at the provider a second try could be a second message."""

    def __init__(self, base_url: str, *, version: str, timeout_s: float) -> None:
        self._base = f"{base_url}/{version}"
        self._client = httpx2.Client(
            timeout=httpx2.Timeout(timeout_s, connect=3.0),
            limits=httpx2.Limits(max_connections=64, max_keepalive_connections=64, keepalive_expiry=30.0),
            trust_env=False,
        )

    def post(self, path: str, payload: dict[str, Any], *, token: str) -> dict[str, Any]:
        """The decoded answer of a 2xx. Raises: ChannelError."""
        failure: ChannelError
        try:
            response = self._client.post(
                f"{self._base}/{path}", json=payload, headers={"Authorization": f"Bearer {token}"}
            )
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout):
            failure = ChannelError("no_connection", permanent=False, retry_after_s=5.0)
        except httpx2.HTTPError:
            # The request may have arrived: the customer may have the message already.
            failure = ChannelError("no_answer", permanent=True, uncertain=True)
        else:
            return self._read(response)
        raise failure  # outside the handler, so that no exception with the request in it hangs on ours

    @staticmethod
    def _read(response: httpx2.Response) -> dict[str, Any]:
        try:
            body = as_object(response.json())
        except ValueError:
            body = {}
        if response.is_success:
            if not body:
                raise ChannelError("answer_not_json", permanent=True, uncertain=True)
            return body
        raise error_from(response.status_code, as_object(body.get("error")))


def error_from(status: int, error: dict[str, Any]) -> ChannelError:
    """The ChannelError for a Graph API error object; an empty one is judged by its HTTP status."""
    code, subcode = error.get("code"), error.get("error_subcode")
    label = f"graph_{code}" if isinstance(code, int) else f"http_{status}"
    if code in _WINDOW_CLOSED or subcode in _WINDOW_CLOSED_SUBCODES:
        return ChannelError(label, permanent=True, window_closed=True)
    if subcode == _ALREADY_ANSWERED_SUBCODE:
        return ChannelError("already_answered", permanent=True)
    if code in _TRANSIENT:
        return ChannelError(label, permanent=False, retry_after_s=_TRANSIENT[code])
    if code in _BLOCKED or code == 10 or status in {401, 403}:
        return ChannelError(label, permanent=False, retry_after_s=300.0, account_blocked=True)
    if isinstance(code, int):
        return ChannelError(label, permanent=True)
    if status == 429:
        return ChannelError(label, permanent=False, retry_after_s=30.0)
    if status >= 500:
        # A gateway's error page says nothing about what happened behind it.
        return ChannelError(label, permanent=True, uncertain=True)
    return ChannelError(label, permanent=True)
