"""/go: everything one can go to or do, to be searched. With scripts it is a dialog over any page (static/palette.js)."""

from typing import Any

from flask import Blueprint, jsonify, render_template, request
from werkzeug.wrappers import Response

from console.go_choices import Choice, fitting_choices, list_choices
from console.pages.inbox import is_id
from console.visitors import database, is_ours, let_in, visitor

blueprint = Blueprint("go", __name__, url_prefix="/go")
blueprint.before_request(let_in)
MAX_WANTED_CHARS = 100


def _choices() -> tuple[str | None, str, list[Choice]]:
    """?conversation= is the one somebody has before them, ?from= the page they are on."""
    who = visitor()
    given, here = request.args.get("conversation", ""), request.args.get("from", "")
    conversation_id = given if is_id(given) else None
    here = here if is_ours(here) else ""
    with database().tenant_transaction(who.tenant_id) as conn:
        return conversation_id, here, list_choices(conn, who, conversation_id=conversation_id, here=here)


@blueprint.get("")
def show() -> str:
    """The page of it: ?q= narrows it down."""
    wanted = request.args.get("q", "")[:MAX_WANTED_CHARS]
    conversation_id, here, choices = _choices()
    groups: dict[str, list[Choice]] = {}
    for one in fitting_choices(choices, wanted):
        groups.setdefault(one.group, []).append(one)
    return render_template(
        "go.html",
        groups=groups,
        wanted=wanted,
        conversation_id=conversation_id,
        came_from=here,
    )


@blueprint.get("/choices")
def choices() -> Response:
    """For the dialog: all of them."""
    found: list[dict[str, Any]] = [vars(one) for one in _choices()[2]]
    return jsonify(found)
