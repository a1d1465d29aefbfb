"""What a tenant's programs are told, event by event. The models are the contract: bodies are made from them, and the API's document shows them."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

VERSION: Literal[1] = 1


class Told(BaseModel):
    """New fields may come; `version` changes when one changes its meaning."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class MessageFacts(Told):
    """Which message. sent_at: the channel's time. conversation_id, customer_id: null when they are gone."""

    message_id: str
    conversation_id: str | None
    customer_id: str | None
    channel: str
    surface: str
    sent_at: datetime


class Words(Told):
    """Only with include_text: the message without personal data, and the model's summary; null when they were erased."""

    text: str | None = None
    summary: str | None = None


class AnalyzedData(Words, MessageFacts):
    """One reading by the model. score: its confidence, 0.0 to 1.0. run_kind: initial or reanalyze."""

    analysis_id: str
    run_kind: str
    sentiment: str
    score: float
    intent: str
    topics: list[str]
    suggested_action: str
    language: str
    analyzer: str
    model: str
    prompt_version: str


class Label(Told):
    """The label that counts. corrected: the fields that a person has set."""

    sentiment: str
    score: float
    intent: str
    topics: list[str]
    language: str
    corrected: list[str]


class PlannedAction(Told):
    """An automation that the decision planned, as it was planned."""

    kind: str
    state: str


class DecidedData(Words, MessageFacts):
    """One routing decision. applied: it placed the conversation. label: null when nobody has read the message."""

    decision_id: str
    analysis_id: str | None
    priority: str
    queue: str
    rule: str
    reasons: list[str]
    tags: list[str]
    skill: str | None
    applied: bool
    actions: list[PlannedAction]
    label: Label | None


class AlertData(Told):
    """An alert. sentence: as people read it, in English, without customer text. resolved_at: null while it goes on."""

    alert_id: str
    kind: str
    severity: str
    queue: str | None
    sentence: str
    conversation_id: str | None
    customer_id: str | None
    message_id: str | None
    raised_at: datetime
    resolved_at: datetime | None


class ResolvedData(Told):
    """A conversation that was closed, by a person or a rule. It may be open again by now: resolved_at is when it was closed."""

    conversation_id: str
    customer_id: str
    channel: str
    queue: str | None
    priority: str | None
    resolved_at: datetime


class CorrectedData(Told):
    """A person set a field of a label right, or took that back (undone_at). topics are joined by commas. label: what counts now."""

    correction_id: str
    message_id: str
    conversation_id: str | None
    field: str
    old_value: str
    new_value: str
    corrected_by: int | None
    corrected_at: datetime
    undone_at: datetime | None
    label: Label | None


class TrialData(Told):
    """Nothing happened; somebody wanted to see whether webhooks arrive."""

    subscription_id: str


class MessageAnalyzed(Told):
    """The model has read a message. Sweeps of past messages are not told one by one."""

    type: Literal["message.analyzed"] = "message.analyzed"
    version: Literal[1] = VERSION
    timestamp: datetime
    data: AnalyzedData


class MessageDecided(Told):
    """Rules have decided about a message: its queue, its priority, what is done."""

    type: Literal["message.decided"] = "message.decided"
    version: Literal[1] = VERSION
    timestamp: datetime
    data: DecidedData


class AlertRaised(Told):
    """Something that people should know of."""

    type: Literal["alert.raised"] = "alert.raised"
    version: Literal[1] = VERSION
    timestamp: datetime
    data: AlertData


class AlertOver(Told):
    """What an alert told of is over."""

    type: Literal["alert.over"] = "alert.over"
    version: Literal[1] = VERSION
    timestamp: datetime
    data: AlertData


class ConversationResolved(Told):
    """A conversation was closed."""

    type: Literal["conversation.resolved"] = "conversation.resolved"
    version: Literal[1] = VERSION
    timestamp: datetime
    data: ResolvedData


class LabelCorrected(Told):
    """A person corrected a label, or took a correction back."""

    type: Literal["label.corrected"] = "label.corrected"
    version: Literal[1] = VERSION
    timestamp: datetime
    data: CorrectedData


class WebhookTest(Told):
    """A test."""

    type: Literal["webhook.test"] = "webhook.test"
    version: Literal[1] = VERSION
    timestamp: datetime
    data: TrialData


Event = MessageAnalyzed | MessageDecided | AlertRaised | AlertOver | ConversationResolved | LabelCorrected | WebhookTest
EVENTS: tuple[type[Event], ...] = (
    MessageAnalyzed,
    MessageDecided,
    AlertRaised,
    AlertOver,
    ConversationResolved,
    LabelCorrected,
    WebhookTest,
)
