"""Asking the model without judging anything: written into the ledger first, paid for by the tenant, bounded in parallel."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import repeat

from analysis.base import Analysis, AnalysisError, AnalysisRequest, Analyzer, PreparedCall, Usage
from store.db import Connection
from store.trials import add_trial, settle_trial
from worker.deps import Deps

PARALLEL = 8


class TrialError(Exception):
    """A trial cannot be made; whole sentences, without customer text."""

    permanent = False


@dataclass(frozen=True)
class Question:
    """What is asked. message_id: None for words that somebody pasted. context_ids: whose words stand as context.

    model: None for the analyzer's own.
    """

    request: AnalysisRequest = field(repr=False)
    message_id: str | None
    context_ids: tuple[str, ...] = ()
    model: str | None = None


@dataclass(frozen=True)
class Recorded:
    """A question that stands in the ledger and may leave."""

    call: PreparedCall
    egress_id: str
    topics: tuple[str, ...]


@dataclass(frozen=True)
class Reply:
    """An answer, or the code of why there is none."""

    analysis: Analysis | None
    error_code: str | None
    usage: Usage

    @property
    def cost_microusd(self) -> int:
        """What the call cost."""
        return self.usage.cost_microusd


def record(
    conn: Connection, tenant_id: int, analyzer: Analyzer, questions: Sequence[Question], *, trial_id: str
) -> list[Recorded]:
    """Write questions into the ledger, in the transaction that read their words; they may leave after its commit."""
    recorded: list[Recorded] = []
    for question in questions:
        call = analyzer.prepare(question.request, model=question.model)
        egress_id = add_trial(
            conn,
            tenant_id,
            call,
            trial_id=trial_id,
            message_id=question.message_id,
            context_ids=question.context_ids,
        )
        recorded.append(Recorded(call, egress_id, tuple(question.request.topics)))
    return recorded


def refuse_while_paused(deps: Deps, *models: str) -> None:
    """Before anything is written down. Raises: TrialError while nobody calls one of these models."""
    wait_s = max(deps.provider_gate.wait_s(model) for model in set(models))
    if wait_s > 0:
        raise TrialError(f"the model is paused or busy for the next {wait_s:.0f} s; try again then")


def ask(deps: Deps, tenant_id: int, analyzer: Analyzer, recorded: Sequence[Recorded]) -> list[Reply]:
    """The replies in the same order. Raises: TrialError when the provider is down, after the ledger says what became of all."""
    if not recorded:
        return []
    with ThreadPoolExecutor(max_workers=PARALLEL) as pool:
        asked = list(pool.map(_ask_one, repeat(analyzer), recorded))
    for one, (analysis, failure, _) in zip(recorded, asked, strict=True):
        if failure:
            deps.provider_gate.note_failure(one.call.model, failure)
        elif analysis:
            deps.provider_gate.note_answer(one.call.model, requests_per_min=analysis.requests_per_min)
    with deps.database.tenant_transaction(tenant_id) as conn:
        for one, (analysis, failure, latency_ms) in zip(recorded, asked, strict=True):
            settle_trial(
                conn,
                tenant_id,
                one.egress_id,
                outcome=failure.code if failure else "answered",
                usage=_usage(analysis, failure),
                request_id=analysis.request_id if analysis else failure.request_id if failure else None,
                latency_ms=latency_ms,
            )
    down = next((failure for _, failure, _ in asked if failure and failure.provider_down), None)
    if down:
        raise TrialError(f"the model cannot be asked now ({down.code}); try again later") from None
    return [
        Reply(analysis, failure.code if failure else None, _usage(analysis, failure)) for analysis, failure, _ in asked
    ]


def _ask_one(analyzer: Analyzer, one: Recorded) -> tuple[Analysis | None, AnalysisError | None, int]:
    started = time.monotonic()
    analysis, failure = None, None
    try:
        analysis = analyzer.analyze(one.call, topics=one.topics)
    except AnalysisError as error:
        failure = error
    return analysis, failure, int((time.monotonic() - started) * 1000)


def _usage(analysis: Analysis | None, failure: AnalysisError | None) -> Usage:
    return analysis.usage if analysis else (failure.usage if failure else None) or Usage()
