"""/messages: how one was read over time, and what left for the AI provider about it."""

from dataclasses import asdict
from datetime import datetime

from flask import Response
from pydantic import BaseModel

from console.api.callers import Caller, caller
from console.api.paths import new_blueprint
from console.api.problems import not_found
from console.api.requests import MessagePath
from console.api.writing import answer, database
from store.conversation_events import add_access
from store.conversation_page import find_place
from store.db import Connection
from store.history import list_egress, list_history

blueprint = new_blueprint("messages", __name__, under="/messages/<message_id>")


class AnalysisAnswer(BaseModel):
    """One reading of a message. run_kind: initial, reanalyze or sweep. escalated_from: the model whose reading was not sure enough.
    cost_microusd: of this call, in millionths of a dollar. summary: "" when it was erased.
    """

    analyzed_at: datetime
    run_kind: str
    provisional: bool
    sentiment: str
    score: float
    intent: str
    topics: list[str]
    suggested_action: str
    summary: str
    analyzer: str
    model_asked: str | None
    model: str
    escalated_from: str | None
    prompt_version: str
    prompt_hash: str | None
    schema_version: int | None
    minimizer_version: str | None
    examples_version: int | None
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    cost_microusd: int | None
    latency_ms: int | None


class AnalysisList(BaseModel):
    """All readings of a message, oldest first."""

    message_id: str
    analyses: list[AnalysisAnswer]


class SentCall(BaseModel):
    """One call that left. text: exactly what was sent beside the instructions of prompt_hash; erased when its message was."""

    id: str
    created_at: datetime
    purpose: str
    provider: str
    model: str
    prompt_version: str
    prompt_hash: str
    text: str
    outcome: str | None
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    cost_microusd: int | None
    latency_ms: int | None


class SentList(BaseModel):
    """Every call about a message, oldest first; none: nothing of it has left."""

    message_id: str
    calls: list[SentCall]


def _note_reading(conn: Connection, who: Caller, message_id: str) -> None:
    """That it was read, and by whom. Raises: Problem when the tenant has no such message."""
    place = find_place(conn, who.tenant_id, message_id)
    if place is None:
        raise not_found("a message")
    if place.conversation_id is not None:
        add_access(conn, who.tenant_id, place.conversation_id, actor=who.actor, messages=1)


@blueprint.get("/analyses", summary="Read how a message was read over time", responses={200: AnalysisList})
def list_analyses(path: MessagePath) -> Response:
    """Each with its label, model, instructions and cost, oldest first. That it was read, and by whom, is kept."""
    who, message_id = caller(), str(path.message_id)
    with database().tenant_transaction(who.tenant_id) as conn:
        _note_reading(conn, who, message_id)
        found = list_history(conn, who.tenant_id, message_id=message_id)
    analyses = [
        AnalysisAnswer(**{name: value for name, value in asdict(one).items() if name in AnalysisAnswer.model_fields})
        for one in found
    ]
    return answer(AnalysisList(message_id=message_id, analyses=analyses).model_dump(mode="json"))


@blueprint.get("/sent", summary="Read what was sent to the AI about a message", responses={200: SentList})
def list_sent(path: MessagePath) -> Response:
    """Word for word, after personal data was cut out. That it was read, and by whom, is kept."""
    who, message_id = caller(), str(path.message_id)
    with database().tenant_transaction(who.tenant_id) as conn:
        _note_reading(conn, who, message_id)
        found = list_egress(conn, who.tenant_id, message_id=message_id)
    calls = [
        SentCall(
            text=one.user_turn,
            **{name: value for name, value in asdict(one).items() if name in SentCall.model_fields},
        )
        for one in found
    ]
    return answer(SentList(message_id=message_id, calls=calls).model_dump(mode="json"))
