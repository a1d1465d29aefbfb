"""Stored decisions made again from what is stored with them, and what came out differently."""

from dataclasses import dataclass
from typing import Any

from routing.facts import Decision, RoutingFacts, RoutingPolicy
from routing.rules import decide


@dataclass(frozen=True)
class Verdict:
    """What a stored decision says. actions: [{"kind", "state", …}], None on decisions made before they were stored."""

    priority: str
    queue: str
    rule: str
    reasons: tuple[str, ...]
    actions: tuple[dict[str, Any], ...] | None


@dataclass(frozen=True)
class Difference:
    """One part of a decision that came out differently. Only possible when decide() itself has changed since."""

    part: str
    stored: str
    now: str


def replay(stored: Verdict, facts: RoutingFacts, policy: RoutingPolicy) -> tuple[Difference, ...]:
    """What decide() says otherwise today on the same facts under the same policy; nothing when it says the same."""
    now = verdict_of(decide(facts, policy))
    parts = ["priority", "queue", "rule", "reasons"]
    if stored.actions is not None:
        parts.append("actions")
    return tuple(
        Difference(part, _told(getattr(stored, part)), _told(getattr(now, part)))
        for part in parts
        if _told(getattr(stored, part)) != _told(getattr(now, part))
    )


def verdict_of(decision: Decision) -> Verdict:
    """A decision as it would be stored."""
    return Verdict(
        decision.priority,
        decision.queue,
        decision.rule,
        decision.reasons,
        tuple({"kind": action.kind, "state": action.state} for action in decision.actions),
    )


def _told(part: Any) -> str:
    if isinstance(part, str):
        return part
    return "; ".join(f"{one['kind']} ({one['state']})" if isinstance(one, dict) else one for one in part) or "none"
