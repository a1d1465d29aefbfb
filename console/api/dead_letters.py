"""/dead-letters: messages whose way ended, with the reason, and back to work with them."""

from datetime import datetime

from flask import Response
from pydantic import BaseModel

from console.api.callers import caller
from console.api.cursors import read_moment, write_cursor
from console.api.paths import new_blueprint
from console.api.problems import not_found
from console.api.requests import Body, MessagePath, PageQuery
from console.api.writing import answer, database, do_once
from console.dead_letters import replay as put_back
from store.db import Connection
from store.dead_runs import list_dead_of
from store.messages import has_message

blueprint = new_blueprint("dead_letters", __name__, under="/dead-letters")


class DeadLetter(BaseModel):
    """A parked run of a message. kind: initial, reanalyze or sweep."""

    message_id: str
    run_id: str
    kind: str
    error_code: str | None
    created_at: datetime


class DeadLetterPage(BaseModel):
    """A page of parked runs, oldest first. next_cursor: None on the last one."""

    dead_letters: list[DeadLetter]
    next_cursor: str | None


class ReplayedLetters(BaseModel):
    """How many runs were put back to work; 0: none was parked."""

    replayed: int


@blueprint.get("", summary="List messages whose way ended", responses={200: DeadLetterPage})
def list_all(query: PageQuery) -> Response:
    """Oldest first, with the reason. No customer text. For supervisors, admins and auditors."""
    who = caller()
    after = read_moment(query.cursor)
    with database().tenant_transaction(who.tenant_id) as conn:
        found = list_dead_of(conn, who.tenant_id, after=after, limit=query.limit + 1)
    page = found[: query.limit]
    more = write_cursor((page[-1].created_at, page[-1].run_id)) if len(found) > query.limit else None
    letters = [
        DeadLetter(**{name: value for name, value in vars(one).items() if name in DeadLetter.model_fields})
        for one in page
    ]
    return answer(DeadLetterPage(dead_letters=letters, next_cursor=more).model_dump(mode="json"))


@blueprint.post("/replay", summary="Put the oldest dead letters back to work", responses={200: ReplayedLetters})
def replay_all(body: Body) -> Response:
    """Up to 1,000 at once, oldest first; call it again for more. For supervisors and admins."""
    del body
    who = caller()
    return do_once(lambda conn: ReplayedLetters(replayed=put_back(conn, who.tenant_id, message_id=None, by=who.actor)))


@blueprint.post("/<message_id>/replay", summary="Put a message back to work", responses={200: ReplayedLetters})
def replay(path: MessagePath, body: Body) -> Response:
    """One that is at work already stays there. For supervisors and admins."""
    del body
    who, message_id = caller(), str(path.message_id)

    def work(conn: Connection) -> ReplayedLetters:
        if not has_message(conn, who.tenant_id, message_id):
            raise not_found("a message")
        return ReplayedLetters(replayed=put_back(conn, who.tenant_id, message_id=message_id, by=who.actor))

    return do_once(work)
