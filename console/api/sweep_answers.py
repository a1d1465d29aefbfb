"""Sweeps as JSON. Money in US dollars."""

from collections.abc import Sequence
from datetime import datetime
from typing import Self

from pydantic import BaseModel

from console.sweep_deeds import Progress
from store.sweep_report import LabelPair
from worker.sweep_flips import Flip, FlipReport
from worker.sweep_plan import MICROUSD, SweepPlan


class SweepPlanAnswer(BaseModel):
    """A sweep before it runs. cost_usd: None where the model's price is not known here."""

    messages: int
    customers: int
    days: int
    model: str
    batches: bool
    cost_usd: float | None
    seconds: int
    budget_usd: float
    is_over_budget: bool
    approve_labels: bool
    running: str | None

    @classmethod
    def of(cls, plan: SweepPlan, *, running: str | None) -> Self:
        """running: the period of a sweep that stands in its way."""
        options = plan.options
        return cls(
            messages=plan.messages,
            customers=plan.customers,
            days=options.days,
            model=plan.model,
            batches=options.batches,
            cost_usd=plan.cost_microusd / MICROUSD if plan.has_price else None,
            seconds=plan.seconds,
            budget_usd=options.budget_microusd / MICROUSD,
            is_over_budget=plan.cost_microusd > options.budget_microusd,
            approve_labels=options.approve_labels,
            running=running,
        )


class SweepAnswer(BaseModel):
    """A sweep and how it goes. left_out: taken back, changed or cancelled. left_s: seconds to its end, None when it does not run.

    errors: why messages were not judged, by code.
    """

    id: str
    period: str
    state: str
    reason: str | None
    error_code: str | None
    messages: int
    done: int
    failed: int
    left_out: int
    remaining: int
    left_s: int | None
    spent_usd: float
    planned_usd: float
    budget_usd: float
    waits_for_approval: bool
    errors: dict[str, int]
    created_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, one: Progress) -> Self:
        """With what became of its messages."""
        sweep = one.sweep
        return cls(
            id=sweep.id,
            period=sweep.period,
            state=sweep.state,
            reason=sweep.reason,
            error_code=sweep.error_code,
            messages=sweep.messages,
            done=one.done,
            failed=one.failed,
            left_out=one.left_out,
            remaining=one.remaining,
            left_s=one.left_s,
            spent_usd=sweep.spent_microusd / MICROUSD,
            planned_usd=sweep.estimated_microusd / MICROUSD,
            budget_usd=sweep.budget_microusd / MICROUSD,
            waits_for_approval=sweep.waits_for_approval and sweep.finished_at is not None,
            errors=one.errors,
            created_at=sweep.created_at,
            finished_at=sweep.finished_at,
        )


class SweepPage(BaseModel):
    """A page of sweeps, newest first. next_cursor: None on the last one."""

    sweeps: list[SweepAnswer]
    next_cursor: str | None


class PairAnswer(BaseModel):
    """So many messages had `old` before the sweep and have `new` now."""

    old: str
    new: str
    messages: int


class TopicChange(BaseModel):
    """How many messages gained and lost a topic."""

    gained: int
    lost: int


class FlipAnswer(BaseModel):
    """A message whose label changed. causes: prompt, model, examples, topics, words, or noise. No customer text."""

    message_id: str
    conversation_id: str | None
    old_sentiment: str
    new_sentiment: str
    new_score: float
    old_intent: str
    new_intent: str
    old_topics: list[str]
    new_topics: list[str]
    changed: list[str]
    causes: list[str]

    @classmethod
    def of(cls, flip: Flip, conversation_id: str | None) -> Self:
        """conversation_id: where the message stands."""
        return cls(
            message_id=flip.message_id,
            conversation_id=conversation_id,
            old_sentiment=flip.old_sentiment,
            new_sentiment=flip.new_sentiment,
            new_score=flip.new_score,
            old_intent=flip.old_intent,
            new_intent=flip.new_intent,
            old_topics=list(flip.old_topics),
            new_topics=list(flip.new_topics),
            changed=list(flip.changed),
            causes=list(flip.causes),
        )


class FlipPage(BaseModel):
    """What a sweep changed, and a page of the messages. sentiments and intents hold what stayed too."""

    judged: int
    first: int
    changed: int
    sentiments: list[PairAnswer]
    intents: list[PairAnswer]
    topics: dict[str, TopicChange]
    causes: dict[str, int]
    flips: list[FlipAnswer]
    next_cursor: str | None

    @classmethod
    def of(
        cls,
        report: FlipReport,
        pairs: tuple[Sequence[LabelPair], Sequence[LabelPair]],
        *,
        flips: list[FlipAnswer],
        next_cursor: str | None,
    ) -> Self:
        """pairs: of sentiments and of intents."""
        sentiments, intents = ([PairAnswer(**vars(one)) for one in some] for some in pairs)
        return cls(
            judged=report.judged,
            first=report.first,
            changed=report.changed,
            sentiments=sentiments,
            intents=intents,
            topics={name: TopicChange(**counts) for name, counts in report.topics.items()},
            causes=report.causes,
            flips=flips,
            next_cursor=next_cursor,
        )
