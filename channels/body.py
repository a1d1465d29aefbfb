"""A signed body, decoded: bounded, and with one error class whatever the bytes are."""

import json
import math
from typing import Any, cast

from channels.base import ChannelError

# Nothing that a parser reads lies deeper.
MAX_DEPTH = 64
# Objects and arrays in one body. Four MiB of real events have a third of it; a million empty ones cost half a minute.
MAX_CONTAINERS = 150_000
# Ids, times and amounts have fewer. Python's own limit is some thousands, can be switched off by any library in the
# process, and a long number takes quadratic time then.
MAX_INTEGER_CHARS = 40


def _read_constant(name: str) -> None:
    """NaN and Infinity are no JSON; json.loads takes them, Postgres and other programs don't. They are absent."""
    _ = name


def _read_integer(digits: str) -> int | None:
    """A number nobody can have meant is absent: refusing the body would lose its neighbours."""
    return int(digits) if len(digits) <= MAX_INTEGER_CHARS else None


def _read_float(digits: str) -> float | None:
    """1e999 is JSON, but Python reads infinity, which nothing after us could write down again."""
    number = float(digits)
    return number if math.isfinite(number) else None


# Made once: json.loads would make one for each body.
_DECODER = json.JSONDecoder(parse_constant=_read_constant, parse_int=_read_integer, parse_float=_read_float)


def _prune(value: Any) -> None:
    """Cut, in place, what is nested deeper than anything that is read: it harms no neighbour."""
    stack: list[tuple[Any, int]] = [(value, 0)]
    while stack:
        item, level = stack.pop()
        if isinstance(item, dict):
            entries = cast("dict[str, Any]", item)
            if level == MAX_DEPTH:
                entries.clear()
            stack.extend((child, level + 1) for child in entries.values() if isinstance(child, (dict, list)))
        else:
            items = cast("list[Any]", item)
            if level == MAX_DEPTH:
                items.clear()
            stack.extend((child, level + 1) for child in items if isinstance(child, (dict, list)))


def decode_body(body: bytes) -> Any:
    """The decoded object or array. Only UTF-8 (a byte order mark is let through); of a repeated key the last value counts.

    A lone surrogate, an absurd number or deep nesting in one place harms no other.

    Raises: ChannelError("body_not_json"), ChannelError("body_too_deep") for what even the decoder can't follow, or
    ChannelError("body_too_wide").
    """
    # Brackets in texts count too: nobody writes that many.
    brackets = body.count(b"{") + body.count(b"[")
    if brackets > MAX_CONTAINERS:
        raise ChannelError("body_too_wide", permanent=True)
    try:
        value = _DECODER.decode(body.decode("utf-8-sig"))
    except RecursionError:
        raise ChannelError("body_too_deep", permanent=True) from None
    except ValueError:  # also UnicodeDecodeError and JSONDecodeError
        raise ChannelError("body_not_json", permanent=True) from None
    if not isinstance(value, (dict, list)):  # a bare number or text is no webhook; unread, it is kept for a look
        raise ChannelError("body_not_json", permanent=True)
    if brackets > MAX_DEPTH:  # fewer can't be nested deeper
        _prune(value)
    return value
