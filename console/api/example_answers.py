"""Examples in the prompt as JSON. Money in US dollars."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, Field

from analysis.examples import ChosenExample
from console.api.requests import Body, Strict, Text
from console.api.trial_answers import TrialAnswer, trial_facts
from console.example_deeds import MAX_NOTE_CHARS
from console.laboratory_deeds import MICROUSD
from store.examples import Snapshot
from store.trial_records import TrialRecord
from worker.example_proposals import CheckCost, Proposal

MAX_VERSION = 2**31 - 1


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
        return cls(**trial_facts(trial), kind=trial.kind, version=version, check=CheckAnswer.of(trial))


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


class ExampleVersionAnswer(BaseModel):
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


class ExampleVersionPage(BaseModel):
    """A page of versions, newest first. next_cursor: None on the last one."""

    versions: list[ExampleVersionAnswer]
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
