"""What the parts of a sweep's turn share: who does it, how words are claimed and how an answer is stored."""

import hashlib
import math
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property

from analysis.base import CUT_OFF, Analysis, AnalysisError, Analyzer, PreparedCall
from analysis.schema import SCHEMA_VERSION
from config.industries import load_industry
from config.tenant import TenantConfig
from store.analyses import NewAnalysis, Provenance, add_analysis, add_egress, count_unknown_topics, settle_egress
from store.db import Connection
from store.examples import PublishedExamples
from store.messages import get_message
from store.runs import RunRef
from store.spend import add_bulk_spend
from store.sweep_items import (
    Claim,
    SweepItem,
    claim_item,
    find_newest_analysis,
    find_sent_prompt,
    settle_item,
    try_again,
)
from store.sweep_leases import holds_sweep_lease
from store.sweeps import Sweep, get_sweep, note_outage, pause_sweep
from worker.analysis_request import build_request
from worker.deps import Deps
from worker.lanes import in_work

OVER_BUDGET = "budget"


class LeaseLost(Exception):
    """Another worker has the sweep."""


class Outage(Exception):
    """The provider does not do it now; no item is to blame. permanent: asking again in the same way is of no use."""

    def __init__(self, code: str, *, permanent: bool, retry_after_s: float | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.permanent = permanent
        self.retry_after_s = retry_after_s

    @classmethod
    def of(cls, error: AnalysisError) -> "Outage":
        """The outage behind an analyzer's error."""
        return cls(error.code, permanent=error.permanent, retry_after_s=error.retry_after_s)


@dataclass(frozen=True)
class SweepTurn:
    """One worker's turn at one sweep."""

    deps: Deps
    analyzer: Analyzer
    tenant_id: int
    tenant: TenantConfig
    sweep_id: str
    lease_token: str

    def transaction(self) -> AbstractContextManager[Connection]:
        """One that acts for the tenant, behind what the process has in work of live messages."""
        in_work.let_others_go_first()
        return self.deps.database.tenant_transaction(self.tenant_id)

    @cached_property
    def topics(self) -> tuple[str, ...]:
        """The names that answers may use."""
        return tuple({**load_industry(self.tenant.industry).all_topics(), **self.tenant.topics})

    @property
    def model(self) -> str:
        """The model that the tenant's messages are read by."""
        return self.tenant.model.default or self.analyzer.model

    def look(self) -> Sweep:
        """The sweep as it is now. Raises: LeaseLost."""
        with self.transaction() as conn:
            self.check_lease(conn)
            return get_sweep(conn, self.sweep_id)

    def check_lease(self, conn: Connection) -> None:
        """Raises: LeaseLost when another worker has the sweep."""
        if not holds_sweep_lease(conn, self.sweep_id, lease_token=self.lease_token):
            raise LeaseLost

    def pause_for_budget(self) -> None:
        """What comes next would cost more than the sweep may."""
        with self.transaction() as conn:
            pause_sweep(conn, self.sweep_id, reason=OVER_BUDGET)

    def note_success(self, sweep: Sweep) -> None:
        """The provider answers again."""
        if sweep.error_code:
            with self.transaction() as conn:
                note_outage(conn, self.sweep_id, error_code=None)


def affordable(sweep: Sweep, *, answered: int, committed_microusd: int = 0) -> float:
    """How many more messages the budget allows. committed: for what is under way.

    By the plan's price, or by what the answered ones have cost so far when that is more.
    """
    left = sweep.budget_microusd - sweep.spent_microusd - committed_microusd
    each = max(sweep.microusd_per_message, sweep.spent_microusd / answered if answered else 0.0)
    return math.inf if each <= 0 else max(math.floor(left / each), 0)


def claim_words(
    conn: Connection,
    turn: SweepTurn,
    item: SweepItem,
    *,
    batch_id: str | None = None,
    examples: PublishedExamples | None = None,
) -> PreparedCall | None:
    """Write down what is about to leave for a waiting item. None, and the item is settled, when nothing may leave.

    The item is locked, and its context shared (see store.messages.share_context).
    """
    try:
        message = get_message(conn, item.message_id)
    except LookupError:
        settle_item(conn, item.id, state="skipped", error_code="gone")
        return None
    if message.state == "erased":
        settle_item(conn, item.id, state="skipped", error_code="erased")
        return None
    if message.minimized_text is None or message.joined_to or message.conversation_id is None:
        # It was edited, or joined to a later message: another pass judges its words of now.
        settle_item(conn, item.id, state="skipped", error_code="judged_elsewhere")
        return None
    built = build_request(conn, message, tenant_id=turn.tenant_id, tenant=turn.tenant, examples=examples)
    call = turn.analyzer.prepare(built.request, with_room=item.error_code == CUT_OFF, model=turn.model)
    ref = RunRef(turn.tenant_id, item.message_id, item.run_id)
    egress_id = add_egress(conn, ref, call, context_ids=built.context_ids, purpose="sweep")
    sent_hash = hashlib.sha256(call.user_turn.encode()).digest()
    lease_token = None if batch_id else turn.lease_token
    claim_item(conn, item.id, Claim(egress_id, sent_hash, message.edits, lease_token=lease_token, batch_id=batch_id))
    return call


def settle_answer(
    conn: Connection,
    turn: SweepTurn,
    item: SweepItem,
    answer: Analysis | AnalysisError,
    *,
    latency_ms: int | None = None,
    counts_as_try: bool = True,
) -> int:
    """Store what came back for a locked item that is under way. Returns what it cost, in millionths of a dollar.

    Its context is shared. An answer to words that were erased or edited meanwhile is not kept.
    """
    assert item.egress_id is not None
    outcome = "answered"
    if isinstance(answer, AnalysisError):
        outcome = answer.code
        if answer.permanent:
            settle_item(conn, item.id, state="failed", error_code=answer.code)
        else:
            try_again(conn, item, error_code=answer.code, counts=counts_as_try and not answer.provider_down)
    elif not _keep(conn, turn, item, answer, latency_ms=latency_ms):
        outcome = "answered_too_late"
        settle_item(conn, item.id, state="dropped", error_code="words_changed")
    settle_egress(
        conn,
        item.egress_id,
        outcome=outcome,
        usage=answer.usage,
        request_id=answer.request_id,
        latency_ms=latency_ms,
    )
    cost_microusd = answer.usage.cost_microusd if answer.usage else 0
    add_bulk_spend(conn, turn.tenant_id, cost_microusd=cost_microusd)
    return cost_microusd


def _keep(conn: Connection, turn: SweepTurn, item: SweepItem, analysis: Analysis, *, latency_ms: int | None) -> bool:
    """Append the analysis. False when the words it is about no longer stand."""
    sent = find_sent_prompt(conn, item.id)
    if sent is None:
        return False
    before = find_newest_analysis(conn, item.message_id)
    analysis_id = add_analysis(
        conn,
        RunRef(turn.tenant_id, item.message_id, item.run_id),
        NewAnalysis(
            answer=analysis.answer.model_dump(mode="json"),
            run_kind="sweep",
            analyzer=analysis.analyzer,
            model=analysis.model,
            prompt_version=sent.prompt_version,
            prompt_hash=sent.prompt_hash,
            provenance=Provenance(
                model_asked=sent.model,
                schema_version=SCHEMA_VERSION,
                minimizer_version=sent.minimizer_version,
                request_id=analysis.request_id,
                input_tokens=analysis.usage.input_tokens,
                output_tokens=analysis.usage.output_tokens,
                cached_tokens=analysis.usage.cached_tokens,
                cost_microusd=analysis.usage.cost_microusd,
                latency_ms=latency_ms,
            ),
        ),
    )
    count_unknown_topics(conn, turn.tenant_id, analysis.unknown_topics)
    settle_item(conn, item.id, state="done", analysis_id=analysis_id, before_analysis_id=before)
    return True
