"""/reanalyses: having messages read again, with all that is live now, and how far that is."""

from flask import Response

from console import label_deeds
from console.api.callers import caller
from console.api.label_answers import PassAnswer, PassProgress, Reanalysis, ReanalysisAnswer, ReanalysisQuery
from console.api.paths import new_blueprint
from console.api.problems import Problem, not_found
from console.api.requests import Body, ConversationPath
from console.api.writing import answer, database, do_once
from store.db import Connection
from store.reanalysis import find_newest_message, list_passes
from store.work_items import get_work_item

blueprint = new_blueprint("reanalyses", __name__)


@blueprint.post(
    "/conversations/<conversation_id>/reanalyze", summary="Read a conversation again", responses={200: ReanalysisAnswer}
)
def read_conversation(path: ConversationPath, body: Body) -> Response:
    """Its newest message, with everything up to now. The answer is appended; it fires nothing. For supervisors and admins."""
    del body
    who, conversation_id = caller(), str(path.conversation_id)

    def work(conn: Connection) -> ReanalysisAnswer:
        try:
            get_work_item(conn, who.tenant_id, conversation_id)
        except LookupError:
            raise not_found("a conversation") from None
        newest = find_newest_message(conn, who.tenant_id, conversation_id)
        if newest is None:
            raise Problem(409, "nothing_to_read", fix="the customer has written no words in this conversation")
        begun = label_deeds.reanalyze(conn, who.tenant_id, [newest], until_now=True, by=who.actor)
        return ReanalysisAnswer(begun=begun.message_ids, under_way=begun.under_way)

    return do_once(work)


@blueprint.post("/reanalyses", summary="Read messages again", responses={200: ReanalysisAnswer})
def read_messages(body: Reanalysis) -> Response:
    """Each as it stood when it was written; those of other tenants and those without words are left out. For supervisors and admins."""
    who = caller()

    def work(conn: Connection) -> ReanalysisAnswer:
        ids = [str(one) for one in body.message_ids]
        begun = label_deeds.reanalyze(conn, who.tenant_id, ids, until_now=False, by=who.actor)
        return ReanalysisAnswer(begun=begun.message_ids, under_way=begun.under_way)

    return do_once(work)


@blueprint.get("/reanalyses", summary="See how far readings are", responses={200: PassProgress})
def read_progress(query: ReanalysisQuery) -> Response:
    """Of these messages; those that the tenant does not have are left out."""
    who = caller()
    with database().tenant_transaction(who.tenant_id) as conn:
        found = list_passes(conn, who.tenant_id, query.message_ids.split(","))
    messages = [PassAnswer(**vars(one)) for one in found]
    body = PassProgress(total=len(messages), left=sum(one.is_open for one in messages), messages=messages)
    return answer(body.model_dump(mode="json"))
