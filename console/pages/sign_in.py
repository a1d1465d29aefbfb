"""Signing in and out, and choosing tenant, language and look."""

import hashlib

from flask import Blueprint, current_app, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from console.api.client_address import client_address
from console.api.failed_keys import FailedKeys
from console.languages import LANGUAGES
from console.passwords import fits
from console.sign_in_log import note_everywhere, note_refused
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
from store.accounts import find_account, get_profile, set_look
from store.conversation_events import Actor
from store.web_sessions import begin_session, choose_tenant, end_session, find_session

blueprint = Blueprint("sign_in", __name__)
YEAR_S = 365 * 24 * 3600


@blueprint.before_request
def speak() -> None:
    """Before anybody is known: the browser's language."""
    settle_language()


@blueprint.get("/sign-in")
def form() -> str:
    """The form; `next` is where the person wanted to go."""
    return page(back=request.args.get("next", ""))


def page(*, back: str, problem: str | None = None, email: str = "") -> str:
    """problem: a code that the template has words for."""
    oidc = current_app.extensions.get("oidc")
    return render_template("sign_in.html", next=back, problem=problem, email=email, oidc=oidc)


@blueprint.post("/sign-in")
def submit() -> tuple[str, int] | Response:
    """Check e-mail and password; too many failures from one address or for one person have to wait."""
    email = request.form.get("email", "").strip().lower()
    password = request.form.get("password", "")
    back = request.form.get("next", "")
    failures, address, counted = count_for(email)
    if failures.claim(address, counted):
        return page(back=back, problem="wait"), 429
    with database().system_transaction() as conn:
        account = find_account(conn, email) if email.isprintable() else None
    if not fits(account.password_hash if account else None, password) or account is None:
        with database().system_transaction() as conn:
            note_refused(conn, account.user_id if account else None, how="password")
        return page(back=back, problem="wrong", email=email), 401
    failures.give_back(address, counted)
    return enter(account.user_id, how="password", back=back)


def count_for(email: str) -> tuple[FailedKeys, str, str]:
    """(counter, address, person): where failures are counted, and for whom."""
    forwarded = request.headers.get("X-Forwarded-For", "").split(",")
    proxies = current_app.extensions["trusted_proxies"]
    address = client_address(request.remote_addr or "", forwarded, trusted_proxies=proxies)
    # The counter goes by how a name begins: people whose addresses begin alike must not wait for each other.
    counted = hashlib.sha256(email.encode("utf-8", "replace")).hexdigest()
    return current_app.extensions["failed_sign_ins"], address, counted


def enter(user_id: int, *, how: str, back: str) -> Response:
    """Let a person in whose identity is proven, with the language and look of their own."""
    before = session.get(SESSION_KEY)
    with database().system_transaction() as conn:
        if isinstance(before, str):
            end_session(conn, before)  # of whoever sat at this browser until now
        token = begin_session(conn, user_id, user_agent=request.headers.get("User-Agent", ""))
        profile = get_profile(conn, user_id)
        note_everywhere(conn, user_id, "signed_in", by=Actor(user_id=user_id), details={"how": how})
    session.clear()  # also a new token against forged forms
    session[SESSION_KEY] = token
    session.permanent = True
    answer = redirect(back if is_ours(back) else url_for("inbox.show"))
    keep_look(answer, language=profile.language, theme=profile.theme)
    return answer


def keep_look(answer: Response, *, language: str | None, theme: str | None) -> None:
    """In the browser, where pages read it; None leaves what is there."""
    for name, value in ((LANGUAGE_COOKIE, language), (THEME_COOKIE, theme)):
        if value is not None:
            is_secure = bool(current_app.config["SESSION_COOKIE_SECURE"])
            answer.set_cookie(name, value, max_age=YEAR_S, samesite="Lax", httponly=True, secure=is_secure)


@blueprint.post("/sign-out")
def leave() -> Response:
    """End the session here and now."""
    token = session.pop(SESSION_KEY, None)
    if isinstance(token, str):
        with database().system_transaction() as conn:
            user_id = end_session(conn, token)
            if user_id is not None:
                note_everywhere(conn, user_id, "signed_out", by=Actor(user_id=user_id))
    return redirect(url_for("sign_in.form"))


@blueprint.get("/nowhere")
def nowhere() -> tuple[str, int]:
    """Signed in, but with no role in any tenant."""
    return render_template("nowhere.html"), 403


@blueprint.post("/look")
def look() -> Response:
    """Language and theme, kept in the browser and, of who is signed in, with the account."""
    answer = redirect(_back())
    language, theme = request.form.get("language"), request.form.get("theme")
    language = language if language in LANGUAGES else None
    theme = theme if theme in THEMES else None
    keep_look(answer, language=language, theme=theme)
    token = session.get(SESSION_KEY)
    if isinstance(token, str):
        with database().system_transaction() as conn:
            person = find_session(conn, token)
            if person is not None:
                set_look(conn, person.user_id, language=language, theme=theme)
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
