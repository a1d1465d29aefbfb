"""The one gate for text from outside: what Postgres, JSON and people can't take is replaced, nothing raises."""

import re

from channels.base import MAX_TEXT_CHARS

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def clean_text(text: str, *, max_chars: int = MAX_TEXT_CHARS) -> str:
    """NUL and lone surrogates become U+FFFD; longer text is cut. The original stays in the raw item."""
    text = text[:max_chars].replace("\x00", REPLACEMENT)
    if text.isascii():  # by far the most ids and texts
        return text
    return _LONE_SURROGATE.sub(REPLACEMENT, text)
