"""The decision about one message: pure, explainable, replayable."""

from dataclasses import dataclass, field
from typing import Literal

from config.tenant import ActionConfig, ActionKind, Intent, Priority, Rule, Sentiment, Surface, Thresholds

Queue = Literal["senior", "support", "engineering", "sales", "customer_success", "review", "not_yet_analysed", "auto"]


@dataclass(frozen=True)
class RoutingFacts:
    """All that a decision may look at. Stored with it as JSON, so that the decision can be replayed.

    outcome: "analyzed" (the label fields are set), "no_text" (a picture, a sticker …), or "unanalyzed" (refused or failed for good).
    provisional: the labels are a keyword reading, not the model's.
    recent_actions: how many of each action this customer had in the last 24 hours.
    allow_actions: False for re-analyze and sweeps, which never message a customer again.
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


@dataclass(frozen=True)
class RoutingPolicy:
    """What the tenant has set. rules: the tenant's own first, then the playbook's; the first that holds decides."""

    thresholds: Thresholds
    rules: tuple[Rule, ...]
    actions: dict[ActionKind, ActionConfig]


@dataclass(frozen=True)
class PlannedAction:
    """An action the decision wants. state: "pending" (will be carried out) or "shadow" (recorded only; the tenant has not enabled it)."""

    kind: ActionKind
    state: Literal["pending", "shadow"]


@dataclass(frozen=True)
class Decision:
    """Where the message goes and why. reasons: whole sentences, most important first, without customer text."""

    priority: Priority
    queue: Queue
    rule: str
    reasons: tuple[str, ...]
    actions: tuple[PlannedAction, ...]


def decide(facts: RoutingFacts, policy: RoutingPolicy) -> Decision:
    """The decision for these facts under this policy. Same input, same output; there is always a default."""
    raise NotImplementedError
