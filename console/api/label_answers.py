"""What people say of labels, as JSON."""

from datetime import date, datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field

from analysis.schema import MAX_TOPICS
from config.words import Intent, Sentiment
from console.api.requests import Body, PageQuery, Strict, Text
from store.corrections import MAX_REASON_CHARS, StoredCorrection
from store.sample_desk import SampledMessage, WeekProgress

_UUID = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


class CorrectionPath(BaseModel):
    """Which field of which message."""

    message_id: UUID
    field: Literal["sentiment", "intent", "topics"]


class NewCorrection(Strict):
    """value: a sentiment, an intent, or a list of the tenant's topics. reason: for colleagues, without the customer's words."""

    field: Literal["sentiment", "intent", "topics"]
    value: Text | list[Text] = Field(max_length=400)
    reason: Text | None = Field(default=None, max_length=MAX_REASON_CHARS)


class CorrectionAnswer(BaseModel):
    """A correction. model_value: what the model had said. undone_at: when it was taken back, None while it stands."""

    id: str
    message_id: str
    field: str
    old_value: str
    new_value: str
    model_value: str | None
    reason: str | None
    by: str | None
    created_at: datetime
    undone_at: datetime | None

    @classmethod
    def of(cls, one: StoredCorrection) -> Self:
        """As it is stored."""
        return cls(**vars(one))


class CorrectionPage(BaseModel):
    """A page of corrections, newest first, the undone ones too. next_cursor: None on the last one."""

    corrections: list[CorrectionAnswer]
    next_cursor: str | None


class CountingLabel(BaseModel):
    """The label that counts now. corrected: the fields that a person set. moved: the conversation stands elsewhere now.

    label fields are None while nothing but keywords has read the message.
    """

    message_id: str
    sentiment: str | None
    score: float | None
    intent: str | None
    topics: list[str] | None
    corrected: list[str]
    changed: bool
    moved: bool


class Reanalysis(Strict):
    """message_ids: each is judged as it stood when it was written."""

    message_ids: Annotated[list[UUID], Field(min_length=1, max_length=100)]


class ReanalysisAnswer(BaseModel):
    """begun: messages that are read again from now on. under_way: how many were being read already."""

    begun: list[str]
    under_way: int


class ReanalysisQuery(Strict):
    """message_ids: up to 100, joined by commas."""

    message_ids: Annotated[str, Field(max_length=3700, pattern=rf"^{_UUID}(,{_UUID}){{0,99}}$")]


class PassAnswer(BaseModel):
    """A message. is_open: it is being read. analyses: how many readings it has so far; error_code: why its last pass came to nothing."""

    message_id: str
    is_open: bool
    analyses: int
    last_analysis_at: datetime | None
    error_code: str | None


class PassProgress(BaseModel):
    """How far messages are. left: how many of them are still being read."""

    total: int
    left: int
    messages: list[PassAnswer]


class SampleQuery(PageQuery):
    """state: "open" ones nobody has judged."""

    state: Literal["open", "judged"] = "open"


class SampleAnswer(BaseModel):
    """A message of the weekly sample: its words, what the model said, and what a person says of it, None where nobody has."""

    message_id: str
    week: date
    conversation_id: str | None
    channel: str
    surface: str
    sent_at: datetime
    text: str | None
    language: str
    sentiment: str
    score: float
    intent: str
    topics: list[str]
    judged_at: datetime | None
    judged_by: str | None
    said_sentiment: str | None
    said_intent: str | None
    said_topics: list[str] | None

    @classmethod
    def of(cls, one: SampledMessage) -> Self:
        """As it is stored."""
        known = {name: value for name, value in vars(one).items() if name in cls.model_fields}
        return cls(**known, week=one.period)


class WeekAnswer(BaseModel):
    """How far a week's sample is."""

    week: date
    judged: int
    total: int

    @classmethod
    def of(cls, one: WeekProgress) -> Self:
        """As it is counted."""
        return cls(week=one.period, judged=one.judged, total=one.total)


class SamplePage(BaseModel):
    """A page of the sample; open ones of the oldest week first, judged ones newest first. weeks: newest first."""

    weeks: list[WeekAnswer]
    messages: list[SampleAnswer]
    next_cursor: str | None


class Judgement(Body):
    """A field that is left out confirms what stands. seen_judged_at: to judge again what was judged then."""

    sentiment: Sentiment | None = None
    intent: Intent | None = None
    topics: list[Text] | None = Field(default=None, max_length=MAX_TOPICS)
    seen_judged_at: datetime | None = None


class JudgedAnswer(SampleAnswer):
    """wrong: in which fields the model was wrong."""

    wrong: list[str]
