"""A call to the model: what was claimed for it, asking, and what it came to."""

import time
from dataclasses import dataclass, field

import structlog

from analysis.base import Analysis, AnalysisError, Analyzer, PreparedCall, Usage
from config.crash_points import crash_point
from config.tracing import span
from store.analyses import CallEnd, settle_counted_call
from store.db import Connection, StoreError
from store.messages import StoredMessage
from store.runs import RunRef, wake_waiting
from worker.analysis_request import BuiltRequest
from worker.deps import Deps

PROVIDER_PAUSED = "provider_paused"

log = structlog.get_logger()


@dataclass(frozen=True)
class ClaimedCall:
    """A message that is ours to ask about, and the call to make."""

    call: PreparedCall
    egress_id: str
    lease_token: str
    built: BuiltRequest
    message: StoredMessage = field(repr=False)


@dataclass(frozen=True)
class Answer:
    """What a call came to: an analysis or a failure."""

    call: PreparedCall
    analysis: Analysis | None
    failure: AnalysisError | None
    latency_ms: int

    @property
    def usage(self) -> Usage | None:
        """What it cost, as far as that is known."""
        return self.analysis.usage if self.analysis else self.failure.usage if self.failure else None

    @property
    def request_id(self) -> str | None:
        """The provider's id of the call."""
        return self.analysis.request_id if self.analysis else self.failure.request_id if self.failure else None


def ask(deps: Deps, analyzer: Analyzer, call: PreparedCall, *, topics: dict[str, str]) -> Answer:
    """Make the call, and tell the gate what it says about calls to come. Never raises for a failed one."""
    with span("model_call", model=call.model) as here:
        answer = _ask(deps, analyzer, call, topics=topics)
        usage = answer.usage
        here.note(outcome=answer.failure.code if answer.failure else "answered")
        if usage:
            here.note(
                input_tokens=usage.input_tokens,
                output_tokens=usage.output_tokens,
                cached_tokens=usage.cached_tokens,
                cost_microusd=usage.cost_microusd,
            )
        return answer


def _ask(deps: Deps, analyzer: Analyzer, call: PreparedCall, *, topics: dict[str, str]) -> Answer:
    started = time.monotonic()
    analysis: Analysis | None = None
    failure: AnalysisError | None = None
    try:
        crash_point("analyze.before_call")
        analysis = analyzer.analyze(call, topics=tuple(topics))
        crash_point("analyze.after_call")
    except AnalysisError as error:
        failure = error
        is_back = deps.provider_gate.note_failure(call.model, error)
    else:
        is_back = deps.provider_gate.note_answer(call.model, requests_per_min=analysis.requests_per_min)
    if is_back:
        _wake_all(deps)
    return Answer(call, analysis, failure, int((time.monotonic() - started) * 1000))


def _wake_all(deps: Deps) -> None:
    """The provider is back: what waited for it is due now, urgent words first. The reconciler rings in portions."""
    try:
        with deps.database.system_transaction() as conn:
            woken = wake_waiting(conn, because=PROVIDER_PAUSED)
    except StoreError as error:  # they come by themselves, only later
        log.warning("not_woken", code=error.code)
    else:
        log.info("provider_is_back", runs=woken)


def settle_call(conn: Connection, ref: RunRef, egress_id: str, answer: Answer, *, outcome: str) -> None:
    """Write into the ledger what became of a call and what it cost. outcome: as for `settle_egress`."""
    settle_counted_call(conn, ref.tenant_id, egress_id, call_end(answer, outcome=outcome))


def call_end(answer: Answer, *, outcome: str) -> CallEnd:
    """What the ledger keeps of it."""
    return CallEnd(outcome, answer.usage, answer.request_id, answer.latency_ms)
