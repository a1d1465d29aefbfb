"""/admin/crm: how the connection stands, whose record a person must pick, and what was written to whom, when and why."""

import re

from flask import abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from console.api.cursors import read_moment, write_cursor
from console.api.problems import Problem
from console.pages.admin.gate import may_change, new_blueprint, read_id
from console.pages.notices import give_notice
from console.visitors import database, visitor
from store.crm_connections import has_crm
from store.crm_desk import list_unclear, list_written_cards, settle_unclear
from store.crm_report import read_status

blueprint = new_blueprint("crm", path="/crm")
WRITES = 50
PICKS = 50
# What the ids of all four CRMs are made of; they stand in the addresses of calls.
_RECORD_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@blueprint.get("")
def show() -> str:
    """?customer= shows one customer's writes only, ?before= pages back."""
    who, customer_id = visitor(), read_id(request.args.get("customer"))
    try:
        before = read_moment(request.args.get("before"))
    except Problem:
        before = None
    with database().tenant_transaction(who.tenant_id) as conn:
        if not has_crm(conn, who.tenant_id):
            return render_template("admin/crm.html", status=None)
        status = read_status(conn, who.tenant_id)
        unclear = list_unclear(conn, who.tenant_id, limit=PICKS)
        found = list_written_cards(conn, who.tenant_id, customer_id=customer_id, before=before, limit=WRITES + 1)
    writes = found[:WRITES]
    earlier = write_cursor((writes[-1].written_at, writes[-1].id)) if len(found) > WRITES else None
    return render_template(
        "admin/crm.html",
        status=status,
        unclear=unclear,
        writes=writes,
        earlier=earlier,
        customer_id=customer_id,
        may_change=may_change(),
    )


@blueprint.post("/customers/<uuid:customer_id>/record")
def pick(customer_id: object) -> Response:
    """Say which record is the customer's: one of the candidates, or another by its id."""
    who = visitor()
    record_id = request.form.get("other", "").strip() or request.form.get("record", "")
    if not _RECORD_ID.fullmatch(record_id):
        give_notice("no_record")
        return redirect(url_for("admin_crm.show"))
    with database().tenant_transaction(who.tenant_id) as conn:
        if not has_crm(conn, who.tenant_id):
            abort(404)
        try:
            is_theirs = settle_unclear(
                conn,
                who.tenant_id,
                customer_id=str(customer_id),
                record_id=record_id,
                picked_by=who.person.user_id,
            )
        except LookupError:
            abort(404)
    give_notice("picked" if is_theirs else "picked_by_other")
    return redirect(url_for("admin_crm.show"))
