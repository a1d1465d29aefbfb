"""/welcome: what the holder of a one-time link may do: choose a password, or take on a role with the account they have."""

from flask import Blueprint, current_app, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from console.pages.notices import give_notice
from console.passwords import MIN_PASSWORD_CHARS, hash_password, why_unusable
from console.sign_in_log import note_everywhere
from console.visitors import SESSION_KEY, database, settle_language
from console.words import NOTICES
from store.accounts import set_password
from store.audit_log import note_deed
from store.conversation_events import Actor
from store.db import Connection, act_for_tenant
from store.one_time_links import OneTimeLink, end_links, find_link, use_link
from store.people import lock_people, put_in_force
from store.web_sessions import choose_tenant, end_sessions, find_session

blueprint = Blueprint("welcome", __name__)
blueprint.before_request(settle_language)


@blueprint.get("/welcome/<token>")
def show(token: str) -> tuple[str, int]:
    """The form; looking at it uses nothing up."""
    with database().system_transaction() as conn:
        link = find_link(conn, token)
    return _page(link)


def _page(link: OneTimeLink | None, *, problem: str | None = None) -> tuple[str, int]:
    given = session.get(SESSION_KEY)
    with database().system_transaction() as conn:
        person = find_session(conn, given, by_person=False) if isinstance(given, str) else None
    html = render_template(
        "welcome.html",
        link=link,
        person=person,
        is_theirs=person is not None and link is not None and person.user_id == link.user_id,
        problem=NOTICES[problem] if problem else None,
        least=MIN_PASSWORD_CHARS,
        oidc=current_app.extensions.get("oidc"),
    )
    return html, 404 if link is None else 422 if problem else 200


@blueprint.post("/welcome/<token>/password")
def choose_password(token: str) -> Response | tuple[str, int]:
    """Set it, end every session of the account and the link."""
    password, again = request.form.get("password", ""), request.form.get("again", "")
    with database().system_transaction() as conn:
        link = find_link(conn, token)
    if link is None or link.purpose != "password":
        return _page(None)
    problem = why_unusable(password, again, email=link.email)
    if problem:
        return _page(link, problem=problem)
    password_hash = hash_password(password)
    with database().system_transaction() as conn:
        is_used = find_link(conn, token) is not None and use_link(conn, token)
        if is_used:
            set_password(conn, link.user_id, password_hash=password_hash)
            end_sessions(conn, link.user_id)
            end_links(conn, link.user_id, purpose="password")
            note_everywhere(conn, link.user_id, "password_chosen", by=Actor(user_id=link.user_id))
    if not is_used:  # somebody was faster
        return _page(None)
    give_notice("password_chosen")
    return redirect(url_for("sign_in.form"))


@blueprint.post("/welcome/<token>/join")
def join(token: str) -> Response | tuple[str, int]:
    """Take on the role, in the session of the person whom the link is for."""
    given = session.get(SESSION_KEY)
    with database().system_transaction() as conn:
        person = find_session(conn, given) if isinstance(given, str) else None
        link = find_link(conn, token)
        has_joined = False
        if link is not None and person is not None and person.user_id == link.user_id:
            has_joined = _take_on(conn, token, link, session_token=str(given))
            link = None
    if has_joined:
        give_notice("joined")
        return redirect(url_for("inbox.show"))
    return _page(link if link is not None and link.purpose == "join" else None)


def _take_on(conn: Connection, token: str, link: OneTimeLink, *, session_token: str) -> bool:
    """False when the link is for something else, or was used meanwhile."""
    if link.purpose != "join" or link.tenant_id is None:
        return False
    lock_people(conn, link.tenant_id)
    act_for_tenant(conn, link.tenant_id)
    if not use_link(conn, token) or not put_in_force(conn, link.tenant_id, link.user_id, because="invited"):
        return False
    # A link of another tenant must not give away an account that now opens this one too.
    end_links(conn, link.user_id, purpose="password")
    choose_tenant(conn, session_token, tenant_id=link.tenant_id)
    by = Actor(user_id=link.user_id)
    note_deed(conn, link.tenant_id, by=by, deed="invitation_accepted", subject=str(link.user_id))
    return True
