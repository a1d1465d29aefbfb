"""/laboratory: messages with another prompt beside what is live; nothing is judged."""

from flask import Response, current_app

from console.api.callers import caller
from console.api.cursors import read_id, write_cursor
from console.api.paths import new_blueprint
from console.api.problems import Problem
from console.api.requests import PageQuery
from console.api.trial_answers import LabPlanAnswer, LabTrialAnswer, LabTrialPage, NewLabTrial, TrialPath
from console.api.writing import answer, database, do_once
from console.laboratory_deeds import find_laboratory_trial, keep_plan, plan_experiment, start_experiment
from store.db import Connection
from store.message_places import note_reading
from store.tenants import get_tenant_config
from store.trial_records import list_trials
from worker.laboratory_plan import LabPlan
from worker.trials import TrialError

blueprint = new_blueprint("laboratory", __name__)


def _plan(conn: Connection, tenant_id: int, body: NewLabTrial) -> LabPlan:
    try:
        return plan_experiment(
            conn,
            tenant_id,
            body.experiment(),
            tenant=get_tenant_config(conn, tenant_id),
            model=current_app.extensions["model"],
        )
    except TrialError as error:
        raise Problem(422, "cannot_be_tried", field=str(error).partition(":")[0][:60], fix=str(error)) from None


@blueprint.post("/laboratory/plan", summary="Plan a trial", responses={200: LabPlanAnswer})
def plan(body: NewLabTrial) -> Response:
    """What would leave, word for word, and about what it would cost. Nothing is asked or kept. For supervisors and admins."""
    who = caller()
    with database().tenant_transaction(who.tenant_id) as conn:
        planned = _plan(conn, who.tenant_id, body)
        note_reading(conn, who.tenant_id, [str(one) for one in body.message_ids], actor=who.actor)
    return answer(LabPlanAnswer.of(planned).model_dump(mode="json"))


@blueprint.post("/laboratory/trials", summary="Start a trial", responses={200: LabTrialAnswer})
def start(body: NewLabTrial) -> Response:
    """The model is asked by a worker; read the trial until it is done. Refused when it may cost more than max_cost_usd. Send an
    Idempotency-Key, so that a repeated call asks nothing. For supervisors and admins.
    """
    who = caller()

    def work(conn: Connection) -> LabTrialAnswer:
        planned = _plan(conn, who.tenant_id, body)
        trial_id = keep_plan(conn, who.tenant_id, body.experiment(), planned, by=who.actor)
        return LabTrialAnswer.of(start_experiment(conn, who.tenant_id, trial_id, by=who.actor))

    return do_once(work)


@blueprint.get("/laboratory/trials", summary="List trials", responses={200: LabTrialPage})
def list_all(query: PageQuery) -> Response:
    """Newest first, of the last 30 days."""
    who, before = caller(), read_id(query.cursor)
    with database().tenant_transaction(who.tenant_id) as conn:
        found = list_trials(conn, who.tenant_id, kinds=("laboratory",), limit=query.limit + 1, before_id=before)
    page = found[: query.limit]
    more = write_cursor((page[-1].id,)) if len(found) > query.limit else None
    return answer(LabTrialPage.of(page, next_cursor=more).model_dump(mode="json"))


@blueprint.get("/laboratory/trials/<trial_id>", summary="Read a trial", responses={200: LabTrialAnswer})
def read_one(path: TrialPath) -> Response:
    """Both sides of every message, once it is done. That their words were read, and by whom, is kept."""
    who = caller()
    with database().tenant_transaction(who.tenant_id) as conn:
        trial = find_laboratory_trial(conn, who.tenant_id, str(path.trial_id))
        note_reading(conn, who.tenant_id, trial.message_ids, actor=who.actor)
    return answer(LabTrialAnswer.of(trial).model_dump(mode="json"))
