"""Careful reads from decoded JSON: what is not of the expected shape is absent, never an exception."""

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, cast

from channels.clean_text import clean_text

MAX_ID_CHARS = 512
MAX_EMOJI_CHARS = 64
# Meta began in 2004; a time far in the future is a unit mistake or an attack on ordering.
_EARLIEST = datetime(2004, 1, 1, tzinfo=UTC)
_LATEST = datetime(2100, 1, 1, tzinfo=UTC)
_MILLISECONDS_FROM = 10**11
_NUMBER = re.compile(r"\s*\d{1,18}(\.\d{1,9})?\s*")
_WORD = re.compile(r"[a-z0-9_]{1,40}")
_COMPACT = json.JSONEncoder(separators=(",", ":"))


def as_object(value: Any) -> dict[str, Any]:
    """The value when it is an object, else an empty one."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def as_objects(value: Any) -> Iterator[dict[str, Any]]:
    """The objects of an array; a lone object counts as an array of one."""
    items = cast("list[Any]", value) if isinstance(value, list) else [value]
    return (cast("dict[str, Any]", item) for item in items if isinstance(item, dict))


def list_items(value: Any, *, dropped: Counter[str]) -> list[dict[str, Any]]:
    """The objects of an array in its order; what is no object is counted as a bad item, no value at all is not."""
    if value is None:
        return []
    items = cast("list[Any]", value) if isinstance(value, list) else [value]
    objects = list(as_objects(items))
    if len(objects) < len(items):
        dropped["bad_item"] += len(items) - len(objects)
    return objects


def as_id(value: Any) -> str | None:
    """An id as text: numbers become digits. Empty, too long or anything else is absent.

    A longer one is not cut: two ids with the same beginning would become one message.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return str(value) if abs(value) < 10**40 else None
    if isinstance(value, str) and value.strip() and len(value) <= MAX_ID_CHARS:
        return clean_text(value.strip())
    return None


def as_username(value: Any) -> str | None:
    """A handle in lower case without its "@"."""
    username = as_id(value)
    return username.removeprefix("@").lower() or None if username else None


def as_word(value: Any, *, otherwise: str) -> str:
    """A keyword of the provider's, such as a type: at most 40 of a-z, 0-9 and _; what is none becomes `otherwise`."""
    return value if isinstance(value, str) and _WORD.fullmatch(value) else otherwise


def as_text(value: Any) -> str | None:
    """Customer words, cleaned and capped; absent when there are none but white space."""
    return clean_text(value) if isinstance(value, str) and value.strip() else None


def as_emoji(value: Any) -> str | None:
    """A reaction's emoji or word; absent or empty means that it was taken back."""
    return clean_text(value.strip(), max_chars=MAX_EMOJI_CHARS) if isinstance(value, str) and value.strip() else None


def as_time(value: Any) -> datetime | None:
    """Seconds, milliseconds, either as text, or ISO 8601; absent when it is none of these or absurd."""
    moment: datetime | None = None
    try:
        if isinstance(value, str) and _NUMBER.fullmatch(value):
            value = float(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            seconds = value / 1000 if value >= _MILLISECONDS_FROM else value
            moment = datetime.fromtimestamp(seconds, UTC)
        elif isinstance(value, str):
            moment = datetime.fromisoformat(value)
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return moment if moment and _EARLIEST < moment < _LATEST else None


def as_raw(item: dict[str, Any]) -> bytes:
    """The item as compact ASCII JSON, whatever its strings hold."""
    return _COMPACT.encode(item).encode("ascii")
