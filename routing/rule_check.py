"""Rules of a tenant that can never decide: contradictions, and rules that earlier ones leave nothing to."""

from dataclasses import dataclass, replace
from typing import Literal

from config.rules import Rule, RuleWhen
from config.tenant import TenantConfig
from routing.conditions import holds, holds_without_words
from routing.facts import RoutingFacts
from routing.playbooks import playbook_for
from routing.rule_cover import Packed, Packing
from routing.rule_example import facts_of, tell
from routing.rule_regions import Region, World, worlds

MAX_NAMED = 5


@dataclass(frozen=True)
class Finding:
    """One rule that can never decide. position: in the file, from 0. key: the condition that is to blame, or "when".

    example: a message that shows it, as a sentence.
    """

    kind: Literal["contradiction", "unreachable"]
    rule: str
    position: int
    key: str
    because: str
    example: str


@dataclass(frozen=True)
class _Chart:
    """A world with all rules of the tenant in it. packed: by position, None where a rule can't hold."""

    world: World
    packing: Packing
    packed: tuple[Packed | None, ...]

    @classmethod
    def of(cls, world: World, rules: tuple[Rule, ...]) -> "_Chart":
        packing = Packing(world.whole)
        conditions = [world.conditions(rule) for rule in rules]
        return cls(world, packing, tuple(packing.pack(one) if one else None for one in conditions))


def check_rules(config: TenantConfig) -> tuple[Finding, ...]:
    """What is wrong with the tenant's own rules, in their order. They stand before ours, so ours take nothing from them."""
    both = worlds(config, (*config.rules, *playbook_for(config.industry)))
    charts = (_Chart.of(both[0], config.rules), _Chart.of(both[1], config.rules))
    findings: list[Finding] = []
    for position, rule in enumerate(config.rules):
        found = _contradiction(rule, position, both, config=config) or _unreachable(
            rule, position, charts, rules=config.rules
        )
        if found:
            findings.append(found)
    return tuple(findings)


def _region(rule: Rule, world: World) -> Region | None:
    """All messages that the rule matches, None when there are none."""
    conditions = world.conditions(rule)
    region = world.whole.narrow(conditions) if conditions else None
    return None if region is None or region.is_empty() else region


def _contradiction(rule: Rule, position: int, both: tuple[World, World], *, config: TenantConfig) -> Finding | None:
    if any(_region(rule, world) for world in both):
        return None
    key, because = _to_blame(rule.when, both[0], config=config)
    without = rule.model_copy(update={"when": rule.when.model_copy(update=dict.fromkeys(_KEYS[key]))})
    region = _region(without, both[0]) or both[0].whole
    example = f"{tell(facts_of(region))} fulfils the rest, and still not this"
    return Finding("contradiction", rule.name, position, key, because, example)


# Which conditions make one dimension together.
_KEYS: dict[str, tuple[str, ...]] = {
    "max_score": ("min_score", "max_score"),
    "surface": ("surface", "channel"),
    "channel": ("surface", "channel"),
    "weekdays": ("weekdays", "between"),
    **{
        name: (name,)
        for name in ("sentiment", "intent", "topics", "signals", "floor", "language", "message_type", "tier", "hours")
    },
}
_DIMENSIONS = {"score": "max_score", "place": "surface", "time": "weekdays"}


def _to_blame(when: RuleWhen, world: World, *, config: TenantConfig) -> tuple[str, str]:
    """The condition that nothing fulfils, and why not."""
    for key, kinds in _KEYS.items():
        if any(getattr(when, kind) == () for kind in kinds):
            return key, "an empty list holds for no message; leave the condition out to allow all"
    conditions = world.conditions(Rule.model_construct(name="", because="", when=when))
    assert conditions is not None
    dimension = next(name for name, values in conditions.values.items() if not values)
    key = _DIMENSIONS.get(dimension, dimension)
    if key == "surface" and when.surface is None:
        key = "channel"
    return key, _why(key, when, config=config)


def _why(key: str, when: RuleWhen, *, config: TenantConfig) -> str:
    unsure = config.thresholds.unsure
    if key == "max_score":
        if when.min_score is not None and when.max_score is not None and when.min_score > when.max_score:
            return f"min_score {when.min_score:g} is above max_score {when.max_score:g}"
        return (
            f"max_score {when.max_score:g} is below thresholds.unsure, {unsure:g}: "
            "what is that unsure goes to review before any rule is tried"
        )
    if key in {"surface", "channel"}:
        has = " and ".join(sorted({channel.kind for channel in config.channels}))
        return f"nothing comes to the tenant there: its [[channels]] are {has}"
    if key == "hours":
        return "[hours] names no weekdays and no holidays, so people work around the clock and it is never closed"
    return "no message fulfils it"


def _unreachable(
    rule: Rule, position: int, charts: tuple["_Chart", "_Chart"], *, rules: tuple[Rule, ...]
) -> Finding | None:
    takers: set[str] = set()
    shown: RoutingFacts | None = None
    for chart in charts:
        own = chart.packed[position]
        region = _region(rule, chart.world)
        if own is None or region is None:
            continue
        taken = [
            (one.name, packed)
            for one, packed in zip(rules[:position], chart.packed, strict=False)
            if packed and not one.dry_run and chart.packing.meets(own, packed)
        ]
        if chart.packing.leaves(own, [packed for _, packed in taken]):
            return None
        alone = next((name for name, packed in taken if not chart.packing.leaves(own, [packed])), None)
        takers |= {alone} if alone else {name for name, _ in taken}
        shown = shown or facts_of(region)
    assert shown is not None
    earlier = tuple(one for one in rules[:position] if not one.dry_run)
    names = [one.name for one in earlier if one.name in takers]
    return Finding("unreachable", rule.name, position, "when", _taken_by(names), _shown_by(shown, earlier))


def _taken_by(names: list[str]) -> str:
    if len(names) == 1:
        return f'the rule "{names[0]}" before it takes everything that it matches'
    told = ", ".join(f'"{name}"' for name in names[:MAX_NAMED])
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return f"between them the rules {told}{more} before it take everything that it matches"


def _shown_by(facts: RoutingFacts, earlier: tuple[Rule, ...]) -> str:
    label = facts.label()
    taker = next(
        one.name
        for one in earlier
        if (holds(one, facts, label=label) if label else holds_without_words(one, replace(facts, outcome="no_text")))
    )
    return f'{tell(facts)} goes to "{taker}"'
