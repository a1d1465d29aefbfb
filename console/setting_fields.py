"""One setting as a field of a form: how its value is shown, how what was typed is read, and what changes with it."""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from config.tenant import TenantConfig
from routing.settings_check import SettingProblem

Kind = Literal["text", "number", "whole", "share", "yes", "choice", "checks", "words", "lines", "pairs", "prose"]
# Longer ones are no numbers, and Python takes long over them.
_MAX_DIGITS = 20
_CONTROL = frozenset(chr(code) for code in (*range(9), 11, 12, *range(14, 32), 127))

# A key that is not there and one that is empty say the same.
_BOTH_NOTHING = ((None, ""), ("", None))

# Instead of a pattern: beside the field stands what is taken.
_PLAINLY = "is not of the form that is taken here"

Choices = tuple[str, ...] | Callable[[TenantConfig], Iterable[str]]


@dataclass(frozen=True)
class Field:
    """path: as in the tenant file. label, help: English, for the catalogs. unit: what the number counts, as a word for the catalogs.

    choices: what may be chosen, or what gives it. lowest, highest: for the browser; config says what is really taken.
    value_key: pairs only: the key in each table that the second word fills, as `about` in [queues.NAME].
    """

    path: str
    label: str
    help: str = ""
    kind: Kind = "text"
    choices: Choices = ()
    lowest: float | None = None
    highest: float | None = None
    unit: str = ""
    value_key: str | None = None

    @property
    def is_code(self) -> bool:
        """Whether what is typed is the same in every language and is written from left to right."""
        return self.kind in {"number", "whole", "share"} or self.path.partition(".")[0] in {"hours", "model"}

    def options(self, config: TenantConfig) -> tuple[str, ...]:
        """What may be chosen in this tenant, with what is chosen now."""
        known = tuple(self.choices(config)) if callable(self.choices) else self.choices
        stands = read_path(config.model_dump(mode="json"), self.path)
        chosen = stands if isinstance(stands, list) else [stands]
        return (*known, *(str(one) for one in cast("list[Any]", chosen) if one is not None and one not in known))


@dataclass(frozen=True)
class Section:
    """Fields under one heading. is_folded: shown when somebody asks."""

    title: str
    fields: tuple[Field, ...]
    help: str = ""
    is_folded: bool = False


@dataclass(frozen=True)
class SettingsPage:
    """One page of settings. name: in its address."""

    name: str
    title: str
    about: str
    sections: tuple[Section, ...]

    @property
    def fields(self) -> tuple[Field, ...]:
        """All of them, in order."""
        return tuple(one for section in self.sections for one in section.fields)


def read_path(document: Mapping[str, Any], path: str) -> Any:
    """The value at a path of names; None where there is none."""
    value: Any = document
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = cast("Mapping[str, Any]", value).get(name)
    return value


def put_path(document: dict[str, Any], path: str, value: Any) -> None:
    """Put a value at a path of names, with the tables on the way."""
    *way, last = path.split(".")
    for name in way:
        document = document.setdefault(name, {})
    document[last] = value


def shown(one: Field, value: Any) -> str | list[str]:
    """A stored value as the field shows it; a list of words for boxes."""
    if one.kind == "checks":
        return [str(word) for word in value or ()]
    if one.kind == "yes":
        return "yes" if value else ""
    if one.kind == "lines":
        return "\n".join(value or ())
    if one.kind == "words":
        return ", ".join(value or ())
    if one.kind == "pairs":
        return "\n".join(f"{name}: {_second(one, second)}" for name, second in (value or {}).items())
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    return "" if value is None else str(value)


def _second(one: Field, value: Any) -> str:
    return str(value[one.value_key] if one.value_key else value)


class FieldError(ValueError):
    """What was typed can't be read as this kind of field. The text says what to write."""


def read_typed(one: Field, typed: Sequence[str]) -> Any:
    """What was typed, as it is stored; None takes the setting back to its default. Raises: FieldError."""
    if one.kind == "yes":
        return bool(typed)
    if one.kind == "checks":
        return [_clean(word) for word in typed if word]
    text = _clean(typed[-1] if typed else "").strip()
    if one.kind == "words":
        return [word.strip() for word in text.split(",") if word.strip()]
    if one.kind in {"lines", "pairs"}:
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return lines if one.kind == "lines" else _pairs(one, lines)
    if not text:
        return "" if one.path == "tone" else None
    if one.kind in {"number", "whole", "share"}:
        return read_number(text, whole=one.kind == "whole")
    return text


def read_number(text: str, *, whole: bool = False) -> float | int:
    """A number as people write it, also with a comma. Raises: FieldError."""
    plain = text.strip().replace(",", ".").replace("\N{ARABIC DECIMAL SEPARATOR}", ".")
    if len(plain) > _MAX_DIGITS:
        raise FieldError("is no number of a sensible size; write it in digits")
    try:
        number = int(plain) if whole else float(plain)
    except ValueError:
        told = "is no whole number; write one like 5" if whole else "is no number; write one like 0.7"
        raise FieldError(told) from None
    if not math.isfinite(number):
        raise FieldError("is no number; write one like 0.7")
    return number


def _clean(text: str) -> str:
    if not _CONTROL.isdisjoint(text):
        raise FieldError("holds a control character; write it anew instead of pasting it")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _pairs(one: Field, lines: list[str]) -> dict[str, Any]:
    pairs: dict[str, Any] = {}
    for number, line in enumerate(lines, start=1):
        name, colon, second = (part.strip() for part in line.partition(":"))
        if not colon or not name or not second:
            raise FieldError(f"line {number} is not of the form name: what it is about")
        if name in pairs:
            raise FieldError(f"line {number} names what an earlier line names already; join them")
        pairs[name] = {one.value_key: second} if one.value_key else second
    return pairs


@dataclass
class Typed:
    """A form that was sent: what each field holds, the patch that it makes, and what could not be read."""

    values: dict[str, str | list[str]] = field(default_factory=dict[str, "str | list[str]"])
    patch: dict[str, Any] = field(default_factory=dict[str, Any])
    problems: list[SettingProblem] = field(default_factory=list[SettingProblem])


def read_form(fields: Iterable[Field], config: TenantConfig, given: Callable[[str], list[str]]) -> Typed:
    """What a form says, as a merge patch that holds only what differs from what stands. given: all values of a name."""
    typed, stands = Typed(), config.model_dump(mode="json")
    for one in fields:
        raw = given(one.path)
        typed.values[one.path] = raw if one.kind == "checks" else (raw[-1] if raw else "")
        try:
            value = read_typed(one, raw)
        except FieldError as error:
            typed.problems.append(SettingProblem(one.path, str(error)))
            continue
        before = read_path(stands, one.path)
        value = in_old_order(value, before)
        if value != before and (value, before) not in _BOTH_NOTHING:
            put_path(typed.patch, one.path, _replacing(value, before))
    return typed


def in_old_order(value: Any, before: Any) -> Any:
    """What was stored, where the same words are chosen: boxes have an order of their own."""
    if isinstance(value, list) and isinstance(before, list):
        chosen, stands = cast("list[Any]", value), cast("list[Any]", before)
        return stands if sorted(map(str, chosen)) == sorted(map(str, stands)) else chosen
    return value


def _replacing(value: Any, before: Any) -> Any:
    """A table of the tenant's own names replaces the one before: what it does not name is taken away."""
    if isinstance(value, dict) and isinstance(before, dict):
        return {**dict.fromkeys(cast("dict[str, Any]", before)), **cast("dict[str, Any]", value)}
    return value


def show_all(fields: Iterable[Field], config: TenantConfig) -> dict[str, str | list[str]]:
    """What stands, by path, as the fields show it."""
    document = config.model_dump(mode="json")
    return {one.path: shown(one, read_path(document, one.path)) for one in fields}


def sort_problems(
    problems: Iterable[SettingProblem], paths: Collection[str]
) -> tuple[dict[str, list[str]], list[SettingProblem]]:
    """(what is wrong by the form's field, what belongs to none of them)."""
    by_field: dict[str, list[str]] = {}
    others: list[SettingProblem] = []
    for one in problems:
        at = next((path for path in paths if one.path == path or one.path.startswith(f"{path}.")), None)
        if at is None:
            others.append(one)
            continue
        rest = one.path.removeprefix(at).strip(".")
        where = f"line {int(rest) + 1} " if rest.isdecimal() else f"{rest} " if rest and len(rest) <= 60 else ""
        told = _PLAINLY if one.told.startswith("String should match pattern") else one.told
        by_field.setdefault(at, []).append(f"{where}{told}")
    return by_field, others
