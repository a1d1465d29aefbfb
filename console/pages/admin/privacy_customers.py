"""/admin/privacy/customers: what is held of one customer, to be given to them or erased."""

from typing import Any
from uuid import UUID

from flask import Response, abort, redirect, render_template, request, stream_with_context, url_for
from werkzeug.wrappers import Response as AnyResponse

from console.pages.admin.gate import new_blueprint, only_admins
from console.pages.notices import give_notice
from console.visitors import database, visitor
from store.audit_log import note_deed
from store.customer_erasure import ask_erasure
from store.customer_export import write_customer
from store.customer_holdings import count_holdings
from store.customer_search import FoundCustomer, find_by_channel_id, find_by_id, find_by_phone
from store.db import Connection
from store.tenants import get_tenant_config

blueprint = new_blueprint("privacy_customers", path="/privacy/customers")
MAX_CHARS = 200


def _search(conn: Connection, tenant_id: int, by: str, wanted: str) -> list[FoundCustomer]:
    match by:
        case "phone":
            region = get_tenant_config(conn, tenant_id).default_region
            return find_by_phone(conn, tenant_id, wanted, region=region)
        case "customer":
            return find_by_id(conn, tenant_id, wanted)
        case _:
            return find_by_channel_id(conn, tenant_id, wanted)


@blueprint.get("")
def begin() -> AnyResponse:
    """Who reloads what a search found, or types the address, looks again: what was looked for stands in no address."""
    only_admins()
    return redirect(url_for("admin_privacy.show", _anchor="customer"))


@blueprint.post("")
def find() -> AnyResponse | str:
    """By number or id, in the form's body: addresses are written to logs. To the customer's page where it is one."""
    only_admins()
    who, wanted = visitor(), request.form.get("wanted", "")[:MAX_CHARS].replace("\0", "").strip()
    with database().tenant_transaction(who.tenant_id) as conn:
        found = _search(conn, who.tenant_id, request.form.get("by", ""), wanted) if wanted else []
    if len(found) > 1:
        return render_template("admin/privacy_customers.html", found=found)
    if not found:
        give_notice("customer_unknown")
        return redirect(url_for("admin_privacy.show", _anchor="customer"))
    return redirect(url_for("admin_privacy_customers.show", customer_id=found[0].customer_id))


def _get(conn: Connection, customer_id: str) -> FoundCustomer:
    found = find_by_id(conn, visitor().tenant_id, customer_id)
    if not found:
        abort(404)
    return found[0]


@blueprint.get("/<uuid:customer_id>")
def show(customer_id: UUID) -> str:
    """How much of each kind, and what may be done with it."""
    only_admins()
    return _page(str(customer_id))


def _page(customer_id: str, **more: Any) -> str:
    with database().tenant_transaction(visitor().tenant_id) as conn:
        customer = _get(conn, customer_id)
        holdings = count_holdings(conn, visitor().tenant_id, customer_id)
    return render_template("admin/privacy_customer.html", customer=customer, holdings=holdings, **more)


@blueprint.get("/<uuid:customer_id>/export.json")
def export(customer_id: UUID) -> Response:
    """All that is held, as one document; that it was exported is kept."""
    only_admins()
    who, store, key = visitor(), database(), str(customer_id)
    with store.tenant_transaction(who.tenant_id) as conn:
        _get(conn, key)
        note_deed(conn, who.tenant_id, by=who.actor, deed="customer_exported", subject=key)
    pieces = write_customer(lambda: store.tenant_transaction(who.tenant_id), who.tenant_id, key)
    answer = Response(stream_with_context(pieces), content_type="application/json")
    answer.headers["Content-Disposition"] = f'attachment; filename="customer-{key}.json"'
    answer.headers["Cache-Control"] = "no-store"
    return answer


@blueprint.post("/<uuid:customer_id>/erase")
def erase(customer_id: UUID) -> AnyResponse | tuple[str, int]:
    """Everywhere and for good, once somebody has ticked that they know."""
    only_admins()
    who, key = visitor(), str(customer_id)
    if request.form.get("agreed") != "yes":
        return _page(key, not_agreed=True), 422
    with database().tenant_transaction(who.tenant_id) as conn:
        asked = ask_erasure(conn, who.tenant_id, key, by=who.actor)
    if asked is None:
        abort(404)
    give_notice("customer_erased")
    return redirect(url_for("admin_privacy.show", _anchor="erasures"))
