"""/admin/crm/connection: connect a CRM, look whether it answers, make our fields there, leave it."""

from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from config.crm import CREDENTIALS
from console.crm_deeds import CRM_KINDS, SECRETS, CrmRefusedError, save_crm, take_crm_away
from console.pages.admin.errands import asked_errand, send
from console.pages.admin.gate import new_blueprint, only_admins
from console.pages.admin.writing import from_start, keep_typed, keyring, tenant_writing, told, typed, writer
from console.pages.notices import give_notice
from console.visitors import database, visitor
from store.crm_connections import CrmConnection, find_connection
from store.onboarding import settle_step

blueprint = new_blueprint("crm_connection", path="/crm/connection")
# Boxes that say nothing when they are empty.
_BOXES = ("create_contacts", "send_summary")


def _known() -> CrmConnection | None:
    with database().tenant_transaction(visitor().tenant_id) as conn:
        return find_connection(conn, visitor().tenant_id, keyring=keyring())


@blueprint.get("")
def show() -> str:
    """?kind= chooses the CRM; else the one that is connected."""
    only_admins()
    known = _known()
    kind = request.args.get("kind", known.kind if known else "")
    return _page(known, kind if kind in CRM_KINDS else "")


def _page(
    known: CrmConnection | None,
    kind: str,
    *,
    values: dict[str, str] | None = None,
    problems: dict[str, str] | None = None,
) -> str:
    same = known if known is not None and known.kind == kind else None
    return render_template(
        "admin/crm_connection.html",
        kinds=CRM_KINDS,
        kind=kind,
        known=known,
        ways=CREDENTIALS.get(kind, ()),
        secrets=SECRETS,
        # Names only: what stands there is not shown.
        given=frozenset(same.credentials) if same else frozenset[str](),
        values=values if values is not None else _stored(same),
        problems=problems or {},
        errand=asked_errand("crm"),
        from_start=bool(from_start()),
    )


def _stored(known: CrmConnection | None) -> dict[str, str]:
    """What is no secret of the connection, for the form."""
    if known is None:
        return {"send_summary": "on"}
    settings = known.settings
    named = {name: known.credentials[name] for name in known.credentials if name not in SECRETS}
    texts = {name: getattr(settings, name) for name in ("tier_field", "value_field", "day_limit")}
    boxes = {name: "on" for name in _BOXES if getattr(settings, name)}
    return named | {name: str(value) for name, value in texts.items() if value is not None} | boxes


@blueprint.post("")
def save() -> str | tuple[str, int] | Response:
    """Store it, then have it looked at at once."""
    only_admins()
    given: dict[str, object] = {**dict.fromkeys(_BOXES, ""), **typed()}
    try:
        with tenant_writing() as conn:
            saved = save_crm(conn, writer(), given)
            settle_step(conn, visitor().tenant_id, "crm", settled_as="done", by=visitor().actor)
    except CrmRefusedError as refused:
        kind = str(given.get("kind", ""))
        return _page(_known(), kind, values=keep_typed(SECRETS), problems=told(refused.problems)), 422
    give_notice("crm_saved", code="cleaned" if saved.was_cleaned else "")
    return _to_page(send("crm", {}))


def _to_page(errand: str | None = None) -> Response:
    at = "check" if errand else None
    return redirect(url_for("admin_crm_connection.show", errand=errand, _anchor=at, **from_start()))


@blueprint.post("/check")
def check() -> Response:
    """Have a worker ask the CRM; deed "provision" makes our fields there, too."""
    only_admins()
    if _known() is None:
        give_notice("no_crm")
        return _to_page()
    return _to_page(send("crm", {"provision": request.form.get("deed") == "provision"}))


@blueprint.get("/remove")
def confirm() -> str | Response:
    """What would stop."""
    only_admins()
    known = _known()
    return render_template("admin/crm_remove.html", known=known) if known else _to_page()


@blueprint.post("/remove")
def remove() -> Response:
    """Nothing is written there any more. Sent twice it says so."""
    only_admins()
    with tenant_writing() as conn:
        gone = take_crm_away(conn, writer())
    give_notice("crm_removed" if gone else "no_crm")
    return redirect(url_for("admin_crm.show"))
