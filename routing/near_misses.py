"""What rules that did not decide lacked: the few that came closest."""

from collections.abc import Iterator
from dataclasses import dataclass

from config.rules import Rule, RuleWhen
from routing.conditions import PlaybookRule, holds
from routing.facts import Label, RoutingFacts, RoutingPolicy

MAX_NEAR_MISSES = 3
_SINGLE_KEYS = (
    "sentiment", "intent", "topics", "signals", "floor", "channel", "surface", "language", "message_type", "high_value", "tier", "hours",
    "min_score", "max_score",
)  # fmt: skip
_TIME = ("weekdays", "between")
# What says what a message is about. A rule that shares none of it with the message is about something else.
_SUBJECT = ("intent", "topics", "signals", "floor", "surface", "message_type", "high_value", "tier")


@dataclass(frozen=True)
class NearMiss:
    """A rule that one condition kept from deciding. lacked: the condition and what the message had instead. fulfilled: how many others
    the message fulfils.
    """

    rule: str
    lacked: str
    fulfilled: int
    is_own: bool


def near_misses(facts: RoutingFacts, policy: RoutingPolicy, *, decided_by: str) -> tuple[NearMiss, ...]:
    """At most `MAX_NEAR_MISSES` of the rules before the one that decided: those that lacked one condition and fulfil another that
    says what the message is about. The tenant's own first, then those that fulfil most, then the order they were tried in.
    """
    label = facts.label()
    if label is None:
        return ()
    found: list[NearMiss] = []
    for rule in policy.rules:
        if rule.name == decided_by:
            break
        miss = _near_miss(rule, facts, label)
        if miss:
            found.append(miss)
    return tuple(sorted(found, key=lambda miss: (not miss.is_own, -miss.fulfilled))[:MAX_NEAR_MISSES])


def _near_miss(rule: Rule, facts: RoutingFacts, label: Label) -> NearMiss | None:
    lacked = dict(_lacked(rule, facts, label))
    given = [key for key in (*_SINGLE_KEYS, *_TIME) if getattr(rule.when, key) is not None]
    fulfilled = [key for key in given if key not in lacked and not ("time" in lacked and key in _TIME)]
    if len(lacked) != 1 or not any(key in _SUBJECT for key in fulfilled):
        return None
    (told,) = lacked.values()
    return NearMiss(rule.name, told, len(fulfilled), is_own=not isinstance(rule, PlaybookRule))


def _lacked(rule: Rule, facts: RoutingFacts, label: Label) -> Iterator[tuple[str, str]]:
    """(condition, what was wanted and what there is) for each condition that does not hold."""
    for key in _SINGLE_KEYS:
        wanted = getattr(rule.when, key)
        if wanted is not None and not _holds(rule, RuleWhen.model_construct(**{key: wanted}), facts, label):
            yield key, f"{key} {_told(wanted)}: {_had(key, facts)}"
    time = {key: wanted for key in _TIME if (wanted := getattr(rule.when, key)) is not None}
    if time and not _holds(rule, RuleWhen.model_construct(**time), facts, label):
        yield "time", f"{' and '.join(f'{key} {_told(wanted)}' for key, wanted in time.items())}: {_when(facts)}"
    if isinstance(rule, PlaybookRule) and rule.urgent and not (facts.urgent or facts.floor_hits):
        yield "urgent", "urgent: neither the model nor the words call it so"


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
    if isinstance(value, tuple):
        return f"it has {' and '.join(value) or 'none'}"  # pyright: ignore[reportUnknownArgumentType]
    return f"it has {_told(value) if value not in (None, '') else 'none'}"


def _when(facts: RoutingFacts) -> str:
    if facts.weekday is None or facts.minute is None:
        return "the time is not known"
    return f"it came on {facts.weekday} at {facts.minute // 60:02d}:{facts.minute % 60:02d}"
