"""What a request to Claude says: the message, the turns before it, topics, examples and the form to fill in."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

_TOPICS = re.compile(r"^\s*Topics:\s*(\{.*\})\s*$", re.MULTILINE)
# `- German: "Danke für nichts." negative.` as rules give examples.
_QUOTED_EXAMPLE = re.compile(r'"([^"\n]{2,300})"\s*(?:is|are|:|=|->|→)?\s*([a-z_]+)\b')
# An example speaks for a message that shares this part of their words.
NEARLY_EQUAL = 0.7


@dataclass(frozen=True)
class Conversation:
    """The user turn. context: oldest first, each {"from", "text"}."""

    message: str
    context: list[dict[str, Any]]


def system_blocks(payload: dict[str, Any]) -> list[dict[str, Any]]:
    """The system prompt as blocks, in order."""
    system = payload.get("system") or []
    return [{"type": "text", "text": system}] if isinstance(system, str) else list(system)


def system_text(payload: dict[str, Any]) -> str:
    """The system prompt as one text."""
    return "\n".join(str(block.get("text", "")) for block in system_blocks(payload))


def user_text(payload: dict[str, Any]) -> str:
    """The last turn as one text."""
    content = payload["messages"][-1]["content"]
    return content if isinstance(content, str) else "\n".join(str(block.get("text", "")) for block in content)


def answer_schema(payload: dict[str, Any]) -> dict[str, Any]:
    """The JSON schema the answer must fit; empty when the request names none."""
    answer_format = (payload.get("output_config") or {}).get("format") or {}
    return answer_format.get("schema") or {}


def conversation(payload: dict[str, Any]) -> Conversation:
    """The message to judge. A user turn that is no JSON object is the message itself."""
    text = user_text(payload)
    try:
        turn = json.loads(text)
    except (ValueError, RecursionError):
        turn = None
    if not isinstance(turn, dict):
        return Conversation(text, [])
    context = turn.get("context")
    turns = [one for one in context if isinstance(one, dict)] if isinstance(context, list) else []
    return Conversation(str(turn.get("message", "")), turns)


def listed_topics(system: str) -> dict[str, str]:
    """Topic name to definition, from the lines `Topics: {…}`."""
    topics: dict[str, str] = {}
    for line in _TOPICS.findall(system):
        listed = _object(line)
        topics.update({str(name): str(definition) for name, definition in listed.items()})
    return topics


def example_for(message: str, *, system: str, schema: dict[str, Any]) -> dict[str, Any]:
    """What the examples in the system prompt say of (nearly) this message, field by field; empty when none is close.

    Corrections are JSON lines {"text": …, "sentiment": …, …}; they win over the examples that rules quote.
    """
    properties: dict[str, Any] = schema.get("properties") or {}
    quoted: dict[str, Any] = {}
    corrections, examples = _examples_in(system)
    for text, label in examples:
        if label in (properties.get("sentiment") or {}).get("enum", ()) and _likeness(text, message) >= NEARLY_EQUAL:
            quoted = {"sentiment": label}
    return quoted | _closest_correction(message, corrections)


@lru_cache(maxsize=64)
def _examples_in(system: str) -> tuple[tuple[tuple[str, dict[str, Any]], ...], tuple[tuple[str, str], ...]]:
    """Corrections as (text, the other fields), and (text, label) as rules quote them: thousands of calls have the same system prompt."""
    decoded = [_object(line) for line in system.splitlines() if line.lstrip().startswith("{")]
    corrections = tuple((str(one.pop("text", "")), one) for one in decoded)
    return corrections, tuple(_QUOTED_EXAMPLE.findall(system))


def _closest_correction(message: str, corrections: Iterable[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    closest, best = {}, NEARLY_EQUAL
    for text, example in corrections:
        likeness = _likeness(text, message)
        if example and likeness >= best:  # of two that are as close, the later is the newer
            closest, best = example, likeness
    return dict(closest)


def _likeness(one: str, other: str) -> float:
    """From 0 (no word in common) to 1 (the same words)."""
    folded = one.strip().casefold(), other.strip().casefold()
    if folded[0] == folded[1]:
        return 1.0 if folded[0] else 0.0
    words = [_words_of(text) for text in folded]
    together = words[0] | words[1]
    return len(words[0] & words[1]) / len(together) if together else 0.0


@lru_cache(maxsize=4096)
def _words_of(folded: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", folded))


def _object(text: str) -> dict[str, Any]:
    try:
        decoded = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return decoded if isinstance(decoded, dict) else {}
