"""A policy as it is stored: all that decide() reads of a tenant's settings and of our playbooks, and nothing else."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ValidationError

from config.actions import ActionConfig
from config.rules import Rule
from config.thresholds import Thresholds
from routing.conditions import PlaybookRule
from routing.facts import RoutingPolicy
from routing.stored_facts import StoredInputsError, as_tuples

_FORMAT = 1
_READ_APART = ("thresholds", "rules", "actions")


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
        **{field.name: _deciding(getattr(policy, field.name)) for field in fields(policy)},
        "format": _FORMAT,
        "playbook_hash": _hash(_canonical(ours)),
        "thresholds": policy.thresholds.model_dump(mode="json"),
        "rules": rules,
    }


def _canonical(document: Any) -> str:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _rule_to_json(rule: Rule) -> dict[str, Any]:
    return {**rule.model_dump(mode="json"), "playbook": isinstance(rule, PlaybookRule)}


def _deciding(value: Any) -> Any:
    """Of settings: switches, numbers and choices. Addresses, wordings and secrets decide nothing and stay where they are."""
    if isinstance(value, BaseModel):
        kept = {name for name, field in type(value).model_fields.items() if _is_choice(field.annotation)}
        return {name: _deciding(getattr(value, name)) for name in sorted(kept)}
    if isinstance(value, Mapping):
        return {name: _deciding(item) for name, item in value.items()}  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if isinstance(value, tuple):
        return [_deciding(item) for item in value]  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return value


def _is_choice(annotation: Any) -> bool:
    """Whether a field of this type holds no free text."""
    if annotation in {bool, int, float, type(None), ...} or get_origin(annotation) is Literal:
        return True
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return True
    values = get_args(annotation)
    if get_origin(annotation) is dict:
        values = values[1:]
    return bool(values) and all(_is_choice(one) for one in values)


def policy_from_json(document: Mapping[str, Any]) -> RoutingPolicy:
    """The policy of a stored decision. Settings that this version does not know are left out, missing ones get their defaults.

    Raises: StoredInputsError when a value means nothing to this version.
    """
    kinds = get_type_hints(RoutingPolicy)
    try:
        rest = {
            field.name: _constructed(kinds[field.name], document[field.name])
            for field in fields(RoutingPolicy)
            if field.name in document and field.name not in _READ_APART
        }
        return RoutingPolicy(
            thresholds=Thresholds.model_validate(_known(Thresholds, document["thresholds"])),
            rules=tuple(_rule_from_json(rule) for rule in document["rules"]),
            actions={kind: _constructed(ActionConfig, config) for kind, config in document["actions"].items()},
            **rest,
        )
    except (KeyError, ValidationError) as error:
        what = f"has no {error}" if isinstance(error, KeyError) else "holds a value this version does not know"
        message = f"the stored policy {what}"
        raise StoredInputsError(message) from None


def _constructed(kind: Any, value: Any) -> Any:
    """A setting from JSON, not checked again: what a snapshot leaves out may be what another setting demands."""
    model = next((one for one in (kind, *get_args(kind)) if isinstance(one, type) and issubclass(one, BaseModel)), None)
    if model is None or not isinstance(value, dict):
        return as_tuples(value)
    if get_origin(kind) is dict:
        return {name: _constructed(model, item) for name, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    known = {name: item for name, item in value.items() if name in model.model_fields}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return model.model_construct(
        **{name: _constructed(model.model_fields[name].annotation, item) for name, item in known.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    )


def count_unknown(document: Mapping[str, Any]) -> int:
    """How many settings of the stored policy a newer version wrote that this one does not look at."""
    rules = sum(
        _count(PlaybookRule if rule.get("playbook") else Rule, rule) - ("playbook" in rule)
        for rule in document.get("rules", ())
    )
    actions = sum(_count(ActionConfig, config) for config in document.get("actions", {}).values())
    return rules + actions + _count(Thresholds, document.get("thresholds", {}))


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
