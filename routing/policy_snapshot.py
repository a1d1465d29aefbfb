"""A policy as it is stored: all that decide() reads of a tenant's settings and of our playbooks, and nothing else."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError

from config.actions import ActionConfig
from config.rules import Rule
from config.surveys import Surveys
from config.thresholds import Thresholds
from routing.conditions import PlaybookRule
from routing.facts import RoutingPolicy
from routing.stored_facts import StoredInputsError

_FORMAT = 1


@dataclass(frozen=True)
class PolicySnapshot:
    """A policy with its name. policy_hash: SHA-256 of `text`, which is canonical JSON."""

    policy_hash: str
    text: str


def take_snapshot(policy: RoutingPolicy) -> PolicySnapshot:
    """The policy as canonical JSON and its hash: equal policies have equal hashes, on every machine."""
    text = _canonical(policy_to_json(policy))
    return PolicySnapshot(_hash(text), text)


def policy_to_json(policy: RoutingPolicy) -> dict[str, Any]:
    """The policy as a JSON object. playbook_hash: of our own rules alone, to tell whether they or the tenant changed."""
    rules = [_rule_to_json(rule) for rule in policy.rules]
    ours = [rule for rule in rules if rule["playbook"]]
    return {
        "format": _FORMAT,
        "playbook": policy.playbook,
        "playbook_hash": _hash(_canonical(ours)),
        "thresholds": policy.thresholds.model_dump(mode="json"),
        "rules": rules,
        "actions": {kind: _switches(config) for kind, config in policy.actions.items()},
        "surveys": policy.surveys.model_dump(mode="json"),
    }


def _canonical(document: Any) -> str:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _rule_to_json(rule: Rule) -> dict[str, Any]:
    return {**rule.model_dump(mode="json"), "playbook": isinstance(rule, PlaybookRule)}


def _switches(config: ActionConfig) -> dict[str, Any]:
    """Switches, numbers and choices. Addresses, wordings and secrets decide nothing and stay where they are."""
    chosen = {name for name, field in ActionConfig.model_fields.items() if _is_choice(field.annotation)}
    return config.model_dump(mode="json", include=chosen)


def _is_choice(annotation: Any) -> bool:
    return annotation in {bool, int, float} or get_origin(annotation) is Literal


def policy_from_json(document: Mapping[str, Any]) -> RoutingPolicy:
    """The policy of a stored decision. Settings that this version does not know are left out, missing ones get their defaults.

    Raises: StoredInputsError when a value means nothing to this version.
    """
    try:
        return RoutingPolicy(
            thresholds=Thresholds.model_validate(_known(Thresholds, document["thresholds"])),
            rules=tuple(_rule_from_json(rule) for rule in document["rules"]),
            actions={
                # What is left out of a snapshot may be what another setting demands: not to be checked again.
                kind: ActionConfig.model_construct(**_known(ActionConfig, config))
                for kind, config in document["actions"].items()
            },
            playbook=document.get("playbook", ""),
            surveys=Surveys.model_validate(_known(Surveys, document.get("surveys", {}))),
        )
    except (KeyError, ValidationError) as error:
        what = f"has no {error}" if isinstance(error, KeyError) else "holds a value this version does not know"
        message = f"the stored policy {what}"
        raise StoredInputsError(message) from None


def count_unknown(document: Mapping[str, Any]) -> int:
    """How many settings of the stored policy a newer version wrote that this one does not look at."""
    rules = sum(
        _count(PlaybookRule if rule.get("playbook") else Rule, rule) - ("playbook" in rule)
        for rule in document.get("rules", ())
    )
    actions = sum(_count(ActionConfig, config) for config in document.get("actions", {}).values())
    surveys = _count(Surveys, document.get("surveys", {}))
    return rules + actions + surveys + _count(Thresholds, document.get("thresholds", {}))


def _rule_from_json(rule: Mapping[str, Any]) -> Rule:
    kind = PlaybookRule if rule.get("playbook") else Rule
    return kind.model_validate(_known(kind, rule))


def _known(model: type[BaseModel], document: Mapping[str, Any]) -> dict[str, Any]:
    """What of the document the model has a field for, at every depth."""
    known: dict[str, Any] = {}
    for name, value in document.items():
        if name in model.model_fields:
            inner = _inner_model(model, name) if isinstance(value, dict) else None
            known[name] = _known(inner, value) if inner else value  # pyright: ignore[reportUnknownArgumentType]
    return known


def _count(model: type[BaseModel], document: Mapping[str, Any]) -> int:
    """How many keys of the document the model has no field for, at every depth."""
    unknown = 0
    for name, value in document.items():
        inner = _inner_model(model, name) if name in model.model_fields and isinstance(value, dict) else None
        unknown += _count(inner, value) if inner else name not in model.model_fields  # pyright: ignore[reportUnknownArgumentType]
    return unknown


def _inner_model(model: type[BaseModel], name: str) -> type[BaseModel] | None:
    annotation = model.model_fields[name].annotation
    for one in (annotation, *get_args(annotation)):
        if isinstance(one, type) and issubclass(one, BaseModel):
            return one
    return None
