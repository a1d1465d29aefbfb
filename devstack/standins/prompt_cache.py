"""What a prompt costs: tokens, and which part of it was seen before."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from devstack.standins.claude_request import system_blocks, system_text, user_text

# The real tokenizer is not public.
CHARACTERS_PER_TOKEN = 3
# A shorter prefix is silently not cached (prompt caching, Haiku 5.5).
MIN_CACHED_TOKENS = 512


@dataclass(frozen=True)
class _Prefix:
    """Everything up to one cache mark."""

    key: str
    tokens: int
    ttl: str


class PromptCache:
    """The prefixes that were sent before. An entry never ages: no test waits five minutes."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def usage(self, payload: dict[str, Any], *, owner: str, output_tokens: int, thinking_tokens: int) -> dict[str, Any]:
        """The `usage` of one call, and from now on its prefixes are known. owner: whose cache it is."""
        prefixes = _prefixes(payload, owner)
        total = token_count(system_text(payload)) + token_count(user_text(payload))
        read = max((one.tokens for one in prefixes if one.key in self._known), default=0)
        written = {"5m": 0, "1h": 0}
        done = read
        for one in prefixes:
            if one.tokens > done:
                written[one.ttl] += one.tokens - done
                done = one.tokens
        self._known.update(one.key for one in prefixes)
        return {
            "input_tokens": max(total - done, 1),
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": sum(written.values()),
            "cache_creation": {
                "ephemeral_5m_input_tokens": written["5m"],
                "ephemeral_1h_input_tokens": written["1h"],
            },
            "output_tokens": output_tokens + thinking_tokens,
            "output_tokens_details": {"thinking_tokens": thinking_tokens},
            "service_tier": "standard",
        }


def token_count(text: str) -> int:
    """About what the text costs."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def _prefixes(payload: dict[str, Any], owner: str) -> list[_Prefix]:
    """One per cache mark that is long enough, shortest first. Another model, form or way of thinking is another prefix."""
    parts = [payload.get(name) for name in ("model", "tools", "output_config", "thinking")]
    digest = hashlib.sha256(json.dumps([owner, parts], sort_keys=True).encode())
    prefixes: list[_Prefix] = []
    characters = 0
    for block in system_blocks(payload):
        text = str(block.get("text", ""))
        digest.update(text.encode(errors="replace") + b"\0")
        characters += len(text)
        mark = block.get("cache_control")
        tokens = -(-characters // CHARACTERS_PER_TOKEN)
        if isinstance(mark, dict) and tokens >= MIN_CACHED_TOKENS:
            prefixes.append(_Prefix(digest.hexdigest(), tokens, "1h" if mark.get("ttl") == "1h" else "5m"))
    return prefixes
