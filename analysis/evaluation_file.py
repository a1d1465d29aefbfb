"""A labelled file: one JSON object a line, read whole, with every problem named by line, field and fix. Pure.

Problems never repeat what stands in the file: it holds what customers wrote.
"""

import difflib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

from analysis.schema import MAX_TOPICS
from config.words import Intent, Sentiment

MAX_LINE_BYTES = 64 * 1024
MAX_TURNS = 20
MAX_ID_CHARS = 128
MAX_GROUP_CHARS = 40
FIELDS = ("id", "text", "sentiment", "intent", "lang", "kind", "topics", "context", "is_injection")
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
_UTF8_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Turn:
    """An earlier turn of the conversation, not yet stripped."""

    speaker: Literal["customer", "agent"]
    text: str = field(repr=False)


@dataclass(frozen=True)
class Case:
    """One labelled message, not yet stripped. None: not labelled. id: the file's own, else `line-<number>`."""

    line: int
    id: str
    text: str = field(repr=False)
    sentiment: Sentiment | None = None
    intent: Intent | None = None
    lang: str | None = None
    kind: str | None = None
    topics: tuple[str, ...] | None = None
    context: tuple[Turn, ...] = field(default=(), repr=False)
    is_injection: bool | None = None


@dataclass(frozen=True)
class Problem:
    """What is wrong on a line (1 is the first; None: the whole file) and how to mend it."""

    line: int | None
    text: str

    def __str__(self) -> str:
        return self.text if self.line is None else f"line {self.line}: {self.text}"


@dataclass(frozen=True)
class LabelledFile:
    """The messages in the file's order. With problems the file is not to be used."""

    cases: tuple[Case, ...]
    problems: tuple[Problem, ...]


class _BadLineError(Exception):
    """All that is wrong with one line."""

    def __init__(self, *problems: str) -> None:
        super().__init__(*problems)
        self.problems = problems


def read_labelled(content: bytes, *, topics: Iterable[str]) -> LabelledFile:
    """The file's messages. topics: the names that a `topics` label may use. Blank lines are passed over."""
    known_topics = frozenset(topics)
    cases: list[Case] = []
    problems: list[Problem] = []
    line_of_id: dict[str, int] = {}
    for number, line in enumerate(content.removeprefix(_UTF8_MARK).split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            case = _case(_object(line), number=number, known_topics=known_topics)
        except _BadLineError as error:
            problems += [Problem(number, text) for text in error.problems]
            continue
        first = line_of_id.setdefault(case.id, number)
        if first != number:
            problems.append(Problem(number, f"`id` is the same as on line {first}; each message needs its own"))
        cases.append(case)
    if not cases and not problems:
        problems.append(Problem(None, "the file holds no message; write one JSON object a line"))
    return LabelledFile(tuple(cases), tuple(problems))


def _object(line: bytes) -> dict[str, Any]:
    if len(line) > MAX_LINE_BYTES:
        raise _BadLineError(f"longer than {MAX_LINE_BYTES // 1024} kB; cut the text, 4,096 characters of it are read")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise _BadLineError("not UTF-8; save the file as UTF-8") from None
    twice: list[str] = []

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        twice.extend(name for name in FIELDS if names.count(name) > 1)
        return dict(pairs)

    try:
        fields = json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError):
        raise _BadLineError("not JSON; write one whole JSON object on the line") from None
    if not isinstance(fields, dict):
        raise _BadLineError('not a JSON object; write {"text": …, "sentiment": …}')
    if twice:
        raise _BadLineError(f"`{twice[0]}` is given twice; keep one")
    return cast("dict[str, Any]", fields)


def _case(fields: dict[str, Any], *, number: int, known_topics: frozenset[str]) -> Case:
    """Raises: _BadLineError with everything that is wrong."""
    given = {name: fields[name] for name in FIELDS if fields.get(name) is not None}
    problems = [*_misspelt(fields), *_problems(given, known_topics=known_topics)]
    if problems:
        raise _BadLineError(*problems)
    turns = tuple(Turn(turn["from"], turn["text"]) for turn in given.get("context", ()))
    topics = given.get("topics")
    return Case(
        line=number,
        id=str(given.get("id", f"line-{number}")),
        text=given["text"],
        sentiment=given.get("sentiment"),
        intent=given.get("intent"),
        lang=given.get("lang"),
        kind=given.get("kind"),
        topics=None if topics is None else tuple(dict.fromkeys(topics)),
        context=turns,
        is_injection=given.get("is_injection"),
    )


def _misspelt(fields: dict[str, Any]) -> list[str]:
    """Other fields are the user's own and passed over, unless they look like one of ours: a label would be lost."""
    meant = {
        close[0] for name in fields if name not in FIELDS and (close := difflib.get_close_matches(name, FIELDS, 1, 0.8))
    }
    return [f"a field's name is almost `{name}`; spell it so, or name it otherwise" for name in sorted(meant)]


def _problems(given: dict[str, Any], *, known_topics: frozenset[str]) -> list[str]:
    problems: list[str] = []
    if "text" not in given:
        problems.append("`text` is missing; it holds what the customer wrote")
    elif not _is_text(given["text"]):
        problems.append("`text` must be a text that is not empty")
    if "sentiment" not in given and "intent" not in given:
        problems.append("neither `sentiment` nor `intent` is given; label at least one")
    for name, labels in (("sentiment", get_args(Sentiment)), ("intent", get_args(Intent))):
        if name in given and given[name] not in labels:
            problems.append(f"`{name}` must be {', '.join(labels[:-1])} or {labels[-1]}")
    if "id" in given and not _is_id(given["id"]):
        problems.append(f"`id` must be a number or a line of 1 to {MAX_ID_CHARS} characters")
    problems += [
        f"`{name}` must be a line of 1 to {MAX_GROUP_CHARS} characters"
        for name in ("lang", "kind")
        if name in given and not _is_name(given[name], max_chars=MAX_GROUP_CHARS)
    ]
    if not isinstance(given.get("is_injection", False), bool):
        problems.append("`is_injection` must be true or false")
    if "topics" in given and not _are_topics(given["topics"], known_topics):
        listed = ", ".join(sorted(known_topics))
        problems.append(f"`topics` must be a list of at most {MAX_TOPICS} names of: {listed} (see --industry)")
    if "context" in given and not _are_turns(given["context"]):
        problems.append(
            f'`context` must be a list of at most {MAX_TURNS} turns {{"from": "customer" or "agent", "text": …}}, oldest first'
        )
    return problems


def _is_text(value: Any) -> bool:
    """Half of a surrogate pair is no text: nothing could send it."""
    return isinstance(value, str) and bool(value.strip()) and not _HALF_CHARACTER.search(value)


def _is_name(value: Any, *, max_chars: int) -> bool:
    """Something that can be printed on a line."""
    return _is_text(value) and len(value) <= max_chars and value.isprintable()


def _is_id(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return False
    return _is_name(str(value), max_chars=MAX_ID_CHARS)


def _are_topics(value: Any, known_topics: frozenset[str]) -> bool:
    return (
        isinstance(value, list)
        and len(cast("list[Any]", value)) <= MAX_TOPICS
        and all(isinstance(topic, str) and topic in known_topics for topic in cast("list[Any]", value))
    )


def _are_turns(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(cast("list[Any]", value)) <= MAX_TURNS
        and all(
            isinstance(turn, dict) and turn.get("from") in ("customer", "agent") and _is_text(turn.get("text"))
            for turn in cast("list[Any]", value)
        )
    )
