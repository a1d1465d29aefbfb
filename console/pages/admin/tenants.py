"""/admin/tenants/new: an operator makes a tenant and lands in its set-up."""

import re
import unicodedata

from flask import Blueprint, abort, redirect, render_template, request, session, url_for
from pydantic import ValidationError
from werkzeug.wrappers import Response

from config.field_problems import list_field_problems
from config.tenant import TenantConfig
from console.pages.notices import give_notice
from console.visitors import SESSION_KEY, database, settle_language, speech, to_sign_in
from store.conversation_events import Actor
from store.db import act_for_tenant
from store.tenant_settings import note_changed_part
from store.tenants import add_tenant
from store.web_sessions import SignedIn, choose_tenant, find_session

# Not behind the administration's gate: whoever makes the first tenant works in none yet.
blueprint = Blueprint("admin_tenants", __name__, url_prefix="/admin/tenants")
MAX_SLUG_CHARS = 63
# Letters that no accent can be taken from.
_SPELLED = str.maketrans({"ı": "i", "ß": "ss", "ø": "o", "đ": "d", "ł": "l", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th"})


def _operator() -> SignedIn | Response:
    token = session.get(SESSION_KEY)
    with database().system_transaction() as conn:
        person = find_session(conn, token) if isinstance(token, str) else None
    settle_language()
    if person is None:
        return to_sign_in()
    if not person.is_operator:
        abort(403)
    return person


def slug_of(name: str) -> str:
    """A short name for files and the command line, made of the name's letters; empty where none of them can be used."""
    plain = unicodedata.normalize("NFKD", name.lower().translate(_SPELLED)).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:MAX_SLUG_CHARS].strip("-")


def _page(person: SignedIn, *, problems: dict[str, str] | None = None) -> str:
    return render_template(
        "admin/new_tenant.html",
        person=person,
        name=request.form.get("name", ""),
        slug=request.form.get("slug", ""),
        problems=problems or {},
    )


@blueprint.get("/new")
def form() -> str | Response:
    """Two fields."""
    person = _operator()
    return person if isinstance(person, Response) else _page(person)


@blueprint.post("/new")
def add() -> str | tuple[str, int] | Response:
    """A slug that is left empty is made from the name. A form that is sent twice makes one tenant."""
    person = _operator()
    if isinstance(person, Response):
        return person
    name = " ".join(request.form.get("name", "").split())
    given = request.form.get("slug", "").strip().lower()
    slug = given or slug_of(name)
    problems: dict[str, str] = {}
    if name and not slug:
        problems["slug"] = speech().text(
            "Give a short name of small letters, digits and -: none could be made from the name."
        )
    try:
        config = TenantConfig(slug=slug or "x", name=name)
    except ValidationError as error:
        found = {str(loc[0]) for loc, _ in list_field_problems(error)}
        if "name" in found:
            problems["name"] = speech().text("Give a name of 1 to 200 characters.")
        if "slug" in found:
            problems["slug"] = speech().text(
                "Use 1 to 63 small letters, digits and -, beginning with a letter or digit."
            )
        return _page(person, problems=problems), 422
    if not name.isprintable():
        problems["name"] = speech().text("The name holds marks that cannot be seen: type it anew.")
    if problems:
        return _page(person, problems=problems), 422
    actor = Actor(user_id=person.user_id)
    with database().system_transaction() as conn:
        tenant_id = add_tenant(conn, config)
        if tenant_id is not None:
            act_for_tenant(conn, tenant_id)
            note_changed_part(conn, tenant_id, part=slug, deed="tenant_added", by=actor, changed_in="console")
            choose_tenant(conn, session[SESSION_KEY], tenant_id=tenant_id)
    if tenant_id is None:
        same = next((one for one in person.places if one.slug == slug), None)
        if same is not None and same.name == name and same.tenant_id == person.tenant_id:
            return redirect(url_for("admin_start.show"))  # the same form again
        problems["slug"] = speech().text("There is a tenant of this short name: choose another one.")
        return _page(person, problems=problems), 422
    give_notice("tenant_made")
    return redirect(url_for("admin_start.show"))
