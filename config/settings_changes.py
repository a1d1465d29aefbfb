"""What differs between two versions of a tenant's settings, key by key."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

MAX_SHOWN_CHARS = 200


@dataclass(frozen=True)
class SettingChange:
    """path: as in the tenant file, "sla.P1.first_answer_min". before, after: None where the key is not there."""

    path: str
    before: Any
    after: Any


def list_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[SettingChange]:
    """Changed keys in the order of `after`, then those that are gone. Both as `TenantConfig.model_dump(mode="json")` gives them.

    Lists of tables (rules) are compared by the tables' names. Of addresses only the host is told, as a token may stand in the rest.
    """
    changes: list[SettingChange] = []
    _compare("", before, after, changes)
    return changes


def _compare(path: str, before: Any, after: Any, changes: list[SettingChange]) -> None:
    if before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        names: list[str] = [*after, *(name for name in before if name not in after)]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        for name in names:
            _compare(f"{path}.{name}" if path else name, before.get(name), after.get(name), changes)  # pyright: ignore[reportUnknownMemberType]
        return
    named = _by_name(before), _by_name(after)
    if named[0] is not None and named[1] is not None:
        _compare(path, named[0], named[1], changes)
        if list(named[0]) != list(named[1]) and set(named[0]) == set(named[1]):
            changes.append(SettingChange(f"{path}.order", list(named[0]), list(named[1])))
        return
    changes.append(SettingChange(path, _told(path, before), _told(path, after)))


def _by_name(value: Any) -> dict[str, Any] | None:
    """A list of tables that each have a name, by that name; None for everything else."""
    if not isinstance(value, list) or not all(isinstance(one, Mapping) and "name" in one for one in value):  # pyright: ignore[reportUnknownVariableType]
        return None
    return {one["name"]: one for one in value}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def _told(path: str, value: Any) -> Any:
    if isinstance(value, str):
        if path.rpartition(".")[2].endswith("url"):
            return urlsplit(value).hostname
        return value if len(value) <= MAX_SHOWN_CHARS else f"{value[:MAX_SHOWN_CHARS]}…"
    if isinstance(value, Mapping):
        return {name: _told(f"{path}.{name}", one) for name, one in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    if isinstance(value, list):
        return [_told(path, one) for one in value]  # pyright: ignore[reportUnknownVariableType]
    return value
