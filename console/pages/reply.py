"""/conversations/…/reply: what a person answers, and what becomes of it."""

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, abort, redirect, request, url_for
from werkzeug.wrappers import Response

from console.api.problems import Problem
from console.pages import conversation
from console.pages.inbox import doer_of
from console.pages.notices import give_notice
from console.replies import Draft, answer, ring
from console.visitors import database, let_in, visitor
from routing.work_rights import may
from store.action_desk import cancel_action, settle_uncertain
from store.replies import is_reply_of
from store.work_items import lock_work_item

blueprint = Blueprint("reply", __name__, url_prefix="/conversations/<uuid:conversation_id>/reply")
blueprint.before_request(let_in)
MAX_ONCE_CHARS = 64


@blueprint.post("")
def send(conversation_id: object) -> Response | tuple[str, int]:
    """Send it once. What can't be sent stands in the form again, with the reason."""
    who, key = visitor(), str(conversation_id)
    if who.place.role == "auditor":
        abort(403)
    given = request.form
    once = given.get("once", "")[:MAX_ONCE_CHARS]
    kind = "template" if given.get("kind") == "template" else "text"
    draft = Draft(kind, given.get("text", ""), once)
    try:
        with database().tenant_transaction(who.tenant_id) as conn:
            action_id = answer(conn, doer_of(who), key, draft, now=datetime.now(UTC))
    except Problem as problem:
        if problem.code == "not_found":
            abort(404)
        give_notice("refused", code=problem.code)
        return conversation.render(key, draft=draft.text), problem.status
    if action_id:
        ring(who.tenant_id, action_id)
    give_notice("replied")
    # By this word the page's script knows that the draft it keeps has been taken.
    return redirect(url_for("conversation.show", conversation_id=key, replied=once, _anchor="reply"))


@blueprint.post("/rule")
def rule(conversation_id: object) -> Response:
    """Call off an answer that still waits, or say whether one arrived that nobody knows of."""
    who, key = visitor(), str(conversation_id)
    if who.place.role == "auditor":
        abort(403)
    action_id, verdict = request.form.get("reply", ""), request.form.get("verdict", "")
    with database().tenant_transaction(who.tenant_id) as conn:
        item = lock_work_item(conn, who.tenant_id, key)
        if item is None or not action_id.isascii() or not is_reply_of(conn, who.tenant_id, key, action_id):
            abort(404)
        if not may(who.place.role, "reply", user_id=who.person.user_id, assignee_id=item.assignee_id):
            abort(403)
        if verdict == "cancel":
            done = cancel_action(conn, who.tenant_id, action_id, actor=who.actor)
        elif verdict in {"sent", "failed"}:
            became: Any = verdict
            done = settle_uncertain(conn, who.tenant_id, action_id, became=became, actor=who.actor)
        else:
            abort(422)
    give_notice("done" if done else "refused")
    return redirect(url_for("conversation.show", conversation_id=key, _anchor="reply"))
