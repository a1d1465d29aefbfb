"""/admin/dead-letters: messages whose way ended, with the reason, and back to work with them."""

from flask import abort, redirect, render_template, url_for
from werkzeug.wrappers import Response

from console.pages.admin.gate import may_change, new_blueprint
from console.pages.notices import give_notice
from console.visitors import Visitor, database, visitor
from store.audit_log import note_deed
from store.db import Connection
from store.messages import has_message
from store.runs import RunRef, list_dead_of, replay_dead

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


def _replay(conn: Connection, who: Visitor, *, message_id: str | None) -> int:
    parked = list_dead_of(conn, who.tenant_id, message_id=message_id)
    replayed = sum(replay_dead(conn, RunRef(who.tenant_id, one.message_id, one.run_id)) for one in parked)
    if replayed:
        details = {"runs": replayed}
        note_deed(conn, who.tenant_id, by=who.actor, deed="dead_letters_replayed", subject=message_id, details=details)
    return replayed


@blueprint.post("/<uuid:message_id>")
def replay(message_id: object) -> Response:
    """Put a message back to work; one that is at work already stays there."""
    who = visitor()
    with database().tenant_transaction(who.tenant_id) as conn:
        if not has_message(conn, who.tenant_id, str(message_id)):
            abort(404)
        replayed = _replay(conn, who, message_id=str(message_id))
    give_notice("replayed" if replayed else "not_parked")
    return redirect(url_for("admin_dead_letters.show"))


@blueprint.post("")
def replay_all() -> Response:
    """Put all of them back to work."""
    who = visitor()
    with database().tenant_transaction(who.tenant_id) as conn:
        replayed = _replay(conn, who, message_id=None)
    give_notice("replayed" if replayed else "not_parked")
    return redirect(url_for("admin_dead_letters.show"))
