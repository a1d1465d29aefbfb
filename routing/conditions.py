"""Whether a rule holds for a message."""

from config.rules import Rule, RuleWhen
from routing.facts import Label, RoutingFacts


class PlaybookRule(Rule):
    """A rule of ours.

    urgent: it holds only when the model or the words themselves call the message urgent.
    people_only: nothing is written to the customer by itself, also not on the model's advice.
    """

    urgent: bool = False
    people_only: bool = False


def holds(rule: Rule, facts: RoutingFacts, *, label: Label) -> bool:
    """Whether all conditions that are given hold. A list holds when any of its values does."""
    if isinstance(rule, PlaybookRule) and rule.urgent and not (facts.urgent or facts.floor_hits):
        return False
    return _label_holds(rule.when, label) and _rest_holds(rule.when, facts)


def holds_without_words(rule: Rule, facts: RoutingFacts) -> bool:
    """Whether the rule is about a message that nobody can read a feeling from: it names the kind, and asks for no label."""
    when = rule.when
    asks_for_label = when.sentiment or when.intent or when.topics or when.language
    asks_for_score = when.min_score is not None or when.max_score is not None
    return when.message_type is not None and not asks_for_label and not asks_for_score and _rest_holds(when, facts)


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
        and (when.message_type is None or facts.message_type in when.message_type)
        and (when.language is None or facts.language in when.language)
        and (when.high_value is None or facts.high_value == when.high_value)
    )
