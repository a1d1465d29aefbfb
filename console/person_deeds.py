"""What an administrator does with a tenant's people, the same for pages and programs: who may be invited, changed, switched off.

All of it needs a transaction for the tenant, and lets it see accounts too.
"""

import re
from dataclasses import dataclass

from console.api.problems import Problem, not_found
from console.deeds import Doer
from routing.work_rights import Role
from store.audit_log import note_deed
from store.db import Connection, act_for_system
from store.one_time_links import end_link_here, make_link
from store.people import (
    ListedPerson,
    add_invited,
    add_member,
    add_person,
    belongs_elsewhere,
    change_member_role,
    find_person,
    find_person_id,
    has_other_admin,
    list_tenants_of,
    lock_people,
    put_in_force,
    take_from_force,
    withdraw_invitation,
)
from store.web_sessions import end_sessions, list_sessions

MAX_EMAIL_CHARS, MAX_NAME_CHARS = 254, 100
# One @ and a point behind it; what a mail server thinks of it is its own affair. ASCII: two addresses that look alike are the same.
_EMAIL = re.compile(r"[0-9A-Za-z.!#$%&'*+/=?^_`{|}~-]{1,64}@[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)+")


@dataclass(frozen=True)
class Invited:
    """Somebody who was asked to come. token: of the link that only they should get; it cannot be shown again."""

    user_id: int
    token: str


def is_email(text: str) -> bool:
    """Whether it can be somebody's address."""
    return len(text) <= MAX_EMAIL_CHARS and _EMAIL.fullmatch(text) is not None


def is_name(text: str) -> bool:
    """Whether it can be shown as somebody's name; empty is none."""
    return len(text) <= MAX_NAME_CHARS and (text == "" or text.isprintable())


def invite(conn: Connection, who: Doer, *, email: str, display_name: str, role: Role) -> Invited:
    """Add a person. One without an account gets one, and a link to choose a password; the role is in force at once, but nobody can
    use it before. One with an account agrees through the link, and chooses no new password: it is not this tenant's to give.

    Raises: Problem.
    """
    email = email.strip().lower()
    if not is_email(email):
        raise Problem(422, "invalid_email", field="email", fix="give an e-mail address such as ann@example.com")
    if not is_name(display_name):
        fix = f"give a name of up to {MAX_NAME_CHARS} characters, without control characters"
        raise Problem(422, "invalid_name", field="display_name", fix=fix)
    act_for_system(conn)
    lock_people(conn, who.tenant_id)
    user_id = add_person(conn, email=email, display_name=display_name)
    if user_id is not None:
        add_member(conn, who.tenant_id, user_id, role=role)
        token = make_link(conn, tenant_id=who.tenant_id, user_id=user_id, purpose="password")
    else:
        user_id = find_person_id(conn, email)
        assert user_id is not None
        known = find_person(conn, who.tenant_id, user_id)
        if known is not None:
            fix = "the person is on the list: change the role, switch them on, or make a new link there"
            raise Problem(409, "already_here", field="email", fix=fix, user_id=user_id)
        add_invited(conn, who.tenant_id, user_id, role=role)
        token = make_link(conn, tenant_id=who.tenant_id, user_id=user_id, purpose="join")
    _note(conn, who, "person_invited", user_id, role=role)
    return Invited(user_id, token)


def change_role(conn: Connection, who: Doer, user_id: int, *, role: Role, seen: str | None = None) -> bool:
    """Another role from now on; False when it is theirs already. seen: the role that the caller saw. Raises: Problem."""
    person = _get(conn, who, user_id)
    if seen is not None and seen != person.role:
        raise Problem(409, "changed_meanwhile", field="role", fix="look again and decide anew", role=person.role)
    if person.role == role:
        return False
    _refuse_own(who, user_id)
    if person.role == "admin" and person.is_in_force:
        _keep_an_admin(conn, who, user_id)
    change_member_role(conn, who.tenant_id, user_id, role=role)
    _note(conn, who, "role_changed", user_id, before=person.role, after=role)
    return True


def switch_off(conn: Connection, who: Doer, user_id: int) -> bool:
    """Out at once, here; other tenants keep the person. An invitation is taken back. False when that was done before. Raises: Problem."""
    person = _get(conn, who, user_id)
    _refuse_own(who, user_id)
    if person.standing == "off":
        return False
    if person.standing == "invited":
        withdraw_invitation(conn, who.tenant_id, user_id)
        end_link_here(conn, who.tenant_id, user_id)
        _note(conn, who, "invitation_withdrawn", user_id)
        return True
    if person.role == "admin":
        _keep_an_admin(conn, who, user_id)
    take_from_force(conn, who.tenant_id, user_id)
    end_link_here(conn, who.tenant_id, user_id)
    works_elsewhere = person.is_operator or bool(list_tenants_of(conn, user_id))
    ended = end_sessions(conn, user_id, tenant_id=who.tenant_id if works_elsewhere else None)
    _note(conn, who, "person_switched_off", user_id, sessions=ended)
    return True


def switch_on(conn: Connection, who: Doer, user_id: int) -> bool:
    """With the role they had. False when they are not off. Raises: Problem."""
    _get(conn, who, user_id)
    if not put_in_force(conn, who.tenant_id, user_id, because="off"):
        return False
    _note(conn, who, "person_switched_on", user_id)
    return True


def renew_link(conn: Connection, who: Doer, user_id: int) -> str:
    """The token of a new link: to choose a password, or to agree to an invitation. The one before ends. Raises: Problem."""
    person = _get(conn, who, user_id)
    if person.standing == "off":
        raise Problem(409, "switched_off", fix="switch the person on first")
    if person.standing != "invited" and belongs_elsewhere(conn, who.tenant_id, user_id):
        fix = "the account is also used elsewhere: the person changes the password, or the operator with earshot user link"
        raise Problem(409, "belongs_elsewhere", fix=fix)
    purpose = "join" if person.standing == "invited" else "password"
    token = make_link(conn, tenant_id=who.tenant_id, user_id=user_id, purpose=purpose)
    _note(conn, who, "link_made", user_id, purpose=purpose)
    return token


def end_their_sessions(conn: Connection, who: Doer, user_id: int, *, session_id: str | None = None) -> int:
    """Sign a person out of this tenant's console, everywhere or on one device; returns of how many. Raises: Problem."""
    person = _get(conn, who, user_id)
    shown = {one.id for one in list_sessions(conn, user_id, tenant_id=who.tenant_id)}
    if not person.is_in_force or (session_id is not None and session_id not in shown):
        return 0
    ended = end_sessions(conn, user_id, session_id=session_id, tenant_id=who.tenant_id)
    if ended:
        _note(conn, who, "sessions_ended", user_id, sessions=ended)
    return ended


def _get(conn: Connection, who: Doer, user_id: int) -> ListedPerson:
    act_for_system(conn)
    lock_people(conn, who.tenant_id)
    found = find_person(conn, who.tenant_id, user_id)
    if found is None:
        raise not_found("a person")
    return found


def _refuse_own(who: Doer, user_id: int) -> None:
    if who.user_id == user_id:
        raise Problem(
            409, "own_role", fix="nobody changes their own role or switches themselves off: ask another administrator"
        )


def _keep_an_admin(conn: Connection, who: Doer, user_id: int) -> None:
    if not has_other_admin(conn, who.tenant_id, user_id):
        fix = "the tenant needs an administrator who can sign in: make somebody else one first"
        raise Problem(409, "last_admin", fix=fix)


def _note(conn: Connection, who: Doer, deed: str, user_id: int, **details: object) -> None:
    note_deed(conn, who.tenant_id, by=who.actor, deed=deed, subject=str(user_id), details=details)
