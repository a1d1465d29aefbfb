"""Forms that another site made must not work here: each carries a token that only our pages can know."""

import base64
import binascii
import hmac
import secrets

from flask import abort, g, request, session

KEY = "form"
FIELD = "csrf_token"
TOKEN_BYTES = 24


def csrf_token() -> str:
    """This browser's token as this answer shows it; made when a form is first shown.

    Each answer shows it under another mask: pages are compressed, and what stands in every one of them must not be guessed from
    how long they are.
    """
    if "masked_token" not in g:
        token = _unpacked(session.get(KEY))
        if token is None:
            token = secrets.token_bytes(TOKEN_BYTES)
            session[KEY] = _packed(token)
        mask = secrets.token_bytes(TOKEN_BYTES)
        g.masked_token = _packed(mask + _mixed(token, mask))
    return str(g.masked_token)


def _packed(token: bytes) -> str:
    return base64.urlsafe_b64encode(token).decode()


def _unpacked(given: object, *, size: int = TOKEN_BYTES) -> bytes | None:
    if not isinstance(given, str):
        return None
    try:
        token = base64.b64decode(given.encode(), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        return None
    return token if len(token) == size else None


def _mixed(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def refuse_forged() -> None:
    """Before every write by a form: 400 without the token that the page carried."""
    expected = _unpacked(session.get(KEY))
    given = _unpacked(request.form.get(FIELD), size=2 * TOKEN_BYTES)
    if expected is None or given is None:
        abort(400)
    if not hmac.compare_digest(expected, _mixed(given[:TOKEN_BYTES], given[TOKEN_BYTES:])):
        abort(400)
