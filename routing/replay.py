"""Stored decisions made again from what is stored with them, and what came out differently."""

from collections.abc import Iterable
from dataclasses import dataclass

from routing.facts import Decision, RoutingFacts, RoutingPolicy
from routing.reasons import trial
from routing.rules import decide


@dataclass(frozen=True)
class Difference:
    """One part of a decision that came out differently. Only possible when decide() itself has changed since."""

    part: str
    stored: str
    now: str


def replay(
    stored: Decision, facts: RoutingFacts, policy: RoutingPolicy, *, has_actions: bool = True
) -> tuple[Difference, ...]:
    """What decide() says otherwise today on the same facts under the same policy; nothing when it says the same.

    has_actions: False when the stored decision is from before actions were kept with it, so that they can't be compared.
    """
    then, now = _parts(stored), _parts(decide(facts, policy))
    if not has_actions:
        del then["actions"]
    return tuple(Difference(part, told, now[part]) for part, told in then.items() if told != now[part])


def _parts(decision: Decision) -> dict[str, str]:
    """All that a decision says, by part, as it is compared and shown."""
    return {
        "priority": decision.priority,
        "queue": decision.queue,
        "rule": decision.rule,
        "reasons": _listed(decision.reasons),
        "actions": _listed(f"{action.kind} ({action.state})" for action in decision.actions),
        "skill": decision.skill or "none",
        "tags": _listed(decision.tags),
        "dry_run": _listed(map(trial, decision.trials)),
    }


def _listed(parts: Iterable[str]) -> str:
    return "; ".join(parts) or "none"
