"""A signed body, decoded: bounded, and with one error class whatever the bytes are."""

import json
import math
from typing import Any, cast

from channels.base import ChannelError

MAX_DEPTH = 64
# Ids, times and amounts have fewer. Python's own limit is some thousands, can be switched off by any library in the
# process, and a long number takes quadratic time then.
MAX_INTEGER_CHARS = 40


def _refuse_constant(name: str) -> None:
    # NaN and Infinity are no JSON; json.loads takes them, Postgres and other programs don't.
    raise ValueError(name)


def _read_integer(digits: str) -> int | None:
    """A number nobody can have meant is absent: refusing the body would lose its neighbours."""
    return int(digits) if len(digits) <= MAX_INTEGER_CHARS else None


def _read_float(digits: str) -> float | None:
    """1e999 is JSON, but Python reads infinity, which nothing after us could write down again."""
    number = float(digits)
    return number if math.isfinite(number) else None


def _too_deep(value: Any) -> bool:
    stack: list[tuple[Any, int]] = [(value, 0)]
    while stack:
        item, level = stack.pop()
        if level > MAX_DEPTH:
            return True
        if isinstance(item, dict):
            stack.extend((child, level + 1) for child in item.values())
        elif isinstance(item, list):
            stack.extend((child, level + 1) for child in item)
    return False


def decode_body(body: bytes) -> Any:
    """The decoded object or array. Only UTF-8 (a byte order mark is let through); of a repeated key the last value counts.

    A lone surrogate or an absurd number in one place harms no other.

    Raises: ChannelError("body_not_json") or ChannelError("body_too_deep").
    """
    try:
        value = json.loads(
            body.decode("utf-8-sig"),
            parse_constant=_refuse_constant,
            parse_int=_read_integer,
            parse_float=_read_float,
        )
    except RecursionError:
        raise ChannelError("body_too_deep", permanent=True) from None
    except ValueError:  # also UnicodeDecodeError and JSONDecodeError
        raise ChannelError("body_not_json", permanent=True) from None
    if not isinstance(value, (dict, list)):  # a bare number or text is no webhook; unread, it is kept for a look
        raise ChannelError("body_not_json", permanent=True)
    if _too_deep(cast("object", value)):
        raise ChannelError("body_too_deep", permanent=True)
    return value
