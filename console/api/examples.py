"""/examples: what corrections would put into the prompt, whether it is any better, and what stands there."""

from typing import Any

from flask import Response, current_app

from console import example_deeds
from console.api.callers import caller
from console.api.cursors import read_number, write_cursor
from console.api.example_answers import (
    CheckWanted,
    ExampleTrialAnswer,
    ExampleVersionAnswer,
    ExampleVersionPage,
    ProposalAnswer,
    PublishingWanted,
    Rejected,
    Rejections,
    RollbackWanted,
    RolledBack,
)
from console.api.paths import new_blueprint
from console.api.problems import not_found
from console.api.requests import MessagePath, PageQuery
from console.api.trial_answers import TrialPath
from console.api.writing import answer, database, do_once
from console.example_choice import choose_aside
from console.example_deeds import Publishing, find_example_trial, find_last_check, find_last_trial
from store.db import Connection
from store.examples import list_publishers, list_snapshots
from store.message_places import note_reading
from store.messages import has_message
from store.tenants import get_tenant_config
from worker.example_proposals import compare_with_live, estimate_check

blueprint = new_blueprint("examples", __name__)


@blueprint.get("/examples", summary="Read what is proposed as examples", responses={200: ProposalAnswer})
def read_proposal() -> Response:
    """As a difference to what is in the prompt, with its check. That the words were read, and by whom, is kept."""
    who, model = caller(), current_app.extensions["model"]
    with database().tenant_transaction(who.tenant_id) as conn:
        tenant = get_tenant_config(conn, who.tenant_id)
        proposal = compare_with_live(conn, who.tenant_id, tenant=tenant, model=model, chooser=choose_aside)
        difference = proposal.difference
        shown = [one.message_id for one in (*difference.added, *difference.removed, *difference.kept)]
        note_reading(conn, who.tenant_id, shown, actor=who.actor)
        body = ProposalAnswer.of(
            proposal,
            estimate_check(proposal, tenant=tenant, model=model),
            check=find_last_check(conn, who.tenant_id, proposal),
            last=find_last_trial(conn, who.tenant_id),
        )
    return answer(body.model_dump(mode="json"))


@blueprint.get("/examples/versions", summary="List published versions", responses={200: ExampleVersionPage})
def list_versions(query: PageQuery) -> Response:
    """Newest first, with who put them into the prompt and when."""
    who, before = caller(), read_number(query.cursor)
    with database().tenant_transaction(who.tenant_id) as conn:
        known = [one for one in list_snapshots(conn, who.tenant_id) if one.published_at]
        publishers = list_publishers(conn, who.tenant_id)
    found = [one for one in known if before is None or one.version < before]
    page = found[: query.limit]
    body = ExampleVersionPage(
        versions=[ExampleVersionAnswer.of(one, publishers.get(one.version)) for one in page],
        next_cursor=write_cursor((str(page[-1].version),)) if len(found) > query.limit else None,
    )
    return answer(body.model_dump(mode="json"))


def _settings(conn: Connection) -> dict[str, Any]:
    who = caller()
    return {
        "tenant": get_tenant_config(conn, who.tenant_id),
        "model": current_app.extensions["model"],
        "by": who.actor,
    }


@blueprint.post("/examples/check", summary="Check the proposal", responses={200: ExampleTrialAnswer})
def check(body: CheckWanted) -> Response:
    """A worker has the model judge held-back corrections with the old and the new examples; it costs money. For supervisors and admins."""
    who = caller()

    def work(conn: Connection) -> ExampleTrialAnswer:
        trial = example_deeds.start_check(conn, who.tenant_id, basis=body.basis, **_settings(conn))
        return ExampleTrialAnswer.of(trial)

    return do_once(work)


@blueprint.post("/examples/publish", summary="Publish the proposal", responses={200: ExampleTrialAnswer})
def publish(body: PublishingWanted) -> Response:
    """A worker checks it, unless a check of just this stands, and publishes it unless it is worse. For admins."""
    who = caller()
    wanted = Publishing(body.basis, body.note, force=body.force, accept_unchecked=body.accept_unchecked)

    def work(conn: Connection) -> ExampleTrialAnswer:
        trial = example_deeds.start_publishing(conn, who.tenant_id, wanted, **_settings(conn))
        return ExampleTrialAnswer.of(trial)

    return do_once(work)


@blueprint.get(
    "/examples/trials/<trial_id>", summary="Read a check or a publishing", responses={200: ExampleTrialAnswer}
)
def read_trial(path: TrialPath) -> Response:
    """How it stands, and what the check said."""
    who = caller()
    with database().tenant_transaction(who.tenant_id) as conn:
        trial = find_example_trial(conn, who.tenant_id, str(path.trial_id))
    return answer(ExampleTrialAnswer.of(trial).model_dump(mode="json"))


@blueprint.post("/examples/rollback", summary="Bring a version back", responses={200: RolledBack})
def roll_back(body: RollbackWanted) -> Response:
    """As a new version; it is in the prompt at once. For admins."""
    who = caller()

    def work(conn: Connection) -> RolledBack:
        version = example_deeds.roll_back(
            conn, who.tenant_id, to=body.to, live_version=body.live_version, note=body.note, by=who.actor
        )
        return RolledBack(version=version)

    return do_once(work)


@blueprint.post("/examples/reject", summary="Leave messages out", responses={200: Rejected})
def reject(body: Rejections) -> Response:
    """They are proposed no more; their corrections go on counting. For supervisors and admins."""
    who = caller()

    def work(conn: Connection) -> Rejected:
        ids = [str(one) for one in body.message_ids]
        return Rejected(changed=example_deeds.leave_out(conn, who.tenant_id, ids, by=who.actor))

    return do_once(work)


@blueprint.delete(
    "/examples/rejections/<message_id>", summary="Let a message be proposed again", responses={200: Rejected}
)
def readmit(path: MessagePath) -> Response:
    """Nothing changes for one that is not left out. For supervisors and admins."""
    who = caller()

    def work(conn: Connection) -> Rejected:
        if not has_message(conn, who.tenant_id, str(path.message_id)):
            raise not_found("a message")
        done = example_deeds.take_in_again(conn, who.tenant_id, str(path.message_id), by=who.actor)
        return Rejected(changed=int(done))

    return do_once(work)
