"""/sweeps: judging past messages again: plan, start, how it goes, pause, go on, cancel, and what changed."""

from collections.abc import Callable

from flask import Response, current_app

from console import sweep_deeds
from console.api.callers import caller
from console.api.cursors import read_id, write_cursor
from console.api.paths import new_blueprint
from console.api.requests import Body, PageQuery
from console.api.sweep_answers import FlipAnswer, FlipPage, SweepAnswer, SweepPage, SweepPlanAnswer
from console.api.sweep_requests import FlipQuery, Resumption, SweepPath, SweepWanted
from console.api.writing import answer, database, do_once
from console.sweep_deeds import find_sweep, new_period, read_progress
from console.sweep_results import result_of
from store.db import Connection
from store.message_places import find_places
from store.sweeps import Sweep, count_items, find_running, list_sweeps
from worker.sweep_flips import select_flips

blueprint = new_blueprint("sweeps", __name__)


@blueprint.post("/sweeps/plan", summary="Plan a sweep", responses={200: SweepPlanAnswer})
def plan(body: SweepWanted) -> Response:
    """How many messages, what it would cost and take. Writes nothing. For supervisors and admins."""
    who = caller()
    with database().tenant_transaction(who.tenant_id) as conn:
        planned = sweep_deeds.plan(conn, who.tenant_id, body.wanted(), model=current_app.extensions["model"])
        running = find_running(conn, who.tenant_id)
    return answer(SweepPlanAnswer.of(planned, running=running).model_dump(mode="json"))


@blueprint.post("/sweeps", summary="Start a sweep", responses={200: SweepAnswer})
def start(body: SweepWanted) -> Response:
    """It costs up to its budget; one runs at a time. Send an Idempotency-Key, so that a repeated call starts none. For supervisors and
    admins.
    """
    who = caller()

    def work(conn: Connection) -> SweepAnswer:
        sweep = sweep_deeds.start(
            conn,
            who.tenant_id,
            body.wanted(),
            period=new_period(),
            model=current_app.extensions["model"],
            by=who.actor,
        )
        return SweepAnswer.of(read_progress(conn, sweep))

    return do_once(work)


@blueprint.get("/sweeps", summary="List sweeps", responses={200: SweepPage})
def list_all(query: PageQuery) -> Response:
    """Newest first."""
    who, before = caller(), read_id(query.cursor)
    with database().tenant_transaction(who.tenant_id) as conn:
        known = [one for one in list_sweeps(conn, who.tenant_id) if before is None or one.id < before]
        sweeps = [SweepAnswer.of(read_progress(conn, one)) for one in known[: query.limit]]
    more = write_cursor((sweeps[-1].id,)) if len(known) > query.limit else None
    return answer(SweepPage(sweeps=sweeps, next_cursor=more).model_dump(mode="json"))


@blueprint.get("/sweeps/<sweep_id>", summary="Read a sweep", responses={200: SweepAnswer})
def read_one(path: SweepPath) -> Response:
    """How it goes and what it has cost."""
    who = caller()
    with database().tenant_transaction(who.tenant_id) as conn:
        progress = read_progress(conn, find_sweep(conn, who.tenant_id, str(path.sweep_id)))
    return answer(SweepAnswer.of(progress).model_dump(mode="json"))


def _change(path: SweepPath, deed: str, change: Callable[[Connection, Sweep], bool]) -> Response:
    who = caller()

    def work(conn: Connection) -> SweepAnswer:
        sweep = sweep_deeds.carry_out(conn, who.tenant_id, str(path.sweep_id), deed, change, by=who.actor)
        return SweepAnswer.of(read_progress(conn, sweep))

    return do_once(work)


@blueprint.post("/sweeps/<sweep_id>/pause", summary="Pause a sweep", responses={200: SweepAnswer})
def pause(path: SweepPath, body: Body) -> Response:
    """Nothing new begins; what the provider has already is still read and paid. For supervisors and admins."""
    del body
    return _change(path, "pause", sweep_deeds.pause)


@blueprint.post("/sweeps/<sweep_id>/resume", summary="Go on with a sweep", responses={200: SweepAnswer})
def resume(path: SweepPath, body: Resumption) -> Response:
    """With another budget or the same. For supervisors and admins."""
    return _change(path, "resume", sweep_deeds.resume_with(body.budget_usd))


@blueprint.post("/sweeps/<sweep_id>/cancel", summary="Cancel a sweep for good", responses={200: SweepAnswer})
def cancel(path: SweepPath, body: Body) -> Response:
    """What was judged stays. For supervisors and admins."""
    del body
    return _change(path, "cancel", sweep_deeds.cancel)


@blueprint.post("/sweeps/<sweep_id>/approve", summary="Approve a sweep's labels", responses={200: SweepAnswer})
def approve(path: SweepPath, body: Body) -> Response:
    """Where the tenant wants that, the labels in the CRM follow only then. For supervisors and admins."""
    del body
    return _change(path, "approve", sweep_deeds.approve)


@blueprint.get("/sweeps/<sweep_id>/flips", summary="Read what a sweep changed", responses={200: FlipPage})
def list_changed(path: SweepPath, query: FlipQuery) -> Response:
    """Counts, what explains them, and the messages: a changed sentiment first, of these what turned negative. No customer text."""
    who, after = caller(), read_id(query.cursor)
    with database().tenant_transaction(who.tenant_id) as conn:
        sweep = find_sweep(conn, who.tenant_id, str(path.sweep_id))
        result = result_of(conn, sweep.id, items=count_items(conn, sweep.id))
        found = select_flips(result.flips, field=query.field, old=query.old, new=query.new)
        places_in_list = {one.message_id: number for number, one in enumerate(found, 1)}
        begin = places_in_list.get(after, len(found)) if after else 0
        page = found[begin : begin + query.limit]
        places = find_places(conn, who.tenant_id, [one.message_id for one in page])
        body = FlipPage.of(
            result.report,
            (result.sentiments, result.intents),
            flips=[FlipAnswer.of(one, places.get(one.message_id)) for one in page],
            next_cursor=write_cursor((page[-1].message_id,)) if begin + query.limit < len(found) else None,
        )
    return answer(body.model_dump(mode="json"))
