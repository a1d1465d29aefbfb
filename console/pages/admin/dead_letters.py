"""/admin/dead-letters: messages whose way ended, with the reason, and back to work with them."""

from flask import abort, redirect, render_template, url_for
from werkzeug.wrappers import Response

from console.dead_letters import replay as put_back
from console.pages.admin.gate import may_change, new_blueprint
from console.pages.notices import give_notice
from console.visitors import database, visitor
from store.dead_runs import list_dead_of
from store.messages import has_message

blueprint = new_blueprint("dead_letters", path="/dead-letters")
SHOWN = 200


@blueprint.get("")
def show() -> str:
    """Oldest first."""
    who = visitor()
    with database().tenant_transaction(who.tenant_id) as conn:
        found = list_dead_of(conn, who.tenant_id, limit=SHOWN + 1)
    return render_template(
        "admin/dead_letters.html",
        parked=found[:SHOWN],
        there_are_more=len(found) > SHOWN,
        may_change=may_change(),
    )


@blueprint.post("/<uuid:message_id>")
def replay(message_id: object) -> Response:
    """Put a message back to work; one that is at work already stays there."""
    who = visitor()
    with database().tenant_transaction(who.tenant_id) as conn:
        if not has_message(conn, who.tenant_id, str(message_id)):
            abort(404)
        replayed = put_back(conn, who.tenant_id, message_id=str(message_id), by=who.actor)
    give_notice("replayed" if replayed else "not_parked")
    return redirect(url_for("admin_dead_letters.show"))


@blueprint.post("")
def replay_all() -> Response:
    """Put all of them back to work."""
    who = visitor()
    with database().tenant_transaction(who.tenant_id) as conn:
        replayed = put_back(conn, who.tenant_id, message_id=None, by=who.actor)
    give_notice("replayed" if replayed else "not_parked")
    return redirect(url_for("admin_dead_letters.show"))
