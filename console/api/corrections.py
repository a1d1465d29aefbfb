"""/corrections and /messages/…/corrections: what people say a label should be; it counts at once."""

from flask import Response

from console.api.callers import caller
from console.api.cursors import read_id, write_cursor
from console.api.label_answers import (
    CorrectionAnswer,
    CorrectionPage,
    CorrectionPath,
    CountingLabel,
    NewCorrection,
)
from console.api.paths import new_blueprint
from console.api.problems import Problem, not_found
from console.api.requests import MessagePath, PageQuery
from console.api.writing import answer, database, do_once
from store.corrections import CorrectionError, list_corrections
from store.db import Connection
from store.messages import has_message
from store.tenants import get_tenant_config
from worker.correction_step import Corrected, correct, undo

blueprint = new_blueprint("corrections", __name__)


def _page(conn: Connection, tenant_id: int, query: PageQuery, *, message_id: str | None = None) -> CorrectionPage:
    found = list_corrections(
        conn, tenant_id, message_id=message_id, limit=query.limit + 1, before_id=read_id(query.cursor)
    )
    page = found[: query.limit]
    more = write_cursor((page[-1].id,)) if len(found) > query.limit else None
    return CorrectionPage(corrections=[CorrectionAnswer.of(one) for one in page], next_cursor=more)


@blueprint.get("/corrections", summary="List corrections", responses={200: CorrectionPage})
def list_all(query: PageQuery) -> Response:
    """Of the whole tenant, newest first."""
    who = caller()
    with database().tenant_transaction(who.tenant_id) as conn:
        return answer(_page(conn, who.tenant_id, query).model_dump(mode="json"))


@blueprint.get(
    "/messages/<message_id>/corrections", summary="List a message's corrections", responses={200: CorrectionPage}
)
def list_of_message(path: MessagePath, query: PageQuery) -> Response:
    """Newest first, the undone ones too."""
    who, message_id = caller(), str(path.message_id)
    with database().tenant_transaction(who.tenant_id) as conn:
        if not has_message(conn, who.tenant_id, message_id):
            raise not_found("a message")
        return answer(_page(conn, who.tenant_id, query, message_id=message_id).model_dump(mode="json"))


@blueprint.post("/messages/<message_id>/corrections", summary="Correct a label", responses={200: CountingLabel})
def add(path: MessagePath, body: NewCorrection) -> Response:
    """It counts from now on, for the queue, the CRM and every later reading; nothing is sent. Saying it again changes nothing."""
    who, message_id = caller(), str(path.message_id)

    def work(conn: Connection) -> CountingLabel:
        if not has_message(conn, who.tenant_id, message_id):
            raise not_found("a message")
        try:
            done = correct(
                conn,
                who.tenant_id,
                tenant=get_tenant_config(conn, who.tenant_id),
                message_id=message_id,
                field=body.field,
                value=body.value,
                by=who.user_id,
                reason=body.reason,
            )
        except CorrectionError as error:
            raise _refused(error) from None
        return _label(message_id, done)

    return do_once(work)


@blueprint.delete(
    "/messages/<message_id>/corrections/<field>", summary="Take a correction back", responses={200: CountingLabel}
)
def take_back(path: CorrectionPath) -> Response:
    """The one that counts; what was said before it counts again."""
    who, message_id = caller(), str(path.message_id)

    def work(conn: Connection) -> CountingLabel:
        if not has_message(conn, who.tenant_id, message_id):
            raise not_found("a message")
        tenant = get_tenant_config(conn, who.tenant_id)
        try:
            done = undo(conn, who.tenant_id, tenant=tenant, message_id=message_id, field=path.field, by=who.user_id)
        except CorrectionError as error:
            raise Problem(409, "nothing_to_undo", field=error.field, fix=str(error)) from None
        return _label(message_id, done)

    return do_once(work)


def _refused(error: CorrectionError) -> Problem:
    """What is about the value is the caller's to mend; what is about the message is as it is."""
    if error.field == "message":
        return Problem(409, "not_correctable", field="message_id", fix=str(error))
    field = "reason" if error.field == "reason" else "value"
    return Problem(422, "invalid_value", field=field, fix=str(error))


def _label(message_id: str, done: Corrected) -> CountingLabel:
    label = done.label
    return CountingLabel(
        message_id=message_id,
        sentiment=label.analysis.sentiment if label else None,
        score=label.analysis.score if label else None,
        intent=label.analysis.intent if label else None,
        topics=label.analysis.topics if label else None,
        corrected=list(label.corrected) if label else [],
        changed=done.correction_id is not None,
        moved=done.moved,
    )
