"""Settings of a tenant as the console and the API change them: a patch on what is stored, checked like a tenant file."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, cast

from pydantic import ValidationError

from config.action_checks import list_action_problems
from config.actions import ActionConfig
from config.field_problems import list_field_problems
from config.queue_names import list_queue_problems
from config.rule_names import check_names
from config.tenant import TenantConfig
from config.topic_names import list_topic_problems
from routing.rule_check import check_rules

MAX_RULES = 200
"""Of a tenant's own, as far as they are changed here. Whether each of them can decide is found out by looking at all before it."""

# What says which messages a rule can meet; the rest of the settings can't make one dead.
_RULES_GO_BY = frozenset({"rules", "industry", "topics", "thresholds", "hours", "queues"})
# What has ways of its own to be set, or none.
_NOT_HERE = {
    "slug": "can't be changed: it names the tenant in files and on the command line",
    "channels": "is set with the channel's own form",
    "crm": "is set with the CRM's own form",
    "alerts": "is set with the alert targets' own form",
}


@dataclass(frozen=True)
class SettingProblem:
    """path: as in the tenant file, "rules.2.when.topics"; "" for all of it. told: what is wrong and what to do, no value."""

    path: str
    told: str


class SettingsError(Exception):
    """The settings were not taken; `problems` says why, at least one."""

    def __init__(self, problems: Collection[SettingProblem]) -> None:
        super().__init__("; ".join(f"{one.path}: {one.told}" for one in problems))
        self.problems = tuple(problems)


def patch_settings(
    config: TenantConfig,
    patch: Mapping[str, Any],
    *,
    allow_private_urls: bool,
    stored_secrets: Collection[str] = (),
) -> TenantConfig:
    """The settings with a JSON merge patch (RFC 7396: null takes a key away, lists are replaced as a whole), checked in full.

    stored_secrets: kinds of action whose secret is stored already. Raises: SettingsError.
    """
    refused = [SettingProblem(name, _NOT_HERE[name]) for name in patch if name in _NOT_HERE]
    if refused:
        raise SettingsError(refused)
    # Without defaults: a key that is for one kind of action only would otherwise stand, as its default, with all of them.
    document = _merge(
        config.model_dump(mode="json", exclude={"channels", "crm", "alerts"}, exclude_defaults=True), patch
    )
    _leave_one_switch(document, patch)
    _leave_out_defaults(document)
    try:
        changed = TenantConfig.model_validate(document)
    except ValidationError as error:
        raise SettingsError([SettingProblem(_path(loc), told) for loc, told in list_field_problems(error)]) from None
    except RecursionError:
        raise SettingsError([SettingProblem("", "is nested too deeply")]) from None
    problems = check_settings(
        changed,
        allow_private_urls=allow_private_urls,
        stored_secrets=stored_secrets,
        rules_too=changed.rules != config.rules
        or (len(changed.rules) <= MAX_RULES and not _RULES_GO_BY.isdisjoint(patch)),
    )
    if problems:
        raise SettingsError(problems)
    return changed


def _leave_one_switch(document: dict[str, Any], patch: Mapping[str, Any]) -> None:
    """`mode` and `enabled` say the same: what the patch gives takes the other one's place."""
    actions: Any = patch.get("actions")
    if not isinstance(actions, Mapping):
        return
    for kind, given in cast("Mapping[str, Any]", actions).items():
        stands: Any = document["actions"].get(kind)
        if not isinstance(given, Mapping) or not isinstance(stands, dict):
            continue
        for one, other in (("mode", "enabled"), ("enabled", "mode")):
            if one in given and other not in given:
                cast("dict[str, Any]", stands).pop(other, None)


def _leave_out_defaults(document: dict[str, Any]) -> None:
    """What was read with all its defaults may be sent back as it is: a key that is for another kind says nothing then."""
    defaults = ActionConfig().model_dump(mode="json", exclude={"mode", "enabled"})
    actions: Any = document.get("actions")
    for action in actions.values() if isinstance(actions, dict) else ():  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        if isinstance(action, dict):
            table = cast("dict[str, Any]", action)
            for name in [name for name, value in table.items() if name in defaults and value == defaults[name]]:
                del table[name]


def check_settings(
    config: TenantConfig, *, allow_private_urls: bool, stored_secrets: Collection[str] = (), rules_too: bool = True
) -> list[SettingProblem]:
    """What is wrong beyond each value's own shape: addresses, names that do not exist, twins among topics, rules that never decide.

    rules_too: look for rules that never decide, which takes time; False where nothing has changed for them.
    """
    if rules_too and len(config.rules) > MAX_RULES:
        return [
            SettingProblem("rules", f"are {len(config.rules)}; at most {MAX_RULES} fit here, so merge or drop some")
        ]
    found: list[tuple[tuple[int | str, ...], str]] = [
        *list_topic_problems(config),
        *list_action_problems(config, allow_private_urls=allow_private_urls, stored_secrets=stored_secrets),
        *list_queue_problems(config),
        *((one.loc, one.told) for one in check_names(config)),
    ]
    if not found and rules_too:
        found = [
            (
                ("rules", one.position, "when", *([one.key] if one.key != "when" else [])),
                f"can never decide: {one.because}. For example: {one.example}.",
            )
            for one in check_rules(config)
        ]
    return [SettingProblem(_path(loc), told) for loc, told in found]


def _path(loc: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in loc)


def _merge(target: Any, patch: Any) -> Any:
    if not isinstance(patch, Mapping):
        return patch
    merged: dict[str, Any] = dict(cast("Mapping[str, Any]", target)) if isinstance(target, Mapping) else {}
    for name, value in cast("Mapping[str, Any]", patch).items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merge(merged.get(name), value)
    return merged
