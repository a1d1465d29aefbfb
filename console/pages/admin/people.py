"""/admin/people: who has which role, and the keys that programs use."""

from typing import get_args

from flask import abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from console.pages.admin.gate import new_blueprint, only_admins
from console.pages.notices import give_notice
from console.visitors import database, visitor
from routing.work_rights import Role
from store.db import Connection
from store.users import create_api_key, list_api_keys, list_members, lock_api_keys, revoke_api_key

blueprint = new_blueprint("people", path="/people")
MAX_NAME_CHARS = 100
ROLES: tuple[Role, ...] = get_args(Role)


@blueprint.get("")
def show() -> str:
    """People by e-mail, keys newest first."""
    with database().tenant_transaction(visitor().tenant_id) as conn:
        return _page(conn)


def _page(conn: Connection, *, new_key: str | None = None) -> str:
    who = visitor()
    return render_template(
        "admin/people.html",
        members=list_members(conn, who.tenant_id),
        keys=list_api_keys(conn, who.tenant_id),
        roles=ROLES,
        new_key=new_key,
        may_change=who.place.role == "admin",
    )


@blueprint.post("/keys")
def make_key() -> str | Response:
    """Make a key and show it, this once. A page that is sent again makes none: its name is taken."""
    only_admins()
    who = visitor()
    name, role = request.form.get("name", "").strip(), request.form.get("role", "")
    if not (0 < len(name) <= MAX_NAME_CHARS and name.isprintable()) or role not in ROLES:
        give_notice("key_unnamed")
        return redirect(url_for("admin_people.show"))
    with database().tenant_transaction(who.tenant_id) as conn:
        lock_api_keys(conn, who.tenant_id)
        if any(one.name == name and one.revoked_at is None for one in list_api_keys(conn, who.tenant_id)):
            give_notice("key_name_taken")
            return redirect(url_for("admin_people.show"))
        email = request.form.get("email", "")
        members = list_members(conn, who.tenant_id)
        person = next((one.user_id for one in members if one.email == email and not one.disabled_at), None)
        if email and person is None:
            give_notice("refused", code="unknown_person")
            return redirect(url_for("admin_people.show"))
        _, key = create_api_key(conn, tenant_id=who.tenant_id, name=name, role=role, user_id=person)
        return _page(conn, new_key=key)


@blueprint.post("/keys/<int:key_id>/revoke")
def revoke(key_id: int) -> Response:
    """End a key at once."""
    only_admins()
    who = visitor()
    with database().tenant_transaction(who.tenant_id) as conn:
        if key_id not in {one.id for one in list_api_keys(conn, who.tenant_id)}:
            abort(404)
        revoked = revoke_api_key(conn, key_id, tenant_id=who.tenant_id)
    give_notice("key_revoked" if revoked else "key_was_revoked")
    return redirect(url_for("admin_people.show"))
