"""/privacy and /egress: what leaves, what never does, and the ledger of everything that left."""

from datetime import datetime
from typing import Self

from flask import Response
from pydantic import AwareDatetime, BaseModel, Field

from console.api.callers import caller
from console.api.cursors import read_id, write_cursor
from console.api.paths import new_blueprint
from console.api.problems import not_found
from console.api.requests import EgressPath, PageQuery
from console.api.writing import answer, database
from console.privacy_facts import tell_facts
from store.conversation_events import add_access
from store.egress_ledger import LedgerRow, find_entry, search_ledger
from store.tenants import get_tenant_config

blueprint = new_blueprint("privacy", __name__)


class PromiseAnswer(BaseModel):
    """One term of the provider's, in our words, and where it stands."""

    text: str
    source: str


class PrivacyAnswer(BaseModel):
    """In sentences, as the privacy page has them. context_turns: how many messages before it go along with one."""

    leaves: list[str]
    context_turns: int
    never_leaves: list[str]
    known_to_be_missed: str
    kept: list[str]
    provider_terms: list[PromiseAnswer]
    note: str


class EgressQuery(PageQuery):
    """message_id: only calls about this message. since: from then on. until: before then."""

    message_id: str | None = Field(default=None, pattern=r"^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$")
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None


class EgressAnswer(BaseModel):
    """One call that left, without its text. message_id: None for words that somebody tried in the laboratory."""

    id: str
    created_at: datetime
    message_id: str | None
    purpose: str
    provider: str
    model: str
    prompt_version: str
    prompt_hash: str
    outcome: str | None
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    cost_microusd: int | None
    latency_ms: int | None

    @classmethod
    def of(cls, row: LedgerRow) -> Self:
        """From the stored row."""
        return cls(**vars(row))


class EgressPage(BaseModel):
    """A page of the ledger, newest first. next_cursor: None on the last one."""

    calls: list[EgressAnswer]
    next_cursor: str | None


class EgressEntry(BaseModel):
    """One call with its text, exactly as it left; erased when its message was."""

    call: EgressAnswer
    conversation_id: str | None
    text: str


@blueprint.get("/privacy", summary="Read what leaves and what never does", responses={200: PrivacyAnswer})
def read_facts() -> Response:
    """And how long it is kept, and what the AI provider promises. For supervisors, admins and auditors."""
    who = caller()
    with database().tenant_transaction(who.tenant_id) as conn:
        tenant = get_tenant_config(conn, who.tenant_id)
    facts = tell_facts(str, batches=tenant.sweep.batches, retention=tenant.retention)
    body = PrivacyAnswer(
        leaves=facts.leaves,
        context_turns=tenant.context_turns,
        never_leaves=facts.never_leaves,
        known_to_be_missed=facts.missed,
        kept=facts.kept,
        provider_terms=[PromiseAnswer(**vars(one)) for one in facts.terms],
        note=facts.in_our_words,
    )
    return answer(body.model_dump(mode="json"))


@blueprint.get("/egress", summary="Search what left for the AI provider", responses={200: EgressPage})
def list_calls(query: EgressQuery) -> Response:
    """Newest first, without the text: page through it for an export. For supervisors, admins and auditors."""
    who = caller()
    before = read_id(query.cursor)
    with database().tenant_transaction(who.tenant_id) as conn:
        found = search_ledger(
            conn,
            who.tenant_id,
            message_id=query.message_id,
            since=query.since,
            until=query.until,
            before_id=before,
            limit=query.limit + 1,
        )
    page = found[: query.limit]
    more = write_cursor((page[-1].id,)) if len(found) > query.limit else None
    body = EgressPage(calls=[EgressAnswer.of(one) for one in page], next_cursor=more)
    return answer(body.model_dump(mode="json"))


@blueprint.get("/egress/<egress_id>", summary="Read exactly what left in one call", responses={200: EgressEntry})
def read_call(path: EgressPath) -> Response:
    """With its text. That it was read, and by whom, is kept. For supervisors, admins and auditors."""
    who = caller()
    with database().tenant_transaction(who.tenant_id) as conn:
        found = find_entry(conn, who.tenant_id, str(path.egress_id))
        if found is None:
            raise not_found("a call")
        if found.conversation_id:
            add_access(conn, who.tenant_id, found.conversation_id, actor=who.actor, messages=1)
    body = EgressEntry(call=EgressAnswer.of(found.row), conversation_id=found.conversation_id, text=found.user_turn)
    return answer(body.model_dump(mode="json"))
