"""The prompt laboratory: what messages would mean with other topics, thresholds, examples or another model, before it is live.

Nothing is judged: no analysis, no decision and no action is stored. What leaves the building stands in the ledger, as 'trial'.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from analysis.base import AnalysisRequest, Analyzer, Usage
from analysis.lexicon import floor_hits
from config.tenant import TenantConfig
from config.words import Surface
from routing.playbooks import policy_for
from routing.rules import RoutingFacts, decide
from store.analyses import StoredAnalysis
from store.customers import lock_conversation
from store.db import Connection
from store.effective_labels import ModelReading
from store.example_candidates import list_judged
from store.messages import get_message, list_burst_parts, share_contexts
from store.trials import forget_old_pasted_words
from worker.decision_facts import build_facts, with_label
from worker.deps import Deps
from worker.laboratory_room import MAX_MESSAGES, LabSetup, Requests, Room, is_uuid, tried_config
from worker.trials import Question, Recorded, Reply, TrialError, ask, record, refuse_while_paused


@dataclass(frozen=True)
class LabReading:
    """What one side says of a message.

    prompt: version and model. error_code: why there is no reading. is_stored: it is the stored analysis, at no cost.
    input_tokens: all that the prompt had, the cached ones too. egress_id: the call in the ledger, None when there was none.
    """

    sentiment: str | None
    score: float | None
    intent: str | None
    topics: tuple[str, ...]
    suggested_action: str | None
    priority: str
    queue: str
    reasons: tuple[str, ...]
    actions: tuple[str, ...]
    prompt: str
    cost_microusd: int
    error_code: str | None
    is_stored: bool
    summary: str = field(default="", repr=False)
    input_tokens: int = 0
    output_tokens: int = 0
    egress_id: str | None = None


@dataclass(frozen=True)
class LabRow:
    """One message on both sides. words: stripped. message_id: None for pasted words."""

    message_id: str | None
    words: str = field(repr=False)
    live: LabReading
    trial: LabReading

    @property
    def changed(self) -> tuple[str, ...]:
        """What would be different."""
        names = ("sentiment", "intent", "topics", "suggested_action", "priority", "queue")
        return tuple(name for name in names if getattr(self.live, name) != getattr(self.trial, name))


@dataclass(frozen=True)
class _Subject:
    """A message in the laboratory. facts: what routing looks at beside the label."""

    requests: Requests
    facts: RoutingFacts

    @property
    def stored(self) -> ModelReading | None:
        return self.requests.stored


@dataclass(frozen=True)
class _Read:
    """A reading before routing has decided about it. analysis: None when there is no answer."""

    analysis: StoredAnalysis | None
    prompt: str
    summary: str = field(default="", repr=False)
    usage: Usage = field(default_factory=Usage)
    error_code: str | None = None
    is_stored: bool = False
    egress_id: str | None = None


def run_lab(
    deps: Deps,
    tenant_id: int,
    *,
    setup: LabSetup,
    texts: Sequence[str] = (),
    message_ids: Sequence[str] = (),
    surface: Surface = "dm",
    trial_id: str | None = None,
) -> list[LabRow]:
    """Both sides of every message, stored ones first. surface: of pasted words. trial_id: under which the calls stand in the ledger.

    Raises: TrialError.
    """
    if not 0 < len(texts) + len(message_ids) <= MAX_MESSAGES:
        raise TrialError(f"give 1 to {MAX_MESSAGES} messages")
    tenant = deps.tenants.get(tenant_id)
    tried = tried_config(tenant, setup)
    analyzer = deps.analyzer
    if analyzer is None:
        raise TrialError("no model is configured (ANTHROPIC_API_KEY), so nothing can be tried")
    refuse_while_paused(deps, *(config.model.default or analyzer.model for config in (tenant, tried)))
    trial_id = trial_id or str(uuid.uuid4())
    with deps.database.tenant_transaction(tenant_id) as conn:
        drawn_from = [one.message_id for one in list_judged(conn, tenant_id)] if setup.examples == "proposed" else []
        share_contexts(conn, [*drawn_from, *filter(is_uuid, message_ids)])
        forget_old_pasted_words(conn, tenant_id)
        room = Room.open(conn, tenant_id, tenant=tenant, setup=setup)
        subjects = [
            *(_take_stored(room, message_id) for message_id in message_ids),
            *(_take_pasted(room, text, surface=surface) for text in texts),
        ]
        live_calls = {
            number: _record(conn, tenant_id, analyzer, one, one.requests.live, config=tenant, trial_id=trial_id)
            for number, one in enumerate(subjects)
            if one.stored is None
        }
        trial_calls = {
            number: _record(conn, tenant_id, analyzer, one, one.requests.trial, config=tried, trial_id=trial_id)
            for number, one in enumerate(subjects)
            if setup.asks_differently
        }
    live_reads = _ask(deps, tenant_id, analyzer, live_calls)
    trial_reads = _ask(deps, tenant_id, analyzer, trial_calls)
    rows: list[LabRow] = []
    for number, one in enumerate(subjects):
        live = live_reads.get(number) or _stored_read(one)
        # What is not asked differently is read once; the second side costs nothing.
        trial = trial_reads.get(number) or replace(live, usage=Usage())
        rows.append(
            LabRow(
                one.requests.message_id,
                one.requests.live.text,
                _route(one, live, config=tenant),
                _route(one, trial, config=tried),
            )
        )
    return rows


def _take_stored(room: Room, message_id: str) -> _Subject:
    requests = room.stored(message_id)
    message = get_message(room.conn, message_id)
    assert message.conversation_id is not None  # else it could not be tried
    parts = [part.text for part in list_burst_parts(room.conn, message) if part.text]
    facts = build_facts(
        message=message,
        conversation=lock_conversation(room.conn, message.conversation_id),
        tenant=room.configs[0],
        analysis=None,
        outcome=None,
        words="\n".join([*parts, message.text or ""]),
        allow_actions=True,
        recent_actions={},
    )
    return _Subject(requests, facts)


def _take_pasted(room: Room, text: str, *, surface: Surface) -> _Subject:
    hits = floor_hits(text, own=room.configs[0].floor.groups())
    return _Subject(room.pasted(text), RoutingFacts(outcome="unanalyzed", surface=surface, floor_hits=hits))


def _record(
    conn: Connection,
    tenant_id: int,
    analyzer: Analyzer,
    one: _Subject,
    request: AnalysisRequest,
    *,
    config: TenantConfig,
    trial_id: str,
) -> Recorded:
    question = Question(request, one.requests.message_id, one.requests.context_ids, model=config.model.default)
    return record(conn, tenant_id, analyzer, [question], trial_id=trial_id)[0]


def _ask(deps: Deps, tenant_id: int, analyzer: Analyzer, calls: Mapping[int, Recorded]) -> dict[int, _Read]:
    replies = ask(deps, tenant_id, analyzer, list(calls.values()))
    return {number: _read(recorded, reply) for (number, recorded), reply in zip(calls.items(), replies, strict=True)}


def _read(recorded: Recorded, reply: Reply) -> _Read:
    prompt = f"{recorded.call.prompt_version} {recorded.call.model}"
    if reply.analysis is None:
        return _Read(None, prompt, usage=reply.usage, error_code=reply.error_code, egress_id=recorded.egress_id)
    answer = reply.analysis.answer
    analysis = StoredAnalysis(
        id="",
        sentiment=answer.sentiment,
        score=answer.score,
        intent=answer.intent,
        topics=list(answer.topics),
        suggested_action=answer.suggested_action,
        language=answer.language,
        signals=answer.signals.model_dump(),
    )
    return _Read(analysis, prompt, answer.summary, reply.usage, egress_id=recorded.egress_id)


def _stored_read(one: _Subject) -> _Read:
    stored = one.stored
    assert stored is not None  # everything else was asked
    return _Read(stored.analysis, f"{stored.prompt_version} {stored.model}", stored.summary, is_stored=True)


def _route(one: _Subject, read: _Read, *, config: TenantConfig) -> LabReading:
    analysis, usage = read.analysis, read.usage
    facts = with_label(one.facts, analysis) if analysis else one.facts
    decision = decide(facts, policy_for(config))
    return LabReading(
        sentiment=analysis.sentiment if analysis else None,
        score=analysis.score if analysis else None,
        intent=analysis.intent if analysis else None,
        topics=tuple(analysis.topics) if analysis else (),
        suggested_action=analysis.suggested_action if analysis else None,
        priority=decision.priority,
        queue=decision.queue,
        reasons=decision.reasons,
        actions=tuple(f"{action.kind}:{action.state}" for action in decision.actions),
        prompt=read.prompt,
        cost_microusd=usage.cost_microusd,
        error_code=read.error_code,
        is_stored=read.is_stored,
        summary=read.summary,
        input_tokens=usage.input_tokens + usage.cached_tokens + usage.cache_write_tokens,
        output_tokens=usage.output_tokens,
        egress_id=read.egress_id,
    )
