"""Trials and examples as JSON. Money in US dollars."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, Field

from analysis.examples import ChosenExample
from config.words import Surface
from console.api.requests import Body, Strict, Text
from console.example_deeds import MAX_NOTE_CHARS
from console.laboratory_deeds import CAP_USD, MAX_CAP_USD, MAX_WORDS_CHARS, MICROUSD, Experiment
from store.examples import Snapshot
from store.trial_records import TrialRecord
from worker.example_proposals import CheckCost, Proposal
from worker.laboratory_plan import LabPlan
from worker.laboratory_room import MAX_MESSAGES, LabSetup

MAX_VERSION = 2**31 - 1


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


def _facts(trial: TrialRecord) -> dict[str, Any]:
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
        return cls(**_facts(trial), rows=[LabRowAnswer.of(row) for row in rows])


class LabTrialPage(BaseModel):
    """A page of trials, newest first, without their rows. next_cursor: None on the last one."""

    trials: list[TrialAnswer]
    next_cursor: str | None

    @classmethod
    def of(cls, trials: Sequence[TrialRecord], *, next_cursor: str | None) -> Self:
        """As they are listed."""
        return cls(trials=[TrialAnswer(**_facts(one)) for one in trials], next_cursor=next_cursor)


class ScoreAnswer(BaseModel):
    """How many of n messages are judged right with the old and the new examples. lost: those that were right and are not."""

    n: int
    old: int
    new: int
    lost: list[str]


class CheckAnswer(BaseModel):
    """verdict: passed, worse, or unchecked when nobody can say. in_question: messages to correct or confirm first."""

    verdict: str
    sentence: str
    held_back: ScoreAnswer
    confirmed: ScoreAnswer
    in_question: list[str]

    @classmethod
    def of(cls, trial: TrialRecord | None) -> Self | None:
        """Of a check that is done; None for any other."""
        stored = (trial.result or {}).get("check") if trial else None
        return cls(**stored) if stored else None


class ExampleTrialAnswer(TrialAnswer):
    """A check or a publishing. kind: check, publish. version: of the proposal."""

    kind: str
    version: int
    check: CheckAnswer | None

    @classmethod
    def of(cls, trial: TrialRecord) -> Self:
        """With the check's result, once it is done."""
        version = (trial.result or trial.setup)["version"]
        return cls(**_facts(trial), kind=trial.kind, version=version, check=CheckAnswer.of(trial))


class ExampleAnswer(BaseModel):
    """An example: stripped words and what people say of them; a field that is None says nothing."""

    message_id: str
    text: str
    sentiment: str | None
    intent: str | None
    topics: list[str] | None

    @classmethod
    def of(cls, one: ChosenExample) -> Self:
        """As it stands in a prompt."""
        example = one.example
        topics = None if example.topics is None else list(example.topics)
        return cls(
            message_id=one.message_id,
            text=example.text,
            sentiment=example.sentiment,
            intent=example.intent,
            topics=topics,
        )


class ConflictAnswer(BaseModel):
    """Nearly the same words with different values of a field; messages: id to value."""

    field: str
    messages: dict[str, str]


class LeftOutAnswer(BaseModel):
    """A judged message that may be no example, and why."""

    message_id: str
    because: str


class ProposalAnswer(BaseModel):
    """What the corrections would change in the prompt. basis: to be given back when it is checked or published.

    check: None while this has not been checked. check_calls, check_usd: what checking it would take.
    """

    live_version: int
    basis: str
    added: list[ExampleAnswer]
    removed: list[ExampleAnswer]
    kept: list[ExampleAnswer]
    conflicts: list[ConflictAnswer]
    screened_out: list[LeftOutAnswer]
    held_back: int
    more_tokens: int
    more_usd_per_1000_messages: float | None
    check: CheckAnswer | None
    check_calls: int
    check_usd: float
    under_way: str | None

    @classmethod
    def of(cls, proposal: Proposal, cost: CheckCost, *, check: TrialRecord | None, last: TrialRecord | None) -> Self:
        """last: the newest check or publishing, whose id is told while it is under way."""
        difference, choice = proposal.difference, proposal.choice
        return cls(
            live_version=proposal.live_version,
            basis=proposal.basis,
            added=[ExampleAnswer.of(one) for one in difference.added],
            removed=[ExampleAnswer.of(one) for one in difference.removed],
            kept=[ExampleAnswer.of(one) for one in difference.kept],
            conflicts=[ConflictAnswer(**vars(one)) for one in choice.conflicts],
            screened_out=[LeftOutAnswer(**vars(one)) for one in choice.screened_out],
            held_back=len(choice.held_back),
            more_tokens=proposal.more_tokens,
            more_usd_per_1000_messages=proposal.more_dollars_per_1000,
            check=CheckAnswer.of(check),
            check_calls=cost.calls,
            check_usd=cost.cost_microusd / MICROUSD,
            under_way=last.id if last and last.is_open else None,
        )


class VersionAnswer(BaseModel):
    """A version that was published. verdict: of its check; restored: brought back; erased: a message was taken back."""

    version: int
    is_live: bool
    examples: int
    verdict: str | None
    published_at: datetime | None
    published_by: str | None
    note: str | None

    @classmethod
    def of(cls, one: Snapshot, by: str | None) -> Self:
        """by: the e-mail of whoever published it."""
        return cls(
            version=one.version,
            is_live=one.is_live,
            examples=len(one.chosen),
            verdict=one.evaluation.get("verdict"),
            published_at=one.published_at,
            published_by=by,
            note=one.note,
        )


class VersionPage(BaseModel):
    """A page of versions, newest first. next_cursor: None on the last one."""

    versions: list[VersionAnswer]
    next_cursor: str | None


class CheckWanted(Body):
    """basis: of the proposal that was read; left out: whatever is proposed now."""

    basis: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = None


class PublishingWanted(Strict):
    """basis: of the proposal that was read. force: although the check says worse; note says why. accept_unchecked: nobody can say."""

    basis: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    note: Text | None = Field(default=None, max_length=MAX_NOTE_CHARS)
    force: bool = False
    accept_unchecked: bool = False


class RollbackWanted(Body):
    """to: a version, 0 for no examples; left out: the one before. live_version: what was seen in the prompt."""

    to: int | None = Field(default=None, ge=0, le=MAX_VERSION)
    live_version: int | None = Field(default=None, ge=0, le=MAX_VERSION)
    note: Text | None = Field(default=None, max_length=MAX_NOTE_CHARS)


class RolledBack(BaseModel):
    """The new version, which is in the prompt from now on."""

    version: int


class Rejections(Strict):
    """message_ids: judged messages that shall be no examples."""

    message_ids: Annotated[list[UUID], Field(min_length=1, max_length=100)]


class Rejected(BaseModel):
    """changed: how many are left out, or taken in again, by this call."""

    changed: int
