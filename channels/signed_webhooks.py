"""Requests to a tenant's own endpoint, signed as https://www.standardwebhooks.com asks: the receiver can use any of its libraries."""

import base64
import binascii
import hashlib
import hmac
import secrets
from datetime import datetime

from channels.guarded_http import Answer

_PREFIX = "whsec_"
# Refusals of the moment: too slow, still at work on the first try, too early, too many.
_PASSING = {408, 409, 425, 429}


def new_secret() -> str:
    """A secret of 32 random bytes, as the standard writes it."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def signed_headers(
    body: bytes, *, webhook_id: str, secret: str, at: datetime, old_secret: str | None = None
) -> dict[str, str]:
    """webhook_id: stays the same at every try, so that the receiver knows a repetition. at: the time of this try.

    old_secret: signs too, while receivers change over to the new one.
    """
    timestamp = str(int(at.timestamp()))
    signed = b".".join((webhook_id.encode(), timestamp.encode(), body))
    signatures = [_signature(signed, one) for one in (secret, old_secret) if one is not None]
    return {
        "Content-Type": "application/json",
        "webhook-id": webhook_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(signatures),
    }


def _signature(signed: bytes, secret: str) -> str:
    digest = hmac.new(_key(secret), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def _key(secret: str) -> bytes:
    """The bytes of a secret: base64 behind `whsec_`, as the standard writes it; else the text itself."""
    if secret.startswith(_PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        except binascii.Error:
            pass
    return secret.encode()


def failure_of(answer: Answer) -> tuple[str, bool] | None:
    """(code, whether another try can help) of an answer that is no success; None when the receiver has it."""
    if 200 <= answer.status < 300:
        return None
    if 300 <= answer.status < 400:  # following it would lead where nobody has checked
        return "redirected", False
    return str(answer.status), answer.status >= 500 or answer.status in _PASSING
