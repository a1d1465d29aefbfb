"""The prompt laboratory: what messages would mean with other topics, thresholds, examples or another model, before it is live.

Nothing is judged: no analysis, no decision and no action is stored. What leaves the building stands in the ledger, as 'trial'.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from analysis.base import AnalysisRequest, Analyzer
from analysis.lexicon import floor_hits
from analysis.minimize import minimize
from config.industries import load_industry
from config.tenant import TenantConfig
from config.topics import find_twin
from routing.playbooks import policy_for
from routing.rules import RoutingFacts, decide
from store.analyses import StoredAnalysis
from store.customers import lock_conversation
from store.db import Connection
from store.effective_labels import ModelReading, find_model_reading
from store.example_candidates import list_judged
from store.examples import PublishedExamples, add_proposal, find_snapshot, get_published_examples, lock_snapshots
from store.messages import get_message, list_burst_parts, share_contexts
from store.trials import can_be_tried, forget_old_pasted_words
from worker.analysis_request import build_request, request_for_words
from worker.decision_facts import build_facts, with_label
from worker.deps import Deps
from worker.examples import choose_examples
from worker.trials import Question, Recorded, Reply, TrialError, ask, record, refuse_while_paused

MAX_MESSAGES = 50


@dataclass(frozen=True)
class LabSetup:
    """What is to be tried; None leaves what is live.

    topics: instead of the tenant's own, on top of the template's. examples: a version, "none" or "proposed".
    rules: a version of the global rules.
    """

    topics: Mapping[str, str] | None = None
    industry: str | None = None
    tone: str | None = None
    examples: str | None = None
    model: str | None = None
    rules: str | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict[str, float])

    @property
    def asks_differently(self) -> bool:
        """Whether the model is told something else than live. Thresholds alone need no call."""
        changes = (self.topics, self.industry, self.tone, self.examples, self.model, self.rules)
        return any(change is not None for change in changes)


@dataclass(frozen=True)
class LabReading:
    """What one side says of a message.

    prompt: version and model. error_code: why there is no reading. is_stored: it is the stored analysis, at no cost.
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


def tried_config(tenant: TenantConfig, setup: LabSetup) -> TenantConfig:
    """The tenant's configuration with what is to be tried, checked as a tenant file is. Raises: TrialError."""
    document: dict[str, Any] = tenant.model_dump(mode="json", exclude={"channels", "crm"})
    if setup.topics is not None:
        document["topics"] = dict(setup.topics)
    if setup.industry is not None:
        document["industry"] = setup.industry
    if setup.tone is not None:
        document["tone"] = setup.tone
    document["model"] = {
        **document["model"],
        **{name: value for name, value in (("default", setup.model), ("rules", setup.rules)) if value is not None},
    }
    document["thresholds"] = {**document["thresholds"], **setup.thresholds}
    try:
        config = TenantConfig.model_validate(document)
    except ValidationError as error:
        problems = [
            f"{'.'.join(str(part) for part in item['loc'] if part != '[key]')}: {item['msg'].removeprefix('Value error, ')}"
            for item in error.errors(include_input=False, include_url=False, include_context=False)
        ]
        raise TrialError("; ".join(problems)) from None
    known = tuple(load_industry(config.industry).all_topics())
    for number, name in enumerate(config.topics):
        twin = find_twin(name, (*known, *tuple(config.topics)[:number]))
        if twin:
            raise TrialError(f'topics.{name}: reads like "{twin}"; use that name, or one that differs more')
    return config


@dataclass(frozen=True)
class _Subject:
    """A message in the laboratory. stored: what stands there already. facts: what routing looks at beside the label."""

    message_id: str | None
    live_request: AnalysisRequest
    trial_request: AnalysisRequest
    context_ids: tuple[str, ...]
    stored: ModelReading | None
    facts: RoutingFacts


@dataclass(frozen=True)
class _Read:
    """A reading before routing has decided about it. analysis: None when there is no answer."""

    analysis: StoredAnalysis | None
    prompt: str
    cost_microusd: int = 0
    error_code: str | None = None
    is_stored: bool = False


def run_lab(
    deps: Deps, tenant_id: int, *, setup: LabSetup, texts: Sequence[str] = (), message_ids: Sequence[str] = ()
) -> list[LabRow]:
    """Both sides of every message, stored ones first. Raises: TrialError."""
    if not 0 < len(texts) + len(message_ids) <= MAX_MESSAGES:
        raise TrialError(f"give 1 to {MAX_MESSAGES} messages")
    tenant = deps.tenants.get(tenant_id)
    tried = tried_config(tenant, setup)
    analyzer = deps.analyzer
    if analyzer is None:
        raise TrialError("no model is configured (ANTHROPIC_API_KEY), so nothing can be tried")
    refuse_while_paused(deps, *(config.model.default or analyzer.model for config in (tenant, tried)))
    trial_id = str(uuid.uuid4())
    with deps.database.tenant_transaction(tenant_id) as conn:
        drawn_from = [one.message_id for one in list_judged(conn, tenant_id)] if setup.examples == "proposed" else []
        share_contexts(conn, [*drawn_from, *filter(_is_uuid, message_ids)])
        forget_old_pasted_words(conn, tenant_id)
        room = _Room(conn, tenant_id, (tenant, tried), _examples(conn, tenant_id, tenant=tenant, setup=setup))
        subjects = [*map(room.take_stored, message_ids), *map(room.take_pasted, texts)]
        live_calls = {
            number: record(conn, tenant_id, analyzer, [_question(one, one.live_request, tenant)], trial_id=trial_id)[0]
            for number, one in enumerate(subjects)
            if one.stored is None
        }
        trial_calls = {
            number: record(conn, tenant_id, analyzer, [_question(one, one.trial_request, tried)], trial_id=trial_id)[0]
            for number, one in enumerate(subjects)
            if setup.asks_differently
        }
    live_reads = _ask(deps, tenant_id, analyzer, live_calls)
    trial_reads = _ask(deps, tenant_id, analyzer, trial_calls)
    rows: list[LabRow] = []
    for number, one in enumerate(subjects):
        live = live_reads.get(number) or _stored_read(one)
        # What is not asked differently is read once; the second side costs nothing.
        trial = trial_reads.get(number) or replace(live, cost_microusd=0)
        rows.append(
            LabRow(
                one.message_id,
                one.live_request.text,
                _route(one, live, config=tenant),
                _route(one, trial, config=tried),
            )
        )
    return rows


def _question(one: _Subject, request: AnalysisRequest, config: TenantConfig) -> Question:
    return Question(request, one.message_id, one.context_ids, model=config.model.default)


def _ask(deps: Deps, tenant_id: int, analyzer: Analyzer, calls: Mapping[int, Recorded]) -> dict[int, _Read]:
    replies = ask(deps, tenant_id, analyzer, list(calls.values()))
    return {number: _read(recorded, reply) for (number, recorded), reply in zip(calls.items(), replies, strict=True)}


def _read(recorded: Recorded, reply: Reply) -> _Read:
    prompt = f"{recorded.call.prompt_version} {recorded.call.model}"
    if reply.analysis is None:
        return _Read(None, prompt, reply.cost_microusd, reply.error_code)
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
    return _Read(analysis, prompt, reply.cost_microusd)


def _stored_read(one: _Subject) -> _Read:
    assert one.stored is not None  # everything else was asked
    return _Read(one.stored.analysis, f"{one.stored.prompt_version} {one.stored.model}", is_stored=True)


def _route(one: _Subject, read: _Read, *, config: TenantConfig) -> LabReading:
    analysis = read.analysis
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
        cost_microusd=read.cost_microusd,
        error_code=read.error_code,
        is_stored=read.is_stored,
    )


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def _examples(
    conn: Connection, tenant_id: int, *, tenant: TenantConfig, setup: LabSetup
) -> tuple[PublishedExamples, PublishedExamples]:
    """The live examples and those to be tried. Raises: TrialError."""
    live = get_published_examples(conn, tenant_id)
    if setup.examples is None:
        return live, live
    if setup.examples == "none":
        return live, PublishedExamples()
    version = _proposed(conn, tenant_id, tenant=tenant, live=live) if setup.examples == "proposed" else setup.examples
    snapshot = find_snapshot(conn, tenant_id, version=int(version)) if str(version).isdecimal() else None
    if snapshot is None:
        raise TrialError(
            f'examples: there is no version {setup.examples}; give the number of one, "none" or "proposed"'
        )
    return live, snapshot.as_published()


def _proposed(conn: Connection, tenant_id: int, *, tenant: TenantConfig, live: PublishedExamples) -> int:
    lock_snapshots(conn, tenant_id)
    choice = choose_examples(conn, tenant_id, tenant=tenant)
    if not choice.chosen:
        raise TrialError("examples: the corrections give no example yet, so nothing is proposed")
    return add_proposal(conn, tenant_id, choice.chosen, based_on=live.version)


@dataclass(frozen=True)
class _Room:
    """What messages are brought into. configs and examples: live, tried."""

    conn: Connection
    tenant_id: int
    configs: tuple[TenantConfig, TenantConfig]
    examples: tuple[PublishedExamples, PublishedExamples]

    def take_stored(self, message_id: str) -> _Subject:
        """A message of the tenant with the context it had. Raises: TrialError."""
        conn = self.conn
        if not _is_uuid(message_id) or not can_be_tried(conn, self.tenant_id, message_id):
            raise TrialError(f"this tenant has no message {message_id[:40]} whose words could be read")
        message = get_message(conn, message_id)
        assert message.conversation_id is not None
        live, trial = (
            build_request(conn, message, tenant_id=self.tenant_id, tenant=config, examples=examples)
            for config, examples in zip(self.configs, self.examples, strict=True)
        )
        parts = [part.text for part in list_burst_parts(conn, message.id) if part.text]
        facts = build_facts(
            message=message,
            conversation=lock_conversation(conn, message.conversation_id),
            tenant=self.configs[0],
            analysis=None,
            outcome=None,
            words="\n".join([*parts, message.text or ""]),
            allow_actions=True,
            recent_actions={},
        )
        stored = find_model_reading(conn, message_id)
        return _Subject(message_id, live.request, trial.request, live.context_ids, stored, facts)

    def take_pasted(self, text: str) -> _Subject:
        """Words that somebody pasted: stripped like a message, without context, as if sent directly. Raises: TrialError."""
        if not text.strip():
            raise TrialError("there are no words in a pasted message")
        words = minimize(text, region=self.configs[0].default_region).text
        live, trial = (
            request_for_words(words, config, examples)
            for config, examples in zip(self.configs, self.examples, strict=True)
        )
        facts = RoutingFacts(
            outcome="unanalyzed", surface="dm", floor_hits=floor_hits(text, own=self.configs[0].floor.groups())
        )
        return _Subject(None, live, trial, (), None, facts)
