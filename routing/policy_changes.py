"""What two policies differ in, in words."""

from typing import Any

from routing.facts import RoutingPolicy
from routing.policy_snapshot import policy_to_json


def describe_changes(before: RoutingPolicy, after: RoutingPolicy) -> tuple[str, ...]:
    """One phrase per change: "escalate at 0.55 instead of 0.70", "rule vip changed", "send_refund_form switched on"."""
    old, new = policy_to_json(before), policy_to_json(after)
    told = [*_thresholds(old["thresholds"], new["thresholds"]), *_rules(old["rules"], new["rules"])]
    told += _actions(old["actions"], new["actions"])
    if old["playbook"] != new["playbook"]:
        told.append(f"playbook {new['playbook']} instead of {old['playbook']}")
    told += [
        f"other {name}"
        for name in new
        if name not in {"thresholds", "rules", "actions", "playbook", "playbook_hash", "format"}
        and old.get(name) != new[name]
    ]
    return tuple(told)


def _number(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, float) and round(value, 2) == value else str(value)


def _thresholds(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    return [
        f"{name} at {_number(new[name])} instead of {_number(old[name])}"
        for name in new
        if name in old and new[name] != old[name]
    ]


def _rules(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[str]:
    """By name, the tenant's own. What another industry's playbook brings is told by its name alone."""
    mine = {rule["name"]: rule for rule in old if not rule["playbook"]}
    theirs = {rule["name"]: rule for rule in new if not rule["playbook"]}
    told = [f"new rule {name}" for name in theirs if name not in mine]
    told += [f"without rule {name}" for name in mine if name not in theirs]
    told += [f"rule {name} changed" for name in theirs if name in mine and theirs[name] != mine[name]]
    kept = [name for name in mine if name in theirs]
    if kept != [name for name in theirs if name in mine]:
        told.append("rules in another order")
    return told


def _actions(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    told: list[str] = []
    for kind in sorted({*old, *new}):
        if kind not in new:
            told.append(f"{kind} recorded only")
        elif kind not in old:
            told.append(f"{kind} switched {'on' if new[kind]['enabled'] else 'off'}")
        elif new[kind] != old[kind]:
            told += [
                f"{kind} switched {'on' if value else 'off'}"
                if name == "enabled"
                else f"{kind} {name} {value} instead of {old[kind].get(name)}"
                for name, value in new[kind].items()
                if value != old[kind].get(name)
            ]
    return told
