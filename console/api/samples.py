"""/samples: the weekly random sample that people confirm or correct; accuracy is measured on it."""

from flask import Response

from console.api.callers import caller
from console.api.cursors import read_id, write_cursor
from console.api.label_answers import (
    JudgedAnswer,
    Judgement,
    SampleAnswer,
    SamplePage,
    SampleQuery,
    WeekAnswer,
)
from console.api.paths import new_blueprint
from console.api.problems import Problem
from console.api.requests import MessagePath
from console.api.writing import answer, database, do_once
from console.label_deeds import Saying, judge_sampled
from store.corrections import CorrectionError
from store.db import Connection
from store.message_places import note_reading
from store.sample_desk import list_sampled, list_weeks
from store.tenants import get_tenant_config

blueprint = new_blueprint("samples", __name__)
WEEKS = 12


@blueprint.get("/samples", summary="List the weekly sample", responses={200: SamplePage})
def list_all(query: SampleQuery) -> Response:
    """With the words of each message; that they were read, and by whom, is kept."""
    who, after = caller(), read_id(query.cursor)
    with database().tenant_transaction(who.tenant_id) as conn:
        found = list_sampled(conn, who.tenant_id, judged=query.state == "judged", after=after, limit=query.limit + 1)
        page = found[: query.limit]
        note_reading(conn, who.tenant_id, [one.message_id for one in page], actor=who.actor)
        weeks = list_weeks(conn, who.tenant_id, limit=WEEKS)
    body = SamplePage(
        weeks=[WeekAnswer.of(one) for one in weeks],
        messages=[SampleAnswer.of(one) for one in page],
        next_cursor=write_cursor((page[-1].message_id,)) if len(found) > query.limit else None,
    )
    return answer(body.model_dump(mode="json"))


@blueprint.post("/samples/<message_id>/judge", summary="Judge a sampled message", responses={200: JudgedAnswer})
def judge(path: MessagePath, body: Judgement) -> Response:
    """What differs from the label becomes a correction like any other. A colleague's judgement is changed only by whoever has seen it."""
    who = caller()

    def work(conn: Connection) -> JudgedAnswer:
        said = Saying(body.sentiment, body.intent, body.topics, body.seen_judged_at)
        try:
            sampled, wrong = judge_sampled(
                conn,
                who.tenant_id,
                str(path.message_id),
                said,
                tenant=get_tenant_config(conn, who.tenant_id),
                by=who.actor,
            )
        except CorrectionError as error:
            raise Problem(422, "invalid_value", field=error.field, fix=str(error)) from None
        return JudgedAnswer(**SampleAnswer.of(sampled).model_dump(), wrong=list(wrong))

    return do_once(work)
