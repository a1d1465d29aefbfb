"""Which messages a rule matches, as regions that can be cut from one another exactly.

A message is one value in each dimension (sentiment, intent, score …) and any number of marks (topics, signals, groups of words).
What rules do not tell apart is one value: a score counts by the piece between two numbers that rules name, the time by the piece
between two borders of windows.
"""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, get_args

from config.hours import DAYS
from config.rules import Rule, parse_window
from config.tenant import TenantConfig
from config.words import Intent, Sentiment, Surface
from routing.conditions import PlaybookRule, asks_for_words, time_holds
from routing.facts import RoutingFacts

OTHER = "other"
_ALL_SURFACES = get_args(Surface)
_SURFACES: Mapping[str, tuple[str, ...]] = {
    "whatsapp": ("dm",),
    "instagram": _ALL_SURFACES,
    "generic": ("dm", "comment"),
}
_MINUTES_A_DAY = 24 * 60
# "Urgent" of a rule of ours: the model or the words themselves say so.
_URGENT = frozenset({"signals:urgent", "floor:urgent", "floor:legal_threat", "floor:safety"})

Values = frozenset[Any]


@dataclass(frozen=True)
class Conditions:
    """A rule as conditions. values: allowed ones by dimension. marks: of each set at least one must be there."""

    values: dict[str, Values]
    marks: tuple[frozenset[str], ...] = ()


@dataclass(frozen=True)
class Region:
    """Messages: one of the values in each dimension, one mark of each set at least, none of those that are missing."""

    values: dict[str, Values]
    marks: tuple[frozenset[str], ...] = ()
    missing: frozenset[str] = field(default_factory=frozenset[str])

    def is_empty(self) -> bool:
        """Whether no message lies in it."""
        return any(not values for values in self.values.values()) or any(marks <= self.missing for marks in self.marks)

    def narrow(self, conditions: Conditions) -> "Region":
        """What of it fulfils the conditions."""
        values = {name: allowed & conditions.values.get(name, allowed) for name, allowed in self.values.items()}
        return replace(self, values=values, marks=(*self.marks, *conditions.marks))


@dataclass(frozen=True)
class World:
    """All messages that can come to the tenant's rules, with words that were read or without any."""

    whole: Region
    with_words: bool

    def conditions(self, rule: Rule) -> Conditions | None:
        """The rule in this world; None when it can't hold here."""
        if not self.with_words and (rule.when.message_type is None or asks_for_words(rule.when)):
            return None
        return _conditions(rule, self.whole.values)


def worlds(config: TenantConfig, rules: Iterable[Rule]) -> tuple[World, World]:
    """The worlds that these rules can tell apart: messages that were read, and messages without words."""
    rules = tuple(rules)
    either: dict[str, Values] = {
        "place": _places(config),
        "message_type": frozenset({"text", OTHER, *_named(rules, "message_type")}),
        "high_value": frozenset({True, False}),
        "tier": frozenset({None, *_named(rules, "tier")}),
        "hours": frozenset({"open"} if _always_open(config) else {"open", "closed"}),
        "time": _times(rules),
    }
    read: dict[str, Values] = {
        "sentiment": frozenset(get_args(Sentiment)),
        "intent": frozenset(get_args(Intent)),
        "language": frozenset({OTHER, *_named(rules, "language")}),
        "score": _scores(rules, unsure=config.thresholds.unsure),
    }
    silent = {**either, "message_type": either["message_type"] - {"text"}}
    return World(Region({**read, **either}), with_words=True), World(Region(silent), with_words=False)


def _named(rules: Iterable[Rule], condition: str) -> set[Any]:
    return {value for rule in rules for value in getattr(rule.when, condition) or ()}


def _always_open(config: TenantConfig) -> bool:
    return not config.hours.weekdays and not config.hours.holidays


def _places(config: TenantConfig) -> Values:
    """(channel, surface) of the tenant's accounts; before it has any, of all."""
    kinds = {channel.kind for channel in config.channels} or set(_SURFACES)
    return frozenset((kind, surface) for kind in kinds for surface in _SURFACES[kind])


def _scores(rules: Iterable[Rule], *, unsure: float) -> Values:
    """One score for each piece between two numbers that rules name, and the numbers themselves; none below `unsure`."""
    named = {bound for rule in rules for bound in (rule.when.min_score, rule.when.max_score) if bound is not None}
    borders = sorted({unsure, 0.8, 1.0, *named})
    between = {(low + high) / 2 for low, high in itertools.pairwise(borders)}
    return frozenset(score for score in {*borders, *between} if unsure <= score <= 1)


def _times(rules: Iterable[Rule]) -> Values:
    """(day, minute): one for each piece of the week between two borders of windows."""
    borders = {0, 12 * 60}
    days: tuple[str, ...] = DAYS[:1]
    for rule in rules:
        if rule.when.between is not None:
            borders |= {border % _MINUTES_A_DAY for border in parse_window(rule.when.between)}
        if rule.when.weekdays is not None:
            days = DAYS
    return frozenset((day, minute) for day in days for minute in borders)


def _conditions(rule: Rule, known: dict[str, Values]) -> Conditions:
    when = rule.when
    values = {
        name: frozenset(given) & known[name]
        for name in ("sentiment", "intent", "language", "message_type", "tier")
        if (given := getattr(when, name)) is not None
    }
    if when.high_value is not None:
        values["high_value"] = frozenset({when.high_value})
    if when.hours is not None:
        values["hours"] = frozenset({when.hours}) & known["hours"]
    if when.channel is not None or when.surface is not None:
        values["place"] = frozenset(
            (channel, surface)
            for channel, surface in known["place"]
            if (when.channel is None or channel in when.channel) and (when.surface is None or surface in when.surface)
        )
    if when.min_score is not None or when.max_score is not None:
        low = 0.0 if when.min_score is None else when.min_score
        high = 1.0 if when.max_score is None else when.max_score
        values["score"] = frozenset(score for score in known["score"] if low <= score <= high)
    if when.weekdays is not None or when.between is not None:
        values["time"] = frozenset(at for at in known["time"] if time_holds(when, _at(*at)))
    return Conditions(values, _marks(rule))


def _marks(rule: Rule) -> tuple[frozenset[str], ...]:
    groups = [
        frozenset(f"{name}:{value}" for value in given)
        for name in ("topics", "signals", "floor")
        if (given := getattr(rule.when, name)) is not None
    ]
    if isinstance(rule, PlaybookRule) and rule.urgent:
        groups.append(_URGENT)
    return tuple(groups)


def _at(day: Any, minute: int) -> RoutingFacts:
    return RoutingFacts(outcome="no_text", surface="dm", weekday=day, minute=minute)
