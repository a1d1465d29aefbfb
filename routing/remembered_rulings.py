"""decide() over many stored facts, each distinct case once: a decision depends on those facts alone that it has looked at."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any, NamedTuple, get_type_hints

from pydantic import BaseModel

from routing.facts import RoutingFacts, RoutingPolicy
from routing.rules import decide
from routing.stored_facts import facts_from_json

_NAMES = frozenset(one.name for one in fields(RoutingFacts))
_HINTS = get_type_hints(RoutingFacts)
# Fractions like the score hardly ever repeat. All that a decision does with them is to compare them with the policy's numbers, so
# those between the same two numbers are one case.
_FRACTIONS = frozenset(name for name in _NAMES if _HINTS[name] in {float, float | None})
_MISSING = object()


class Planned(NamedTuple):
    """An action as stored with its decision."""

    kind: str
    state: str


class Ruling(NamedTuple):
    """A decision without its reasons. applied: it places the conversation."""

    priority: str
    queue: str
    rule: str
    actions: tuple[Planned, ...]
    applied: bool = False


class _Fork(NamedTuple):
    """The fact that a decision looks at next, and what follows from each value."""

    name: str
    ways: dict[Any, Any]


class _WatchedFacts(RoutingFacts):
    """Facts that write down, in order, which of them are looked at."""

    def __getattribute__(self, name: str) -> Any:
        if name in _NAMES:
            # A copy made with other values has looked at everything already.
            reads = object.__getattribute__(self, "__dict__").get("reads")
            if reads is not None:
                reads[name] = None
        return object.__getattribute__(self, name)


class RememberedRulings:
    """Rulings under one or more policies, by the stored facts that any of them looked at."""

    def __init__(self, *policies: RoutingPolicy) -> None:
        self._policies = policies
        self._limits = sorted({number for policy in policies for number in _numbers_of(policy)})
        # Rules ask whether one of theirs is among a message's topics; the others only stand in the reasons.
        self._topics = frozenset(
            topic for policy in policies for rule in policy.rules for topic in rule.when.topics or ()
        )
        self._root: dict[str, Any] = {}

    def rule_on(self, inputs: Mapping[str, Any]) -> tuple[Ruling, ...]:
        """The ruling of each policy on stored facts. Raises: StoredInputsError when they can't be read."""
        node: Any = self._root.get("first")
        while node is not None:
            if node.__class__ is tuple:
                return node
            name, ways = node
            value: Any = inputs.get(name, _MISSING)
            kind = value.__class__
            node = ways.get(value if kind is str or kind is bool else self._case(name, value))
        return self._decide(inputs)

    def _case(self, name: str, value: Any) -> Any:
        """What of the value can make a difference."""
        kind = value.__class__
        if kind is float or (kind is int and name in _FRACTIONS):
            return self._between(value)
        if name == "topics" and kind is list:
            return frozenset(self._topics.intersection(value))
        if kind is list:
            return tuple(value)
        if kind is dict:
            # Counts and days: compared with limits, too.
            return tuple(sorted((key, self._between(one)) for key, one in value.items()))
        return value

    def _between(self, fraction: float) -> tuple[int, int]:
        return bisect_left(self._limits, fraction), bisect_right(self._limits, fraction)

    def _decide(self, inputs: Mapping[str, Any]) -> tuple[Ruling, ...]:
        facts = object.__new__(_WatchedFacts)
        reads: dict[str, None] = {}
        facts.__dict__.update(facts_from_json(inputs).facts.__dict__)
        facts.__dict__["reads"] = reads
        rulings = tuple([rule_on(facts, policy) for policy in self._policies])
        self._remember(list(reads), inputs, rulings)
        return rulings

    def _remember(self, reads: list[str], inputs: Mapping[str, Any], rulings: tuple[Ruling, ...]) -> None:
        ways, way = self._root, "first"
        for name in reads:
            fork = ways.setdefault(way, _Fork(name, {}))
            if fork.__class__ is tuple or fork.name != name:
                return  # the case was too wide to remember anything of it
            ways, way = fork.ways, self._case(name, inputs.get(name, _MISSING))
        ways[way] = rulings


def rule_on(facts: RoutingFacts, policy: RoutingPolicy) -> Ruling:
    """The decision on these facts, without its reasons."""
    decision = decide(facts, policy)
    planned = tuple(Planned(action.kind, action.state) for action in decision.actions)
    return Ruling(decision.priority, decision.queue, decision.rule, planned)


def _numbers_of(value: Any) -> Iterable[float]:
    """All numbers that a policy holds, at any depth."""
    if isinstance(value, RoutingPolicy):
        value = [getattr(value, one.name) for one in fields(value)]
    elif isinstance(value, BaseModel):
        value = [getattr(value, name) for name in type(value).model_fields]
    elif isinstance(value, Mapping):
        value = list(value.values())  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield float(value)
    elif isinstance(value, list | tuple):
        for one in value:  # pyright: ignore[reportUnknownVariableType]
            yield from _numbers_of(one)
