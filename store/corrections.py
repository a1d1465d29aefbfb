"""What people say about a message against what the model said: appended for ever, the newest that is not undone counts."""

import difflib
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field as column
from datetime import datetime
from typing import Literal, get_args

from analysis.schema import MAX_TOPICS
from config.words import Intent, Sentiment
from store.db import Connection
from store.effective_labels import find_effective_label

Field = Literal["sentiment", "intent", "topics"]
FIELDS: tuple[Field, ...] = get_args(Field)
MAX_REASON_CHARS = 500


class CorrectionError(Exception):
    """A correction that cannot be taken; the text names the field and says what to do. It never quotes a message."""

    permanent = True

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")
        self.field = name


def check_value(name: str, value: str | Sequence[str], *, topics: Sequence[str]) -> str:
    """The value as it is stored: a sentiment, an intent, or names of topics joined by commas, the same name once.

    topics: the tenant's list. Raises: CorrectionError.
    """
    if name not in FIELDS:
        raise CorrectionError("field", f"can be {_listed(FIELDS)}")
    parts = value.split(",") if isinstance(value, str) else list(value)
    names = [snapped for part in parts if (snapped := re.sub(r"[\s-]+", "_", part.strip().lower()))]
    if name == "topics":
        return _check_topics(list(dict.fromkeys(names)), topics=topics)
    known: tuple[str, ...] = get_args(Sentiment if name == "sentiment" else Intent)
    if len(names) != 1 or names[0] not in known:
        raise CorrectionError(name, f"must be one of {_listed(known)}")
    return names[0]


def _check_topics(names: list[str], *, topics: Sequence[str]) -> str:
    if len(names) > MAX_TOPICS:
        raise CorrectionError("topics", f"{len(names)} are too many; name the {MAX_TOPICS} that matter most, or fewer")
    unknown = [name[:40] for name in names if name not in topics]
    if unknown:
        near = [best for name in unknown for best in difflib.get_close_matches(name, topics, n=1)]
        hint = f"did you mean {_listed(near)}?" if near else f"the list has {_listed(sorted(topics))}"
        raise CorrectionError(
            "topics", f"{_listed(unknown)} not on the tenant's list; {hint} New ones go into the tenant file, [topics]"
        )
    return ",".join(names)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)


def check_reason(reason: str | None) -> str | None:
    """The reason as it is stored, None for an empty one. Raises: CorrectionError."""
    cleaned = " ".join((reason or "").split())
    if len(cleaned) > MAX_REASON_CHARS:
        raise CorrectionError(
            "reason",
            f"has {len(cleaned)} characters; say it in {MAX_REASON_CHARS} or fewer, without the customer's words",
        )
    return cleaned.replace("\0", "") or None


@dataclass(frozen=True)
class CorrectableMessage:
    """Whose message it is."""

    id: str
    customer_id: str | None
    conversation_id: str | None


def get_correctable(conn: Connection, tenant_id: int, message_id: str) -> CorrectableMessage:
    """The message of this tenant, when people may correct its label. Raises: CorrectionError."""
    row = None
    if _is_uuid(message_id):
        row = conn.execute(
            """
            SELECT id::text, customer_id::text, conversation_id::text, direction, state, joined_to::text
            FROM message
            WHERE id = %s AND tenant_id = %s
            """,
            (message_id, tenant_id),
        ).fetchone()
    if row is None:
        raise CorrectionError("message", "this tenant has no such message; take the id from its conversation")
    direction, state, joined_to = row[3:]
    if direction != "inbound":
        raise CorrectionError("message", "only messages of customers have labels; this one was sent to a customer")
    if state == "erased":
        raise CorrectionError("message", "its words are erased, so nobody can judge it any more")
    if joined_to:
        raise CorrectionError("message", f"it was judged together with a later one; correct {joined_to}")
    return CorrectableMessage(*row[:3])


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


def add_correction(
    conn: Connection, tenant_id: int, message_id: str, *, name: Field, value: str, by: int | None, reason: str | None
) -> str | None:
    """Append a correction with a checked value; it counts from the commit on. Returns its id.

    None when a person has said the same already: a second click changes nothing. Raises: CorrectionError when nothing has
    read the message yet.
    """
    label = find_effective_label(conn, message_id)
    if label is None and not _has_reading(conn, message_id):
        raise CorrectionError("message", "nothing has read it yet; wait for its analysis, or start one")
    if label is not None and name in label.corrected and label.value_of(name) == value:
        return None
    row = conn.execute(
        """
        INSERT INTO correction (
            tenant_id, message_id, field, old_value, new_value, reason, corrected_by, model_value, analysis_id
        )
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
        RETURNING id::text
        """,
        (
            tenant_id,
            message_id,
            name,
            label.value_of(name) if label else "",
            value,
            reason,
            by,
            label.model_value_of(name) if label else None,
            label.analysis.id if label else None,
        ),
    ).fetchone()
    assert row is not None
    return row[0]


def _has_reading(conn: Connection, message_id: str) -> bool:
    return (
        conn.execute(
            "SELECT FROM message_analysis WHERE message_id = %s AND id > %s LIMIT 1", (message_id, message_id)
        ).fetchone()
        is not None
    )


def undo_correction(conn: Connection, tenant_id: int, message_id: str, *, name: str, by: int | None) -> str:
    """Take back the correction that counts, so that the one before it, or the model's value, counts again. Returns its id.

    Raises: CorrectionError when there is none.
    """
    row = conn.execute(
        """
        UPDATE correction
        SET undone_at = now(), undone_by = %s
        WHERE id = (
            SELECT id
            FROM correction
            WHERE tenant_id = %s AND message_id = %s AND field = %s AND undone_at IS NULL
            ORDER BY id DESC
            LIMIT 1
        )
        RETURNING id::text
        """,
        (by, tenant_id, message_id, name),
    ).fetchone()
    if row is None:
        raise CorrectionError(name, "nobody has corrected it, so there is nothing to undo")
    return row[0]


@dataclass(frozen=True)
class StoredCorrection:
    """One correction as people read it. by: the person's e-mail, None for one without an account or a caller that may not see it."""

    id: str
    message_id: str
    field: str
    old_value: str
    new_value: str
    model_value: str | None
    reason: str | None = column(repr=False)
    by: str | None
    created_at: datetime
    undone_at: datetime | None


def list_corrections(
    conn: Connection, tenant_id: int, *, message_id: str | None = None, limit: int = 200, before_id: str | None = None
) -> list[StoredCorrection]:
    """Newest first, the undone ones too."""
    rows = conn.execute(
        """
        SELECT c.id::text, c.message_id::text, c.field, c.old_value, c.new_value, c.model_value, c.reason, u.email,
               c.created_at, c.undone_at
        FROM correction AS c LEFT JOIN app_user AS u ON u.id = c.corrected_by
        WHERE c.tenant_id = %s AND (%s::text IS NULL OR c.message_id::text = %s) AND (%s::uuid IS NULL OR c.id < %s::uuid)
        ORDER BY c.id DESC
        LIMIT %s
        """,
        (tenant_id, message_id, message_id, before_id, before_id, limit),
    ).fetchall()
    return [StoredCorrection(*row) for row in rows]
