"""/admin/alert-targets: where alerts go, of which kind and from which severity on; the address goes in and never comes out."""

from typing import Any

from flask import abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from config.alerting import SEVERITIES
from console.alert_target_deeds import TargetRefusedError, save_target, take_target_away
from console.pages.admin.errands import asked_errand, send
from console.pages.admin.gate import new_blueprint, only_admins
from console.pages.admin.writing import tenant_writing, told, writer
from console.pages.notices import give_notice
from console.visitors import database, visitor
from routing.alerts import KINDS
from store.alert_targets import StoredTarget, list_targets

blueprint = new_blueprint("alert_targets", path="/alert-targets")


def _targets() -> list[StoredTarget]:
    with database().tenant_transaction(visitor().tenant_id) as conn:
        return list_targets(conn, [visitor().tenant_id])


@blueprint.get("")
def show() -> str:
    """?edit= opens a target's form."""
    edited = next((one for one in _targets() if one.name == request.args.get("edit")), None)
    values: dict[str, Any] = {"name": edited.name, **edited.config} if edited else {}
    return _page(values, is_new=edited is None)


def _page(values: dict[str, Any], *, is_new: bool = True, problems: dict[str, str] | None = None) -> str:
    return render_template(
        "admin/alert_targets.html",
        targets=_targets(),
        values=values,
        is_new=is_new,
        problems=problems or {},
        kinds=sorted((name, kind.what) for name, kind in KINDS.items()),
        severities=SEVERITIES,
        errand=asked_errand("alert"),
        may_change=visitor().place.role == "admin",
    )


@blueprint.post("")
def save() -> str | tuple[str, int] | Response:
    """Add a target, or change the one of this name when the form was opened for it."""
    only_admins()
    given: dict[str, Any] = {name: request.form.get(name, "") for name in ("name", "to", "min_severity", "quiet_hours")}
    given["kinds"] = request.form.getlist("kinds")
    is_new = request.form.get("deed") != "change"
    try:
        with tenant_writing() as conn:
            was_cleaned = save_target(conn, writer(), given, must_be_new=is_new)
    except TargetRefusedError as refused:
        return _page({**given, "to": ""}, is_new=is_new, problems=told(refused.problems)), 422
    give_notice("target_saved", code="cleaned" if was_cleaned else "")
    return redirect(url_for("admin_alert_targets.show"))


@blueprint.post("/<name>/test")
def test(name: str) -> Response:
    """Have a worker send something harmless there."""
    only_admins()
    if all(one.name != name for one in _targets()):
        abort(404)
    return redirect(url_for("admin_alert_targets.show", errand=send("alert", {"name": name}), _anchor="test"))


@blueprint.get("/<name>/remove")
def confirm(name: str) -> str:
    """What would stop."""
    only_admins()
    if all(one.name != name for one in _targets()):
        abort(404)
    return render_template("admin/alert_target_remove.html", name=name)


@blueprint.post("/<name>/remove")
def remove(name: str) -> Response:
    """Nobody is told there any more. Sent twice it says so."""
    only_admins()
    with tenant_writing() as conn:
        gone = take_target_away(conn, writer(), name)
    give_notice("target_removed" if gone else "target_gone")
    return redirect(url_for("admin_alert_targets.show"))
