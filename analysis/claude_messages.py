"""What a message of Claude's says, read from its JSON. Nothing here knows the SDK, whose own objects of it cost half a call."""

from dataclasses import dataclass, field
from typing import Any, cast

from analysis.base import ODD_ANSWER, REFUSED, AnalysisError, Usage
from analysis.cost import usage_with_cost

_TOKENS = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cached_tokens": "cache_read_input_tokens",
    "cache_write_tokens": "cache_creation_input_tokens",
}


@dataclass(frozen=True)
class ClaudeMessage:
    """An answer. texts: its blocks of text, in their order; blocks of thinking are left out."""

    model: str
    stop_reason: str
    usage: Usage
    texts: tuple[str, ...] = field(repr=False)


def read_message(found: object) -> ClaudeMessage | None:
    """None when it is no message of Claude's: a foreign JSON, a part of one."""
    message = _as_object(found)
    model, stop_reason, content = message.get("model"), message.get("stop_reason"), message.get("content")
    if not isinstance(model, str) or not isinstance(stop_reason, str):
        return None
    blocks = [_as_object(block) for block in cast("list[object]", content)] if isinstance(content, list) else []
    texts = [block.get("text") for block in blocks if block.get("type") == "text"]
    tokens = _as_object(message.get("usage"))
    counts = {name: _as_count(tokens.get(theirs)) for name, theirs in _TOKENS.items()}
    return ClaudeMessage(
        model, stop_reason, usage_with_cost(model, **counts), tuple(text for text in texts if isinstance(text, str))
    )


def text_of(message: ClaudeMessage, *, request_id: str | None) -> str:
    """The answer's text. Raises: AnalysisError for any ending but a good one."""
    usage = message.usage
    if message.stop_reason == "refusal":
        raise AnalysisError(REFUSED, permanent=True, usage=usage, request_id=request_id)
    if message.stop_reason != "end_turn":
        raise AnalysisError(f"stopped_{message.stop_reason}", permanent=True, usage=usage, request_id=request_id)
    for text in message.texts:
        if text:
            return text
    raise AnalysisError(f"{ODD_ANSWER}empty", permanent=False, usage=usage, request_id=request_id)


def _as_object(found: object) -> dict[str, Any]:
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _as_count(found: object) -> int:
    return found if isinstance(found, int) and not isinstance(found, bool) else 0
