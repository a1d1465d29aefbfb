"""Whether a rule holds for a message."""

from config.rules import Rule, RuleWhen, parse_window
from routing.facts import Label, RoutingFacts

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MINUTES_A_DAY = 24 * 60


class PlaybookRule(Rule):
    """A rule of ours.

    urgent: it holds only when the model or the words themselves call the message urgent.
    people_only: nothing is written to the customer by itself, also not on the model's advice.
    """

    urgent: bool = False
    people_only: bool = False


def holds(rule: Rule, facts: RoutingFacts, *, label: Label) -> bool:
    """Whether all conditions that are given hold. A list holds when any of its values does."""
    when = rule.when
    # What tells most messages apart comes first: most rules end here.
    if (when.intent is not None and label.intent not in when.intent) or (
        when.sentiment is not None and label.sentiment not in when.sentiment
    ):
        return False
    if isinstance(rule, PlaybookRule) and rule.urgent and not (facts.urgent or facts.floor_hits):
        return False
    return (
        (when.min_score is None or label.score >= when.min_score)
        and (when.max_score is None or label.score <= when.max_score)
        and _rest_holds(when, facts)
    )


def holds_without_words(rule: Rule, facts: RoutingFacts) -> bool:
    """Whether the rule is about a message that nobody can read a feeling from: it names the kind, and asks for no label."""
    return rule.when.message_type is not None and not asks_for_words(rule.when) and _rest_holds(rule.when, facts)


def asks_for_words(when: RuleWhen) -> bool:
    """Whether only a message that was read can fit."""
    asks_for_score = when.min_score is not None or when.max_score is not None
    asked = (when.sentiment, when.intent, when.topics, when.signals, when.floor, when.language)
    return asks_for_score or any(condition is not None for condition in asked)


def _rest_holds(when: RuleWhen, facts: RoutingFacts) -> bool:
    return (
        (when.topics is None or not set(when.topics).isdisjoint(facts.topics))
        and (when.surface is None or facts.surface in when.surface)
        and (when.message_type is None or facts.message_type in when.message_type)
        and (when.language is None or facts.language in when.language)
        and (when.high_value is None or facts.high_value == when.high_value)
        and (when.tier is None or facts.tier in when.tier)
        and (when.channel is None or facts.channel in when.channel)
        and (when.signals is None or any(getattr(facts, signal) for signal in when.signals))
        and (when.floor is None or not set(when.floor).isdisjoint(facts.floor_hits))
        and (when.hours is None or (facts.office_open is not None and facts.office_open == (when.hours == "open")))
        and ((when.weekdays is None and when.between is None) or time_holds(when, facts))
    )


def time_holds(when: RuleWhen, facts: RoutingFacts) -> bool:
    """Whether the local time lies in the rule's window on one of its days; never where the time is not known."""
    if facts.weekday is None or facts.minute is None:
        return False
    if when.between is None:
        return when.weekdays is None or facts.weekday in when.weekdays
    start, end = parse_window(when.between)
    if start <= facts.minute < end:
        began = facts.weekday
    elif facts.minute + _MINUTES_A_DAY < end:
        # The window began the evening before.
        began = _DAYS[_DAYS.index(facts.weekday) - 1]
    else:
        return False
    return when.weekdays is None or began in when.weekdays
