"""Signing in and out, and choosing tenant, language and look."""

import hashlib

import gevent
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error
from flask import Blueprint, current_app, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from console.api.client_address import client_address
from console.languages import LANGUAGES
from console.visitors import (
    LANGUAGE_COOKIE,
    SESSION_KEY,
    THEME_COOKIE,
    THEMES,
    database,
    is_ours,
    settle_language,
    visitor,
)
from store.web_sessions import begin_session, choose_tenant, end_session, find_account

blueprint = Blueprint("sign_in", __name__)
YEAR_S = 365 * 24 * 3600
MAX_PASSWORD_CHARS = 1024
_hasher = PasswordHasher()
# Checked where there is no such person, so that the time says nothing about who exists.
_NOBODY = _hasher.hash("nobody")


@blueprint.before_request
def speak() -> None:
    """Before anybody is known: the browser's language."""
    settle_language()


@blueprint.get("/sign-in")
def form() -> str:
    """The form; `next` is where the person wanted to go."""
    return render_template("sign_in.html", next=request.args.get("next", ""), problem=None)


@blueprint.post("/sign-in")
def submit() -> tuple[str, int] | Response:
    """Check e-mail and password; too many failures from one address or for one person have to wait."""
    email = request.form.get("email", "").strip().lower()
    password = request.form.get("password", "")
    back = request.form.get("next", "")
    forwarded = request.headers.get("X-Forwarded-For", "").split(",")
    proxies = current_app.extensions["trusted_proxies"]
    address = client_address(request.remote_addr or "", forwarded, trusted_proxies=proxies)
    failures = current_app.extensions["failed_sign_ins"]
    # The counter goes by how a name begins: people whose addresses begin alike must not wait for each other.
    counted = hashlib.sha256(email.encode("utf-8", "replace")).hexdigest()
    if failures.wait_s(address, counted):
        return render_template("sign_in.html", next=back, problem="wait"), 429
    with database().system_transaction() as conn:
        account = find_account(conn, email) if email.isprintable() else None
    if not _fits(account.password_hash if account else _NOBODY, password) or account is None:
        failures.note(address, counted)
        return render_template("sign_in.html", next=back, problem="wrong", email=email), 401
    with database().system_transaction() as conn:
        token = begin_session(conn, account.user_id)
    session.clear()  # also a new token against forged forms
    session[SESSION_KEY] = token
    session.permanent = True
    return redirect(back if is_ours(back) else url_for("inbox.show"))


def _fits(password_hash: str, password: str) -> bool:
    if not 0 < len(password) <= MAX_PASSWORD_CHARS:
        return False
    # A quarter of a second of work: in a thread, so that every other page goes on meanwhile.
    return bool(gevent.get_hub().threadpool.apply(_verify, (password_hash, password)))


def _verify(password_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except Argon2Error:
        return False


@blueprint.post("/sign-out")
def leave() -> Response:
    """End the session here and now."""
    token = session.pop(SESSION_KEY, None)
    if isinstance(token, str):
        with database().system_transaction() as conn:
            end_session(conn, token)
    return redirect(url_for("sign_in.form"))


@blueprint.get("/nowhere")
def nowhere() -> tuple[str, int]:
    """Signed in, but with no role in any tenant."""
    return render_template("nowhere.html"), 403


@blueprint.post("/look")
def look() -> Response:
    """Language and theme, kept in the browser."""
    answer = redirect(_back())
    language, theme = request.form.get("language"), request.form.get("theme")
    if language is not None and language in LANGUAGES:
        answer.set_cookie(LANGUAGE_COOKIE, language, max_age=YEAR_S, samesite="Lax", httponly=True)
    if theme is not None and theme in THEMES:
        answer.set_cookie(THEME_COOKIE, theme, max_age=YEAR_S, samesite="Lax", httponly=True)
    return answer


def change_tenant() -> Response:
    """Work in another tenant; one where the person has no role changes nothing. Behind `let_in`."""
    given = request.form.get("tenant_id", "")
    places = {str(place.tenant_id): place.tenant_id for place in visitor().person.places}
    if given in places:
        with database().system_transaction() as conn:
            choose_tenant(conn, session[SESSION_KEY], tenant_id=places[given])
    return redirect(url_for("inbox.show"))


def _back() -> str:
    back = request.form.get("next", "")
    return back if is_ours(back) else url_for("inbox.show")
