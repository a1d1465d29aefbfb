"""The decision about one message: pure, explainable, replayable."""

from collections.abc import Iterable
from dataclasses import replace

from config.rules import Rule, RuleThen, RuleWhen
from config.thresholds import Thresholds
from config.words import ActionKind, Priority
from routing import reasons
from routing.actions import CUSTOMER_FACING, INTERNAL
from routing.assignment import SENIOR
from routing.conditions import PlaybookRule, holds, holds_without_words
from routing.facts import (
    COMMENT_SURFACES,
    Decision,
    Label,
    PlannedAction,
    Queue,
    RoutingFacts,
    RoutingPolicy,
    Trial,
)
from routing.floor import keep_a_person, raise_to_floor
from routing.planning import plan
from routing.surveys import heed_detractor, place_score

__all__ = [
    "COMMENT_SURFACES",
    "DEFAULT_RULE",
    "Decision",
    "PlannedAction",
    "Queue",
    "RoutingFacts",
    "RoutingPolicy",
    "Trial",
    "decide",
    "explain",
]

DEFAULT_RULE = Rule(
    name="default", because=reasons.NO_RULE, when=RuleWhen(), then=RuleThen(queue="support", priority="P3")
)
# The model's advice may add these and nothing else: never money, never the end of a conversation.
_ADVISABLE: tuple[ActionKind, ...] = ("follow_up", "schedule_callback")


def decide(facts: RoutingFacts, policy: RoutingPolicy) -> Decision:
    """The decision for these facts under this policy. Same input, same output; there is always a default."""
    decision = place_score(facts, policy)
    if decision is not None:
        return _with_correction(raise_to_floor(heed_detractor(decision, facts), facts), facts)
    decision, tried = _place(facts, policy)
    decision = _above_rules(decision, facts)
    if tried:
        decision = replace(decision, trials=tuple(_trial(rule, facts, policy=policy) for rule in tried))
    return _with_correction(decision, facts)


def _with_correction(decision: Decision, facts: RoutingFacts) -> Decision:
    if facts.corrected and facts.label():
        return replace(decision, reasons=(reasons.corrected(facts), *decision.reasons))
    return decision


def _above_rules(decision: Decision, facts: RoutingFacts) -> Decision:
    """What stands above every rule."""
    return raise_to_floor(heed_detractor(keep_a_person(decision, facts), facts), facts)


def _trial(rule: Rule, facts: RoutingFacts, *, policy: RoutingPolicy) -> Trial:
    """What the rule would have decided if it were not only tried."""
    label = facts.label() if facts.outcome == "analyzed" else None
    decision = _by_rule(rule, facts, label=label, policy=policy) if label else _by_message_type(rule)
    decision = _above_rules(decision, facts)
    return Trial(rule.name, decision.queue, decision.priority, tuple(action.kind for action in decision.actions))


def explain(decision: Decision) -> str:
    """The decision as an agent reads it: one short paragraph."""
    sentences = [
        f"{decision.priority}, {decision.queue.replace('_', ' ')} queue.",
        *decision.reasons,
        *reasons.results(decision),
        *(reasons.trial(trial) for trial in decision.trials),
    ]
    return " ".join(sentences)


def _place(facts: RoutingFacts, policy: RoutingPolicy) -> tuple[Decision, tuple[Rule, ...]]:
    """Before anything that stands above the rules; and the rules that are only tried and would have decided."""
    if facts.provisional:
        # A keyword reading may place a message and no more.
        waiting = _without_rule("not_yet_analysed", "P3", queue="not_yet_analysed", reason=reasons.WAITS_FOR_ANALYSIS)
        return waiting, ()
    if facts.outcome == "no_text":
        rule, tried = _first(rule for rule in policy.rules if holds_without_words(rule, facts))
        if rule:
            return _by_message_type(rule), tried
        return _without_rule("no_text", "P3", queue="support", reason=reasons.no_text(facts.surface)), tried
    label = facts.label()
    if label is None:
        return _without_rule("unanalyzed", "P2", queue="review", reason=reasons.UNANALYZED), ()
    if label.score < policy.thresholds.unsure:
        reason = reasons.unsure(label, threshold=policy.thresholds.unsure)
        return _without_rule("unsure", "P3", queue="review", reason=reason), ()
    rule, tried = _first(rule for rule in policy.rules if holds(rule, facts, label=label))
    return _by_rule(rule or DEFAULT_RULE, facts, label=label, policy=policy), tried


def _first(holding: Iterable[Rule]) -> tuple[Rule | None, tuple[Rule, ...]]:
    """The first of the rules that may decide, and those before it that are only tried."""
    tried: list[Rule] = []
    for rule in holding:
        if not rule.dry_run:
            return rule, tuple(tried)
        tried.append(rule)
    return None, tuple(tried)


def _by_message_type(rule: Rule) -> Decision:
    """By a rule about messages without words."""
    then = rule.then
    return Decision(
        priority=then.priority,
        queue=then.queue,
        rule=rule.name,
        reasons=(rule.because,),
        actions=_without_messages(then),
        skill=then.skill,
        tags=then.tags,
    )


def _without_messages(then: RuleThen) -> tuple[PlannedAction, ...]:
    """Of a rule's actions those that say nothing to the customer: nobody knows what a picture or a voice message says."""
    return tuple(PlannedAction(kind, "pending") for kind in then.actions if kind in INTERNAL)


def _without_rule(name: str, priority: Priority, *, queue: Queue, reason: str) -> Decision:
    return Decision(priority=priority, queue=queue, rule=name, reasons=(reason,), actions=())


def _by_rule(rule: Rule, facts: RoutingFacts, *, label: Label, policy: RoutingPolicy) -> Decision:
    then, weighed = _weigh_escalation(rule, label, policy.thresholds)
    wanted = (*then.actions, *_advised(rule, facts, policy=policy))
    actions, remarks = plan(wanted, facts, label=label, policy=policy)
    return Decision(
        priority=then.priority,
        queue=then.queue,
        rule=rule.name,
        reasons=(reasons.labelled(label), rule.because, *weighed, *remarks),
        actions=actions,
        skill=then.skill,
        tags=then.tags,
    )


def _weigh_escalation(rule: Rule, label: Label, thresholds: Thresholds) -> tuple[RuleThen, tuple[str, ...]]:
    """What a rule that calls a person comes to at this score, and the sentence that says so.

    The tenant's threshold counts for negative labels only, and not where the rule names a score of its own.
    """
    then = rule.then
    if label.sentiment != "negative" or "escalate_to_human" not in then.actions or rule.when.min_score is not None:
        return then, ()
    if label.score >= thresholds.escalate:
        return then, (reasons.escalated(thresholds.escalate),)
    calmer = RuleThen(
        queue="support" if then.queue == "senior" else then.queue,
        priority=max(then.priority, "P2"),
        actions=tuple(kind for kind in then.actions if kind != "escalate_to_human"),
        skill=None if then.skill == SENIOR else then.skill,
        tags=then.tags,
    )
    return calmer, (reasons.not_escalated(thresholds.escalate),)


def _advised(rule: Rule, facts: RoutingFacts, *, policy: RoutingPolicy) -> tuple[ActionKind, ...]:
    """What the model suggests, where the tenant has such an action, a person looks and the text is not suspect."""
    if rule.then.queue == "auto" or facts.injection_suspected:
        return ()
    advised: tuple[ActionKind, ...] = tuple(
        kind for kind in _ADVISABLE if kind == facts.suggested_action and kind in policy.actions
    )
    people_only = isinstance(rule, PlaybookRule) and rule.people_only
    return () if people_only and CUSTOMER_FACING.intersection(advised) else advised
