"""Forms that another site made must not work here: each carries a token that only our pages can know."""

import base64
import binascii
import hmac
import secrets

from flask import abort, g, request, session

KEY = "form"
FIELD = "csrf_token"


def csrf_token() -> str:
    """This browser's token as this answer shows it; made when a form is first shown.

    Each answer shows it under another mask: pages are compressed, and what stands in every one of them must not be guessed from
    how long they are.
    """
    token = session.get(KEY)
    if not isinstance(token, str):
        token = session[KEY] = secrets.token_urlsafe(24)
    if g.get("masked_token", ("", ""))[0] != token:
        mask = secrets.token_bytes(len(token.encode()))
        g.masked_token = (token, base64.urlsafe_b64encode(mask + _mixed(token.encode(), mask)).decode())
    return str(g.masked_token[1])


def refuse_forged() -> None:
    """Before every write by a form: 400 without the token that the page carried."""
    expected = session.get(KEY)
    given = request.form.get(FIELD, "")
    if not isinstance(expected, str) or not _is_same(expected.encode(), given):
        abort(400)


def _is_same(expected: bytes, given: str) -> bool:
    """Under a mask or as it is: who knows the token has read a page of ours."""
    return hmac.compare_digest(expected, given.encode()) or hmac.compare_digest(expected, _unmasked(given))


def _unmasked(given: str) -> bytes:
    """Empty for what no mask was put on."""
    try:
        both = base64.b64decode(given.encode(), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        return b""
    half = len(both) // 2
    return _mixed(both[:half], both[half : 2 * half])


def _mixed(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
