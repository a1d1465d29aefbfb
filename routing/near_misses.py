"""What a rule that did not decide lacked."""

from collections.abc import Iterator
from dataclasses import dataclass

from config.rules import Rule, RuleWhen
from routing.conditions import PlaybookRule, holds
from routing.facts import Label, RoutingFacts, RoutingPolicy

_SINGLE_KEYS = (
    "sentiment", "intent", "topics", "signals", "floor", "channel", "surface", "language", "message_type", "high_value", "tier", "hours",
    "min_score", "max_score",
)  # fmt: skip
_TIME = ("weekdays", "between")


@dataclass(frozen=True)
class NearMiss:
    """A rule that one condition kept from deciding. lacked: the condition and what the message had instead."""

    rule: str
    lacked: str


def near_misses(facts: RoutingFacts, policy: RoutingPolicy, *, decided_by: str) -> tuple[NearMiss, ...]:
    """The rules before the one that decided which lacked one condition only, in the order they were tried."""
    label = facts.label()
    if label is None:
        return ()
    found: list[NearMiss] = []
    for rule in policy.rules:
        if rule.name == decided_by:
            break
        lacked = list(_lacked(rule, facts, label))
        if len(lacked) == 1:
            found.append(NearMiss(rule.name, lacked[0]))
    return tuple(found)


def _lacked(rule: Rule, facts: RoutingFacts, label: Label) -> Iterator[str]:
    for key in _SINGLE_KEYS:
        wanted = getattr(rule.when, key)
        if wanted is not None and not _holds(rule, RuleWhen.model_construct(**{key: wanted}), facts, label):
            yield f"{key} {_told(wanted)}: {_had(key, facts)}"
    time = {key: wanted for key in _TIME if (wanted := getattr(rule.when, key)) is not None}
    if time and not _holds(rule, RuleWhen.model_construct(**time), facts, label):
        yield f"{' and '.join(f'{key} {_told(wanted)}' for key, wanted in time.items())}: {_when(facts)}"
    if isinstance(rule, PlaybookRule) and rule.urgent and not (facts.urgent or facts.floor_hits):
        yield "urgent: neither the model nor the words call it so"


def _holds(rule: Rule, when: RuleWhen, facts: RoutingFacts, label: Label) -> bool:
    alone = Rule.model_construct(name=rule.name, because=rule.because, dry_run=False, when=when, then=rule.then)
    return holds(alone, facts, label=label)


def _told(wanted: object) -> str:
    if isinstance(wanted, tuple):
        return " or ".join(str(one) for one in wanted)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if isinstance(wanted, bool):
        return "yes" if wanted else "no"
    return f"{wanted:g}" if isinstance(wanted, float) else str(wanted)


def _had(key: str, facts: RoutingFacts) -> str:
    if key == "signals":
        signals = [name for name in ("sarcasm", "urgent", "injection_suspected") if getattr(facts, name)]
        return f"it has {' and '.join(signals) or 'none'}"
    if key == "hours":
        return {True: "it was open", False: "it was closed", None: "not known"}[facts.office_open]
    name = {"min_score": "score", "max_score": "score", "floor": "floor_hits"}.get(key, key)
    value = getattr(facts, name)
    return f"it has {_told(value) if value not in ((), None, '') else 'none'}"


def _when(facts: RoutingFacts) -> str:
    if facts.weekday is None or facts.minute is None:
        return "the time is not known"
    return f"it came on {facts.weekday} at {facts.minute // 60:02d}:{facts.minute % 60:02d}"
