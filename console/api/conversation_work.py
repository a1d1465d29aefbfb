"""/conversations, to work on: claim, assign, transfer, unassign, snooze, resolve, reopen."""

from collections.abc import Callable
from typing import Literal

from flask import Response

from console import deeds
from console.api.answers import Work
from console.api.callers import caller
from console.api.paths import new_blueprint
from console.api.requests import Assignee, ConversationPath, Expected, Snooze, Transfer
from console.api.writing import do_once
from console.deeds import Change, Doer
from routing.work_rights import Deed
from store.db import Connection
from store.work_items import WorkItem

blueprint = new_blueprint("conversation_work", __name__, under="/conversations/<conversation_id>", answers=Work)


def _change(
    path: ConversationPath,
    deed: Deed,
    change: Change,
    *,
    expected: Expected,
    getting: Callable[[Connection, Doer], int | None] = lambda _conn, _who: None,
) -> Response:
    who = caller().doer

    def work(conn: Connection) -> Work:
        item = deeds.carry_out(
            conn, who, str(path.conversation_id), deed, change, version=expected.version, getting=getting
        )
        return Work.of_item(conn, who.tenant_id, item)

    return do_once(work)


@blueprint.post("/claim", summary="Take a conversation")
def claim(path: ConversationPath, body: Expected) -> Response:
    """Of two who claim, one gets it; the other is told who has it and since when. One's own: nothing changes."""
    return _change(path, "claim", deeds.claim, expected=body, getting=lambda _conn, who: who.person())


def _give_to(
    path: ConversationPath, body: Assignee | Transfer, *, deed: Deed, because: Literal["assigned", "transferred"]
) -> Response:
    target: list[int] = []

    def getting(conn: Connection, who: Doer) -> int:
        target.append(deeds.find_agent(conn, who, user_id=body.user_id, email=body.email))
        return target[0]

    def change(conn: Connection, item: WorkItem, who: Doer) -> None:
        deeds.give_to(target[0], because)(conn, item, who)

    return _change(path, deed, change, expected=body, getting=getting)


@blueprint.post("/assign", summary="Give a conversation to somebody")
def assign(path: ConversationPath, body: Assignee) -> Response:
    """Whoever has it now. For supervisors and admins."""
    return _give_to(path, body, deed="assign", because="assigned")


@blueprint.post("/transfer", summary="Hand a conversation to a colleague or to a queue")
def transfer(path: ConversationPath, body: Transfer) -> Response:
    """In a queue that is assigned by itself the next free person gets it."""
    if body.queue is None:
        return _give_to(path, body, deed="transfer", because="transferred")
    return _change(path, "transfer", deeds.move_to(body.queue), expected=body)


@blueprint.post("/unassign", summary="Put a conversation back into its queue")
def unassign(path: ConversationPath, body: Expected) -> Response:
    """Nobody has it any more."""
    return _change(path, "unassign", deeds.unassign, expected=body)


@blueprint.post("/snooze", summary="Put a conversation away until a time")
def snooze(path: ConversationPath, body: Snooze) -> Response:
    """It comes back then, or at once when the customer writes."""
    return _change(path, "snooze", deeds.snooze_until(body.until), expected=body)


@blueprint.post("/resolve", summary="Resolve a conversation")
def resolve(path: ConversationPath, body: Expected) -> Response:
    """The customer's next message opens it again. When a person resolves it, the customer may be asked how it was."""
    return _change(path, "resolve", deeds.resolve, expected=body)


@blueprint.post("/reopen", summary="Open a resolved conversation again")
def reopen(path: ConversationPath, body: Expected) -> Response:
    """Whoever had it has it again. One that an automation had goes to people."""
    return _change(path, "reopen", deeds.reopen, expected=body)
