"""/admin/people: who has which role, who is let in or kept out, and where they are signed in."""

from collections.abc import Callable
from typing import get_args

from flask import abort, current_app, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from console.api.problems import Problem
from console.api.scopes import SCOPES
from console.deeds import Doer
from console.devices import device_of
from console.pages.admin.gate import new_blueprint, only_admins, read_id
from console.pages.notices import give_notice
from console.person_deeds import (
    change_role,
    end_their_sessions,
    invite,
    renew_link,
    switch_off,
    switch_on,
)
from console.visitors import database, visitor
from console.words import NOTICES
from routing.work_rights import Role
from store.db import Connection, act_for_system
from store.people import find_person, list_people
from store.users import list_api_keys
from store.web_sessions import list_sessions

blueprint = new_blueprint("people", path="/people")
ROLES: tuple[Role, ...] = get_args(Role)


def doer() -> Doer:
    """Who looks, as one who does something."""
    who = visitor()
    return Doer(who.tenant_id, who.place.role, who.person.user_id, who.actor)


@blueprint.get("")
def show() -> str:
    """People by e-mail, keys newest first."""
    with database().tenant_transaction(visitor().tenant_id) as conn:
        return page(conn)


def page(
    conn: Connection,
    *,
    new_key: str | None = None,
    link: str | None = None,
    link_for: str | None = None,
    problem: str | None = None,
    typed: dict[str, str] | None = None,
) -> str:
    """The page, once with a new key or link. problem: a notice about the form whose fields are `typed`."""
    who = visitor()
    act_for_system(conn)
    return render_template(
        "admin/people.html",
        people=list_people(conn, who.tenant_id),
        keys=list_api_keys(conn, who.tenant_id),
        roles=ROLES,
        scopes=SCOPES,
        new_key=new_key,
        link=link,
        link_for=link_for,
        problem=NOTICES.get(problem, NOTICES["refused"]) if problem else None,
        is_about_key=bool(problem) and problem.startswith("key "),
        typed=typed or {},
        may_change=who.place.role == "admin",
    )


def link_address(token: str) -> str:
    """As the person opens it."""
    address = current_app.extensions["console_url"] or request.host_url.rstrip("/")
    return f"{address}{url_for('welcome.show', token=token)}"


def read_role(given: str) -> Role:
    """Raises: BadRequest for one that no form of ours offers."""
    if given not in ROLES:
        abort(400)
    return given


@blueprint.post("")
def add() -> str | tuple[str, int]:
    """Invite somebody and show their link, this once."""
    only_admins()
    who, role = doer(), read_role(request.form.get("role", ""))
    email, name = request.form.get("email", ""), request.form.get("display_name", "").strip()
    with database().tenant_transaction(who.tenant_id) as conn:
        try:
            invited = invite(conn, who, email=email, display_name=name, role=role)
        except Problem as problem:
            typed = {"email": email, "display_name": name, "role": role}
            return page(conn, problem=f"person {problem.code}", typed=typed), problem.status
        person = find_person(conn, who.tenant_id, invited.user_id)
        return page(conn, link=link_address(invited.token), link_for=person.email if person else None)


def _carry_out(user_id: int, work: Callable[[Connection, Doer], str], *, back: str | None = None) -> Response:
    """One deed and its notice; refused ones say why."""
    only_admins()
    who = doer()
    with database().tenant_transaction(who.tenant_id) as conn:
        try:
            give_notice(work(conn, who))
        except Problem as problem:
            if problem.status == 404:
                abort(404)
            give_notice("person", code=problem.code)
    return redirect(back or url_for("admin_people.show_one", user_id=user_id))


@blueprint.get("/<int:user_id>")
def show_one(user_id: int) -> str:
    """One person: role, link, sessions here."""
    return _page_of(user_id)


def _page_of(user_id: int, *, link: str | None = None) -> str:
    who = visitor()
    with database().tenant_transaction(who.tenant_id) as conn:
        act_for_system(conn)
        person = find_person(conn, who.tenant_id, user_id)
        if person is None:
            abort(404)
        may_change = who.place.role == "admin"
        is_shown = may_change and person.is_in_force
        sessions = list_sessions(conn, user_id, tenant_id=who.tenant_id) if is_shown else []
    return render_template(
        "admin/person.html",
        person=person,
        sessions=[(one, device_of(one.user_agent)) for one in sessions],
        roles=ROLES,
        link=link,
        may_change=may_change,
        is_own=user_id == who.person.user_id,
    )


@blueprint.post("/<int:user_id>/role")
def set_role(user_id: int) -> Response:
    """Another role; refused when somebody else changed it meanwhile."""
    role, seen = read_role(request.form.get("role", "")), request.form.get("seen")
    return _carry_out(
        user_id,
        lambda conn, who: (
            "role_changed" if change_role(conn, who, user_id, role=role, seen=seen) else "person_unchanged"
        ),
    )


@blueprint.post("/<int:user_id>/off")
def turn_off(user_id: int) -> Response:
    """Out at once; an invitation is taken back."""
    return _carry_out(
        user_id,
        lambda conn, who: "person_off" if switch_off(conn, who, user_id) else "person_unchanged",
        back=url_for("admin_people.show"),
    )


@blueprint.post("/<int:user_id>/on")
def turn_on(user_id: int) -> Response:
    """In again, with the role they had."""
    return _carry_out(user_id, lambda conn, who: "person_on" if switch_on(conn, who, user_id) else "person_unchanged")


@blueprint.post("/<int:user_id>/link")
def make_link(user_id: int) -> str | Response:
    """A new link, shown this once; the one before ends."""
    only_admins()
    who = doer()
    try:
        with database().tenant_transaction(who.tenant_id) as conn:
            token = renew_link(conn, who, user_id)
    except Problem as problem:
        if problem.status == 404:
            abort(404)
        give_notice("person", code=problem.code)
        return redirect(url_for("admin_people.show_one", user_id=user_id))
    return _page_of(user_id, link=link_address(token))


@blueprint.post("/<int:user_id>/sessions")
def sign_out(user_id: int) -> Response:
    """End one session, or all of them."""
    given = request.form.get("session", "")
    session_id = read_id(given)
    if given and session_id is None:
        abort(400)
    return _carry_out(
        user_id,
        lambda conn, who: (
            "sessions_ended" if end_their_sessions(conn, who, user_id, session_id=session_id) else "no_sessions"
        ),
    )
