"""What the next page says first about what was just done."""

from typing import Any

from flask import session

KEY = "notice"


def give_notice(kind: str, **details: Any) -> None:
    """Say it on the page that comes next. details: numbers and words of ours only; they travel in the browser's cookie."""
    session[KEY] = {"kind": kind, **details}


def take_notice() -> dict[str, Any] | None:
    """What is to be said now, once."""
    found = session.pop(KEY, None)
    return found if isinstance(found, dict) else None
