"""/actions: what happens by itself, what of it waits for a person or is in doubt, and what the person says."""

from collections.abc import Callable

from flask import Response

from console.api.answers import DeskAction, DeskPage
from console.api.callers import caller
from console.api.cursors import read_moment, write_cursor
from console.api.paths import new_blueprint
from console.api.problems import Problem, not_found
from console.api.requests import ActionPath, ActionQuery, Body, Settlement
from console.api.writing import answer, database, do_once
from store.action_desk import approve_action, cancel_action, find_action, list_actions, settle_uncertain
from store.conversation_events import Actor
from store.db import Connection

blueprint = new_blueprint("actions", __name__)


@blueprint.get("/actions", summary="List actions", responses={200: DeskPage})
def list_all(query: ActionQuery) -> Response:
    """Newest first: what waits for a person's yes, what is in doubt, or all. No customer text."""
    who = caller()
    before = read_moment(query.cursor)
    with database().tenant_transaction(who.tenant_id) as conn:
        found = list_actions(
            conn,
            who.tenant_id,
            states=(query.state,) if query.state else (),
            unapproved_only=query.waiting,
            limit=query.limit + 1,
            before_id=before[1] if before else None,
        )
    page = found[: query.limit]
    more = write_cursor((page[-1].created_at, page[-1].id)) if len(found) > query.limit else None
    body = DeskPage(actions=[DeskAction(**vars(one)) for one in page], next_cursor=more)
    return answer(body.model_dump(mode="json"))


@blueprint.get("/actions/<action_id>", summary="Read an action", responses={200: DeskAction})
def read_one(path: ActionPath) -> Response:
    """Its state, and who agreed to it or settled it."""
    who = caller()
    with database().tenant_transaction(who.tenant_id) as conn:
        return answer(_get(conn, who.tenant_id, str(path.action_id)).model_dump(mode="json"))


def _get(conn: Connection, tenant_id: int, action_id: str) -> DeskAction:
    found = find_action(conn, tenant_id, action_id)
    if found is None:
        raise not_found("an action")
    return DeskAction(**vars(found))


def _rule(path: ActionPath, ruling: Callable[[Connection, int, str, Actor], bool], *, code: str, fix: str) -> Response:
    """What a person says counts once; who comes later is told how the action stands."""
    who, action_id = caller(), str(path.action_id)

    def work(conn: Connection) -> DeskAction:
        done = ruling(conn, who.tenant_id, action_id, who.actor)
        found = _get(conn, who.tenant_id, action_id)
        if not done:
            raise Problem(409, code, fix=fix, state=found.state, approved_by=found.approved_by)
        return found

    return do_once(work)


@blueprint.post(
    "/actions/<action_id>/approve", summary="Agree to an action that waits for it", responses={200: DeskAction}
)
def approve(path: ActionPath, body: Body) -> Response:
    """It leaves within seconds, unless something else has come to stand in its way. For supervisors and admins."""
    del body
    return _rule(
        path,
        lambda conn, tenant_id, action_id, actor: approve_action(conn, tenant_id, action_id, actor=actor),
        code="not_waiting",
        fix="it waits for nobody's yes: read how it stands",
    )


@blueprint.post(
    "/actions/<action_id>/reject", summary="Call off an action that has not left", responses={200: DeskAction}
)
def reject(path: ActionPath, body: Body) -> Response:
    """One that waits for a yes, or any other that is still pending. For supervisors and admins."""
    del body
    return _rule(
        path,
        lambda conn, tenant_id, action_id, actor: cancel_action(conn, tenant_id, action_id, actor=actor),
        code="not_pending",
        fix="it has left, or is settled: read how it stands",
    )


@blueprint.post(
    "/actions/<action_id>/settle", summary="Say whether an uncertain send arrived", responses={200: DeskAction}
)
def settle(path: ActionPath, body: Settlement) -> Response:
    """Nothing is sent again. For supervisors and admins."""
    became = "sent" if body.arrived else "failed"
    return _rule(
        path,
        lambda conn, tenant_id, action_id, actor: settle_uncertain(
            conn, tenant_id, action_id, became=became, actor=actor
        ),
        code="not_uncertain",
        fix="nobody doubts what became of it: read how it stands",
    )
