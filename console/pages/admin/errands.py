"""/admin/errands/ID: what a worker found, as a piece that a script fetches until it is there."""

from flask import abort, render_template, request

from console.errand_desk import look_for_errand, send_on_errand
from console.pages.admin.gate import new_blueprint, read_id
from console.visitors import database, visitor
from store.errands import Errand, ErrandKind

blueprint = new_blueprint("errands", path="/errands")


def send(kind: ErrandKind, given: dict[str, object]) -> str:
    """Returns the errand's id, for the address of the page that comes next."""
    return send_on_errand(database(), visitor().tenant_id, kind, given)


def asked_errand(kind: ErrandKind) -> Errand | None:
    """The errand that the page's address names; None for none, for one that is gone, and for one of another kind."""
    found = look_for_errand(database(), visitor().tenant_id, read_id(request.args.get("errand")))
    return found if found is not None and found.kind == kind else None


@blueprint.get("/<uuid:errand_id>")
def show(errand_id: object) -> str:
    """The piece alone."""
    errand = look_for_errand(database(), visitor().tenant_id, str(errand_id))
    if errand is None:
        abort(404)
    return render_template("admin/errand_piece.html", errand=errand)
