"""A signed body, decoded: bounded, and with one error class whatever the bytes are."""

import json
from typing import Any

from channels.base import ChannelError

MAX_DEPTH = 64


def _refuse_constant(name: str) -> None:
    # NaN and Infinity are no JSON; json.loads takes them, Postgres and other programs don't.
    raise ValueError(name)


def _too_deep(value: Any, *, depth: int) -> bool:
    stack: list[tuple[Any, int]] = [(value, depth)]
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
    """The decoded JSON value. Only UTF-8 (a byte order mark is let through); a lone surrogate in one text harms no other.

    Raises: ChannelError("body_not_json") or ChannelError("body_too_deep").
    """
    try:
        value = json.loads(body.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except RecursionError:
        raise ChannelError("body_too_deep", permanent=True) from None
    except ValueError:  # also UnicodeDecodeError, JSONDecodeError and integers of thousands of digits
        raise ChannelError("body_not_json", permanent=True) from None
    if _too_deep(value, depth=0):
        raise ChannelError("body_too_deep", permanent=True)
    return value
