"""The decision about one message: pure, explainable, replayable."""

from dataclasses import dataclass, field, replace
from typing import Literal

from config.tenant import (
    ActionConfig,
    ActionKind,
    Intent,
    Priority,
    Rule,
    RuleThen,
    RuleWhen,
    Sentiment,
    Surface,
    Thresholds,
)
from routing.actions import CUSTOMER_FACING, INTERNAL, MONEY_LIKE

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


DEFAULT_RULE = Rule(
    name="default", because="No rule holds: the ordinary queue.", when=RuleWhen(), then=RuleThen(queue="support", priority="P3")
)
_NO_TEXT_REASON = "The message has no words (a picture, a voice note, a sticker …), so a person looks at it."
_UNANALYZED_REASON = "The analysis was refused or failed for good, so a person reads the message."
_FLOOR_NAMES = {"urgent": "words of urgency", "legal_threat": "a legal threat", "safety": "a danger to people"}
_TO_SENIOR = ("legal_threat", "safety")
# Instagram lets a business answer a comment in private once.
COMMENT_SURFACES = ("reel_comment", "comment", "live_comment")
_ADVISABLE: tuple[ActionKind, ...] = ("follow_up", "schedule_callback")


def decide(facts: RoutingFacts, policy: RoutingPolicy) -> Decision:
    """The decision for these facts under this policy. Same input, same output; there is always a default."""
    if facts.provisional:
        # A keyword reading may place a message and no more.
        return _floor(facts, _plain("not_yet_analysed", "P3", "not_yet_analysed", "The message still waits for its analysis."))
    if facts.outcome == "no_text":
        return _floor(facts, _plain("no_text", "P3", "support", _NO_TEXT_REASON))
    if facts.outcome == "unanalyzed" or facts.score is None:
        return _floor(facts, _plain("unanalyzed", "P2", "review", _UNANALYZED_REASON))
    if facts.score < policy.thresholds.unsure:
        reason = f"The analysis is unsure ({facts.score:.2f}, below the tenant's {policy.thresholds.unsure:.2f}): a person decides."
        return _floor(facts, _plain("unsure", "P3", "review", reason))
    rule = next(rule for rule in (*policy.rules, DEFAULT_RULE) if _holds(rule.when, facts))
    return _floor(facts, _by_rule(rule, facts, policy))


def _plain(rule: str, priority: Priority, queue: Queue, reason: str) -> Decision:
    return Decision(priority=priority, queue=queue, rule=rule, reasons=(reason,), actions=())


def _holds(when: RuleWhen, facts: RoutingFacts) -> bool:
    """Whether all conditions that are given hold. A list holds when any of its values does."""
    score = facts.score or 0.0
    return (
        (when.sentiment is None or facts.sentiment in when.sentiment)
        and (when.intent is None or facts.intent in when.intent)
        and (when.topics is None or not set(when.topics).isdisjoint(facts.topics))
        and (when.surface is None or facts.surface in when.surface)
        and (when.language is None or facts.language in when.language)
        and (when.high_value is None or facts.high_value == when.high_value)
        and (when.min_score is None or score >= when.min_score)
        and (when.max_score is None or score <= when.max_score)
    )


def _by_rule(rule: Rule, facts: RoutingFacts, policy: RoutingPolicy) -> Decision:
    intent = (facts.intent or "other").replace("_", " ")
    reasons = [f"{(facts.sentiment or 'neutral').capitalize()} ({facts.score:.2f}), {intent}.", rule.because]
    priority, queue, wanted = rule.then.priority, rule.then.queue, list(rule.then.actions)
    if facts.sentiment == "negative":
        threshold = policy.thresholds.escalate
        if (facts.score or 0.0) >= threshold:
            if "escalate_to_human" in wanted:
                reasons.append(f"The score reaches the tenant's escalation threshold of {threshold:.2f}.")
        elif "escalate_to_human" in wanted:
            wanted.remove("escalate_to_human")
            reasons.append(f"Not escalated: the score is below the tenant's threshold of {threshold:.2f}.")
    advised = next((kind for kind in _ADVISABLE if kind == facts.suggested_action), None)
    if advised and advised in policy.actions and advised not in wanted:
        wanted.append(advised)
    planned, remarks = _plan(wanted, facts, policy)
    return Decision(priority=priority, queue=queue, rule=rule.name, reasons=(*reasons, *remarks), actions=planned)


def _plan(
    wanted: list[ActionKind], facts: RoutingFacts, policy: RoutingPolicy
) -> tuple[tuple[PlannedAction, ...], tuple[str, ...]]:
    """The wanted actions that may happen, and a remark for each that may not."""
    planned: list[PlannedAction] = []
    remarks: list[str] = []
    if not facts.allow_actions:
        return (), ()
    for kind in wanted:
        name = kind.replace("_", " ")
        config = policy.actions.get(kind)
        if kind in INTERNAL:
            planned.append(PlannedAction(kind, "pending"))
        elif facts.human_took_over and kind in CUSTOMER_FACING:
            remarks.append(f"No {name}: a person has taken the conversation over.")
        elif facts.injection_suspected and kind in MONEY_LIKE:
            remarks.append(f"No {name}: the text seems to give instructions to the analysis.")
        elif kind in CUSTOMER_FACING and facts.surface in COMMENT_SURFACES and any(
            earlier.kind in CUSTOMER_FACING for earlier in planned
        ):
            remarks.append(f"No {name}: a comment may be answered in private only once.")
        elif config is not None and not config.enabled:
            remarks.append(f"No {name}: the tenant has switched it off.")
        elif config is not None and facts.recent_actions.get(kind, 0) >= config.per_customer_per_day:
            remarks.append(f"No {name}: the customer had one in the last 24 hours.")
        else:
            # Nothing goes to a customer that the tenant has not asked for: it is recorded as what would have happened.
            planned.append(PlannedAction(kind, "pending" if config is not None else "shadow"))
    return tuple(planned), tuple(remarks)


def _floor(facts: RoutingFacts, decision: Decision) -> Decision:
    """Urgent words, legal threats and dangers may only raise a priority; the last two go to senior agents."""
    if facts.outcome == "analyzed" and not facts.provisional and facts.intent == "spam":
        return decision
    hits = [name for name in ("safety", "legal_threat", "urgent") if name in facts.floor_hits]
    if not hits:
        return decision
    serious = any(name in _TO_SENIOR for name in hits)
    floor: Priority = "P1" if serious else "P2"
    priority = min(decision.priority, floor)
    queue = "senior" if serious and decision.queue in {"support", "sales", "auto", "customer_success", "engineering"} else decision.queue
    named = " and ".join(_FLOOR_NAMES[name] for name in hits)
    if priority == decision.priority and queue == decision.queue:
        return decision
    reason = f"Raised to {priority}: the text holds {named}."
    return replace(decision, priority=priority, queue=queue, reasons=(reason, *decision.reasons))


def explain(decision: Decision) -> str:
    """The decision as an agent reads it: one short paragraph."""
    return f"{decision.priority} in {decision.queue}. " + " ".join(decision.reasons)
