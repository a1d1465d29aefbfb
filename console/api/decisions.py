"""/decisions: why something stands where it stands."""

from flask import Response

from console.api.answers import DecisionAnswer
from console.api.callers import caller
from console.api.paths import new_blueprint
from console.api.problems import not_found
from console.api.requests import DecisionPath
from console.api.writing import answer, database
from store.decisions import find_decision

blueprint = new_blueprint("decisions", __name__)


@blueprint.get("/decisions/<decision_id>", summary="Read a decision", responses={200: DecisionAnswer})
def read_one(path: DecisionPath) -> Response:
    """As a sentence, with its rule, its reasons and the facts it was made of. No customer text."""
    who = caller()
    with database().tenant_transaction(who.tenant_id) as conn:
        decision = find_decision(conn, who.tenant_id, str(path.decision_id))
    if decision is None:
        raise not_found("a decision")
    return answer(DecisionAnswer.of(decision).model_dump(mode="json"))
