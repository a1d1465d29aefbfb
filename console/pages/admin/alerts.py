"""/admin/alerts: what people should know of, and automations that wait for a person's word."""

from flask import abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from console.pages.admin.gate import may_change, new_blueprint
from console.pages.notices import give_notice
from console.visitors import database, visitor
from routing.alerts import sentence
from store.action_desk import approve_action, cancel_action, find_action, list_actions, settle_uncertain
from store.alerts import acknowledge_alert, find_alert, list_alerts, snooze_alert

blueprint = new_blueprint("alerts", path="/alerts")
SHOWN = 100
SNOOZES_H = {"1": 1, "4": 4, "24": 24, "168": 168}


@blueprint.get("")
def show() -> str:
    """Open ones, newest first; ?state=all shows also what is acknowledged, snoozed or over."""
    who, shows_all = visitor(), request.args.get("state") == "all"
    with database().tenant_transaction(who.tenant_id) as conn:
        alerts = list_alerts(conn, who.tenant_id, include_closed=shows_all, limit=SHOWN)
        waiting = list_actions(conn, who.tenant_id, states=(), unapproved_only=True, limit=SHOWN)
        uncertain = list_actions(conn, who.tenant_id, states=("uncertain",), unapproved_only=False, limit=SHOWN)
    return render_template(
        "admin/alerts.html",
        alerts=[(one, sentence(one.kind, one.details)) for one in alerts],
        waiting=waiting,
        uncertain=uncertain,
        shows_all=shows_all,
        snoozes=SNOOZES_H,
        may_change=may_change(),
    )


@blueprint.post("/<uuid:alert_id>")
def take(alert_id: object) -> Response:
    """Say that one is on it, or put it away for some hours. The first one who is on it is kept."""
    who, key, deed = visitor(), str(alert_id), request.form.get("deed", "")
    with database().tenant_transaction(who.tenant_id) as conn:
        if find_alert(conn, who.tenant_id, key) is None:
            abort(404)
        if deed == "acknowledge":
            done = acknowledge_alert(conn, key, by=who.person.user_id)
            give_notice("alert_yours" if done else "alert_taken")
        elif deed == "snooze" and (hours := SNOOZES_H.get(request.form.get("hours", ""))):
            give_notice("alert_snoozed" if snooze_alert(conn, key, hours=hours) else "alert_taken")
        else:
            abort(400)
    return redirect(url_for("admin_alerts.show"))


@blueprint.post("/actions/<uuid:action_id>")
def rule(action_id: object) -> Response:
    """Approve or reject an automation, or say what became of an uncertain one. What a person says counts once."""
    who, key, deed = visitor(), str(action_id), request.form.get("deed", "")
    with database().tenant_transaction(who.tenant_id) as conn:
        if find_action(conn, who.tenant_id, key) is None:
            abort(404)
        rulings = {
            "approve": lambda: approve_action(conn, who.tenant_id, key, actor=who.actor),
            "reject": lambda: cancel_action(conn, who.tenant_id, key, actor=who.actor),
            "arrived": lambda: settle_uncertain(conn, who.tenant_id, key, became="sent", actor=who.actor),
            "not_arrived": lambda: settle_uncertain(conn, who.tenant_id, key, became="failed", actor=who.actor),
        }
        if deed not in rulings:
            abort(400)
        give_notice("ruled" if rulings[deed]() else "ruled_before", deed=deed)
    return redirect(url_for("admin_alerts.show"))
