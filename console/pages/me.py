"""/me: a person's own name, language, look, password and sessions."""

from flask import Blueprint, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from console.devices import device_of
from console.languages import LANGUAGES
from console.pages.notices import give_notice
from console.pages.sign_in import count_for, keep_look
from console.passwords import MIN_PASSWORD_CHARS, fits, hash_password, why_unusable
from console.person_deeds import is_name
from console.sign_in_log import note_everywhere
from console.visitors import SESSION_KEY, THEMES, database, let_in, visitor
from console.words import NOTICES
from store.accounts import get_password_hash, get_profile, set_letters, set_password, set_profile
from store.one_time_links import end_links
from store.web_sessions import end_sessions, list_sessions

blueprint = Blueprint("me", __name__, url_prefix="/me")
blueprint.before_request(let_in)


@blueprint.get("")
def show() -> str:
    """Everything on one page."""
    return _page()


def _page(*, problem: str | None = None, name: str | None = None) -> str:
    """problem: a notice about the form that was sent. name: as it was typed, when it cannot be kept."""
    user_id = visitor().person.user_id
    with database().system_transaction() as conn:
        profile = get_profile(conn, user_id)
        sessions = list_sessions(conn, user_id, token=session[SESSION_KEY])
    return render_template(
        "me.html",
        profile=profile,
        name=profile.display_name if name is None else name,
        sessions=[(one, device_of(one.user_agent)) for one in sessions],
        problem=NOTICES[problem] if problem else None,
        is_about_name=problem == "name_unusable",
        least=MIN_PASSWORD_CHARS,
    )


@blueprint.post("")
def change() -> Response | tuple[str, int]:
    """Name, language, look, shortcuts."""
    name = request.form.get("display_name", "").strip()
    language, theme = request.form.get("language"), request.form.get("theme")
    language = language if language in LANGUAGES else None
    theme = theme if theme in THEMES else None
    if not is_name(name):
        return _page(problem="name_unusable", name=name), 422
    who = visitor()
    with database().system_transaction() as conn:
        set_profile(
            conn,
            who.person.user_id,
            display_name=name,
            language=language,
            theme=theme,
            uses_letters=request.form.get("letters") == "on",
        )
        if name != who.person.display_name:
            note_everywhere(conn, who.person.user_id, "name_changed", by=who.actor)
    answer = redirect(url_for("me.show"))
    keep_look(answer, language=language, theme=theme)
    give_notice("saved")
    return answer


@blueprint.post("/letters")
def switch_letters() -> tuple[str, int]:
    """From the keyboard's help, by its script: whether single letters are shortcuts."""
    with database().system_transaction() as conn:
        set_letters(conn, visitor().person.user_id, uses_letters=request.form.get("letters") == "on")
    return "", 204


@blueprint.post("/password")
def change_password() -> Response | tuple[str, int]:
    """The old one is asked; every other session ends. Too many wrong ones have to wait, as at the sign-in."""
    who, token = visitor(), session[SESSION_KEY]
    email, user_id = who.person.email, who.person.user_id
    old, new = request.form.get("old", ""), request.form.get("password", "")
    failures, address, counted = count_for(email)
    if failures.claim(address, counted):
        return _page(problem="password_wait"), 429
    with database().system_transaction() as conn:
        known = get_password_hash(conn, user_id)
    if known is None or not fits(known, old):
        with database().system_transaction() as conn:
            note_everywhere(conn, user_id, "password_refused", by=who.actor)
        return _page(problem="password_wrong"), 422
    failures.give_back(address, counted)
    problem = why_unusable(new, request.form.get("again", ""), email=email)
    if problem:
        return _page(problem=problem), 422
    password_hash = hash_password(new)
    with database().system_transaction() as conn:
        if not set_password(conn, user_id, password_hash=password_hash, instead_of=known):
            return _page(problem="password_wrong"), 422
        ended = end_sessions(conn, user_id, but=token)
        end_links(conn, user_id, purpose="password")
        note_everywhere(conn, user_id, "password_changed", by=who.actor, details={"sessions": ended})
    give_notice("password_changed")
    return redirect(url_for("me.show"))


@blueprint.post("/sessions")
def sign_out() -> Response:
    """End one of the other sessions, or all of them."""
    who, token = visitor(), session[SESSION_KEY]
    wanted = request.form.get("session", "")
    with database().system_transaction() as conn:
        mine = {one.id for one in list_sessions(conn, who.person.user_id, token=token) if not one.is_this}
        if wanted and wanted not in mine:
            ended = 0
        else:
            ended = end_sessions(conn, who.person.user_id, session_id=wanted or None, but=token)
        if ended:
            note_everywhere(conn, who.person.user_id, "own_sessions_ended", by=who.actor, details={"sessions": ended})
    give_notice("sessions_ended" if ended else "no_sessions")
    return redirect(url_for("me.show"))
