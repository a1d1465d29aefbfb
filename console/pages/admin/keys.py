"""The forms of /admin/people that make and revoke the keys programs use."""

from flask import abort, redirect, request, url_for
from werkzeug.wrappers import Response

from console.api.problems import Problem
from console.api.scopes import SCOPES
from console.key_deeds import make_key, revoke_key
from console.pages.admin.gate import new_blueprint, only_admins
from console.pages.admin.people import doer, page, read_role
from console.pages.notices import give_notice
from console.visitors import database

blueprint = new_blueprint("keys", path="/people/keys")


@blueprint.post("")
def make() -> str | tuple[str, int]:
    """Make a key and show it, this once. A page that is sent again makes none: its name is taken."""
    only_admins()
    who, role = doer(), read_role(request.form.get("role", ""))
    scopes = request.form.getlist("scope")
    if any(one not in SCOPES for one in scopes):
        abort(400)
    name, email = request.form.get("name", "").strip(), request.form.get("email", "")
    with database().tenant_transaction(who.tenant_id) as conn:
        try:
            _, key = make_key(conn, who, name=name, role=role, email=email or None, scopes=scopes or None)
        except Problem as problem:
            typed = {"key_name": name, "key_role": role, "key_email": email, **dict.fromkeys(scopes, "on")}
            return page(conn, problem=f"key {problem.code}", typed=typed), problem.status
        return page(conn, new_key=key)


@blueprint.post("/<int:key_id>/revoke")
def revoke(key_id: int) -> Response:
    """End a key at once."""
    only_admins()
    who = doer()
    with database().tenant_transaction(who.tenant_id) as conn:
        try:
            revoked = revoke_key(conn, who, key_id)
        except Problem:
            abort(404)
    give_notice("key_revoked" if revoked else "key_was_revoked")
    return redirect(url_for("admin_people.show"))
