"""Whether a rule holds for a message."""

from config.tenant import Rule, RuleWhen
from routing.facts import Label, RoutingFacts


class PlaybookRule(Rule):
    """A rule of ours. urgent: it holds only when the model or the words themselves call the message urgent."""

    urgent: bool = False


def holds(rule: Rule, facts: RoutingFacts, *, label: Label) -> bool:
    """Whether all conditions that are given hold. A list holds when any of its values does."""
    if isinstance(rule, PlaybookRule) and rule.urgent and not (facts.urgent or facts.floor_hits):
        return False
    return _label_holds(rule.when, label) and _rest_holds(rule.when, facts)


def _label_holds(when: RuleWhen, label: Label) -> bool:
    return (
        (when.sentiment is None or label.sentiment in when.sentiment)
        and (when.intent is None or label.intent in when.intent)
        and (when.min_score is None or label.score >= when.min_score)
        and (when.max_score is None or label.score <= when.max_score)
    )


def _rest_holds(when: RuleWhen, facts: RoutingFacts) -> bool:
    return (
        (when.topics is None or not set(when.topics).isdisjoint(facts.topics))
        and (when.surface is None or facts.surface in when.surface)
        and (when.language is None or facts.language in when.language)
        and (when.high_value is None or facts.high_value == when.high_value)
    )
