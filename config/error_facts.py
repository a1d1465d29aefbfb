"""What may be told of an exception outside this machine: its class, its code, and where in our code it was. Never its text, which may
quote a customer, and no values.
"""

import re
from types import TracebackType

OWN_PACKAGES = frozenset(
    {
        "analysis", "channels", "cli", "config", "console", "crm_sync", "devstack", "routing", "store", "webhook_receiver", "worker",
    }
)  # fmt: skip
# A second wall: codes and names are ours, so nothing that could be a sentence, an address, an id of a channel's or a number to call is one.
_WORD = re.compile(r"[a-z][a-z0-9_.:/<>-]{0,99}")
_NUMBER = re.compile(r"[0-9]{9,}")


def is_word(value: str) -> bool:
    """Whether it looks like a code or a name of ours, such as `rate_limited_429` or `claude-haiku-5-5`."""
    return _WORD.fullmatch(value) is not None and _NUMBER.search(value) is None


def class_of(error: BaseException) -> str:
    """The name of its class."""
    return type(error).__name__


def code_of(error: BaseException) -> str | None:
    """The code of an error of ours, or the status of one of Flask's; None for all others."""
    code = getattr(error, "code", None)
    package = type(error).__module__.partition(".")[0]
    if package == "werkzeug" and isinstance(code, int):
        return f"http_{code}"
    return code if package in OWN_PACKAGES and isinstance(code, str) and is_word(code) else None


def own_frames(trace: TracebackType | None) -> list[tuple[str, str, int]]:
    """(module, function, line) of each frame in our code, innermost last."""
    frames: list[tuple[str, str, int]] = []
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__", ""))
        if module.partition(".")[0] in OWN_PACKAGES:
            frames.append((module, trace.tb_frame.f_code.co_name, trace.tb_lineno))
        trace = trace.tb_next
    return frames
