"""Where a list goes on: an opaque word that holds the place of the last row."""

import base64
import binascii
import json
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from console.api.problems import Problem


def write_cursor(place: Sequence[str | datetime]) -> str:
    """The place as one word for an address."""
    parts = [part.isoformat() if isinstance(part, datetime) else part for part in place]
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def _parts(cursor: str, count: int) -> list[str]:
    try:
        parts = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if isinstance(parts, list) and len(parts) == count and all(_is_plain(part) for part in parts):
            return parts
    except (ValueError, binascii.Error):
        pass
    raise _unusable()


def _is_plain(part: object) -> bool:
    """We write ASCII only; a NUL or half a character would be an error of the database's."""
    return isinstance(part, str) and part.isascii() and part.isprintable()


def _unusable() -> Problem:
    return Problem(422, "invalid_cursor", field="cursor", fix="leave it out, or give next_cursor of the page before")


def read_place(cursor: str | None) -> tuple[str, datetime, str] | None:
    """(priority, time, id). Raises: Problem."""
    if cursor is None:
        return None
    priority, at, row_id = _parts(cursor, 3)
    return (priority, *_time_and_id(at, row_id))


def read_moment(cursor: str | None) -> tuple[datetime, str] | None:
    """(time, id). Raises: Problem."""
    return _time_and_id(*_parts(cursor, 2)) if cursor is not None else None


def read_id(cursor: str | None) -> str | None:
    """An id. Raises: Problem."""
    if cursor is None:
        return None
    try:
        return str(UUID(_parts(cursor, 1)[0]))
    except ValueError:
        raise _unusable() from None


def read_number(cursor: str | None) -> int | None:
    """A number of ours. Raises: Problem."""
    if cursor is None:
        return None
    (text,) = _parts(cursor, 1)
    if not text.isdigit() or len(text) > 9:
        raise _unusable()
    return int(text)


def _time_and_id(at: str, row_id: str) -> tuple[datetime, str]:
    try:
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None:
            raise _unusable()
        return moment, str(UUID(row_id))
    except ValueError:
        raise _unusable() from None
