"""Trials and examples as JSON. Money in US dollars."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, Field

from config.words import Surface
from console.api.requests import Strict, Text
from console.laboratory_deeds import CAP_USD, MAX_CAP_USD, MAX_WORDS_CHARS, MICROUSD, Experiment
from store.trial_records import TrialRecord
from worker.laboratory_plan import LabPlan
from worker.laboratory_room import MAX_MESSAGES, LabSetup


class TrialPath(BaseModel):
    """Which trial."""

    trial_id: UUID


class Tried(Strict):
    """What is tried; what is left out stays as it is live. examples: "none", "proposed", or a version's number.

    topics: the tenant's own, name to one-line definition. rules: a version of the global rules.
    """

    topics: dict[Text, Text] | None = Field(default=None, max_length=100)
    industry: Text | None = Field(default=None, max_length=64)
    tone: Text | None = Field(default=None, max_length=200)
    examples: Annotated[str, Field(pattern=r"^(none|proposed|[0-9]{1,9})$")] | None = None
    model: Text | None = Field(default=None, max_length=100)
    rules: Text | None = Field(default=None, max_length=20)
    thresholds: dict[Text, float] = Field(default={}, max_length=4)


class NewLabTrial(Strict):
    """texts: pasted words, stripped before they are kept or leave. max_cost_usd: nothing is asked when it may cost more."""

    texts: list[Annotated[str, Field(min_length=1, max_length=MAX_WORDS_CHARS)]] = Field(
        default=[], max_length=MAX_MESSAGES
    )
    message_ids: list[UUID] = Field(default=[], max_length=MAX_MESSAGES)
    surface: Surface = "dm"
    tried: Tried = Field(default_factory=Tried)
    max_cost_usd: float = Field(default=CAP_USD, ge=0, le=MAX_CAP_USD, allow_inf_nan=False)

    def experiment(self) -> Experiment:
        """As planning takes it."""
        return Experiment(
            LabSetup(**self.tried.model_dump()),
            self.texts,
            [str(one) for one in self.message_ids],
            self.surface,
            self.max_cost_usd,
        )


class PlannedText(BaseModel):
    """One message. live_turn, tried_turn: what would leave of it, word for word; None where nothing is asked."""

    message_id: str | None
    words: str
    live_turn: str | None
    tried_turn: str | None


class PlannedSideAnswer(BaseModel):
    """system: the instructions, in the blocks in which they are sent."""

    model: str
    prompt: str
    system: list[str]


class LabPlanAnswer(BaseModel):
    """What would leave and about what it would cost at most."""

    calls: int
    cost_usd: float
    live: PlannedSideAnswer
    tried: PlannedSideAnswer
    messages: list[PlannedText]

    @classmethod
    def of(cls, plan: LabPlan) -> Self:
        """With every text that would leave."""
        live, tried = (
            PlannedSideAnswer(model=side.model, prompt=side.prompt, system=list(side.system))
            for side in (plan.live, plan.trial)
        )
        return cls(
            calls=plan.calls,
            cost_usd=plan.cost_microusd / MICROUSD,
            live=live,
            tried=tried,
            messages=[
                PlannedText(
                    message_id=one.message_id, words=one.words, live_turn=one.live_turn, tried_turn=one.trial_turn
                )
                for one in plan.messages
            ],
        )


class LabSide(BaseModel):
    """What one side says. is_stored: the stored analysis, at no cost. egress_id: the call in the ledger. error_code: why there is no
    reading.
    """

    sentiment: str | None
    score: float | None
    intent: str | None
    topics: list[str]
    summary: str
    suggested_action: str | None
    priority: str
    queue: str
    reasons: list[str]
    actions: list[str]
    prompt: str
    input_tokens: int
    output_tokens: int
    cost_usd: float
    is_stored: bool
    error_code: str | None
    egress_id: str | None


class LabRowAnswer(BaseModel):
    """A message on both sides. words: stripped. changed: what would be different."""

    message_id: str | None
    words: str
    live: LabSide
    tried: LabSide
    changed: list[str]

    @classmethod
    def of(cls, row: dict[str, Any]) -> Self:
        """As the result holds it."""
        live, tried = (
            LabSide(**side, cost_usd=side["cost_microusd"] / MICROUSD) for side in (row["live"], row["trial"])
        )
        return cls(message_id=row["message_id"], words=row["words"], live=live, tried=tried, changed=row["changed"])


class TrialAnswer(BaseModel):
    """A trial. state: planned, waiting, running, done, failed. error: why it came to nothing."""

    id: str
    state: str
    estimated_usd: float
    cost_usd: float
    error: str | None
    by: str | None
    created_at: datetime
    finished_at: datetime | None


def trial_facts(trial: TrialRecord) -> dict[str, Any]:
    """What all answers about trials tell."""
    return {
        "id": trial.id,
        "state": trial.state,
        "estimated_usd": trial.estimated_microusd / MICROUSD,
        "cost_usd": trial.cost_microusd / MICROUSD,
        "error": trial.error,
        "by": trial.by,
        "created_at": trial.created_at,
        "finished_at": trial.finished_at,
    }


class LabTrialAnswer(TrialAnswer):
    """With its rows, once it is done."""

    rows: list[LabRowAnswer]

    @classmethod
    def of(cls, trial: TrialRecord) -> Self:
        """From a trial of the laboratory."""
        rows = (trial.result or {}).get("rows", [])
        return cls(**trial_facts(trial), rows=[LabRowAnswer.of(row) for row in rows])


class LabTrialPage(BaseModel):
    """A page of trials, newest first, without their rows. next_cursor: None on the last one."""

    trials: list[TrialAnswer]
    next_cursor: str | None

    @classmethod
    def of(cls, trials: Sequence[TrialRecord], *, next_cursor: str | None) -> Self:
        """As they are listed."""
        return cls(trials=[TrialAnswer(**trial_facts(one)) for one in trials], next_cursor=next_cursor)
