"""What a decision looks at and what it says: records only."""

from dataclasses import dataclass, field
from typing import Literal

from config.actions import ActionConfig
from config.hours import Day
from config.rules import Rule
from config.surveys import SurveyKind, Surveys
from config.thresholds import Thresholds
from config.words import ActionKind, Intent, Priority, Sentiment, Surface

# One that every tenant has (routing.queues) or one of the tenant's own.
Queue = str
# Instagram lets a business answer a comment in private once.
COMMENT_SURFACES = ("reel_comment", "comment", "live_comment")


@dataclass(frozen=True)
class Label:
    """What the model says about a message. score: its confidence in the sentiment, 0.0 to 1.0; not severity."""

    sentiment: Sentiment
    score: float
    intent: Intent


@dataclass(frozen=True)
class RoutingFacts:
    """All that a decision may look at. Stored with it as JSON, so that the decision can be replayed.

    outcome: "analyzed" (the label fields are set), "no_text" (a picture, a sticker …), or "unanalyzed" (refused or
    failed for good).
    urgent: the model's own signal; it counts only beside a negative label.
    floor_hits: groups of words found without the model: "urgent", "legal_threat", "safety". They may only raise.
    provisional: the labels are a keyword reading, not the model's.
    recent_actions: how many of each action this customer had in the last 24 hours.
    allow_actions: False for re-analyze and sweeps, which never message a customer again.
    message_type: the channel's word for what came: "text", "image", "audio" …
    in_group: written where others read it, so nothing is answered in private by itself.
    open_priority: where the conversation stood before this message; None when it was not open.
    escalated: an earlier message has called a person, and the conversation has been open since.
    corrected: which of sentiment, intent and topics are a person's word, not the model's.
    channel: "whatsapp", "instagram", "generic"; "" on decisions from before it was stored.
    tier: as the CRM names it; None when it names none.
    office_open: whether the tenant's people worked when the customer wrote; None: not known.
    weekday ("mon" … "sun") and minute (of the day, 0 to 1,439): when the customer wrote, in the tenant's time zone.
    survey: the survey that the message answers, with the score that stands. survey_comment: it says more than a number.
    survey_reason_asked: the reason was asked for after that invitation.
    survey_channel, survey_sample (0.0 to 1.0, fixed by the conversation), declined_marketing, days_since_invitation (by survey):
    what decides whether this customer may be invited.
    """

    outcome: Literal["analyzed", "no_text", "unanalyzed"]
    surface: Surface
    sentiment: Sentiment | None = None
    score: float | None = None
    intent: Intent | None = None
    topics: tuple[str, ...] = ()
    suggested_action: str | None = None
    language: str = "und"
    sarcasm: bool = False
    injection_suspected: bool = False
    urgent: bool = False
    high_value: bool = False
    human_took_over: bool = False
    provisional: bool = False
    allow_actions: bool = True
    floor_hits: tuple[str, ...] = ()
    recent_actions: dict[str, int] = field(default_factory=dict[str, int])
    open_priority: Priority | None = None
    message_type: str = "text"
    in_group: bool = False
    corrected: tuple[str, ...] = ()
    escalated: bool = False
    survey: SurveyKind | None = None
    survey_score: int | None = None
    survey_comment: bool = False
    survey_reason_asked: bool = False
    survey_channel: str | None = None
    survey_sample: float = 0.0
    declined_marketing: bool = False
    days_since_invitation: dict[str, float] = field(default_factory=dict[str, float])
    channel: str = ""
    tier: str | None = None
    office_open: bool | None = None
    weekday: Day | None = None
    minute: int | None = None

    def label(self) -> Label | None:
        """The label when there is a whole one, else None."""
        if self.outcome != "analyzed" or self.sentiment is None or self.score is None or self.intent is None:
            return None
        return Label(self.sentiment, self.score, self.intent)


@dataclass(frozen=True)
class RoutingPolicy:
    """What the tenant has set. rules: the tenant's own first, then the playbook's; the first that holds decides.

    playbook: the industry whose rules are among them, for the record.
    max_per_customer_per_day: messages of all kinds that leave by themselves to one customer within 24 hours.
    """

    thresholds: Thresholds
    rules: tuple[Rule, ...]
    actions: dict[ActionKind, ActionConfig]
    playbook: str = ""
    max_per_customer_per_day: int = 3
    surveys: Surveys = field(default_factory=Surveys)


@dataclass(frozen=True)
class PlannedAction:
    """An action the decision wants.

    state: "pending" (will be carried out) or "shadow" (recorded only: the tenant has not asked for it).
    """

    kind: ActionKind
    state: Literal["pending", "shadow"]


@dataclass(frozen=True)
class Trial:
    """What a rule that is only tried (`dry_run`) would have decided."""

    rule: str
    queue: Queue
    priority: Priority
    actions: tuple[ActionKind, ...]


@dataclass(frozen=True)
class Decision:
    """Where the message goes and why. reasons: whole sentences, most important first, without customer text.

    skill: what an agent should have to take it; None: nothing in particular. tags: for the conversation.
    trials: one for each rule that is only tried and would have decided.
    """

    priority: Priority
    queue: Queue
    rule: str
    reasons: tuple[str, ...]
    actions: tuple[PlannedAction, ...]
    skill: str | None = None
    tags: tuple[str, ...] = ()
    trials: tuple[Trial, ...] = ()
