"""Forms that another site made must not work here: each carries a token that only our pages can know."""

import hmac
import secrets

from flask import abort, request, session

KEY = "form"
FIELD = "csrf_token"


def csrf_token() -> str:
    """This browser's token; made when a form is first shown."""
    token = session.get(KEY)
    if not isinstance(token, str):
        token = session[KEY] = secrets.token_urlsafe(24)
    return token


def refuse_forged() -> None:
    """Before every write by a form: 400 without the token that the page carried."""
    expected = session.get(KEY)
    given = request.form.get(FIELD, "")
    if not isinstance(expected, str) or not hmac.compare_digest(expected.encode(), given.encode()):
        abort(400)
