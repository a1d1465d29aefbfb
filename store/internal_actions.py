"""What actions leave in our own rows: tags, word to the tenant's people, an escalation."""

from collections.abc import Mapping, Sequence
from typing import Any

from store.alerts import NewAlert, raise_alert
from store.db import Connection
from store.runs import RunRef


def add_tags(conn: Connection, ref: RunRef, conversation_id: str, tags: Sequence[str]) -> None:
    """Tag a conversation; a tag it has already stays as it is."""
    conn.execute(
        """
        INSERT INTO conversation_tag (conversation_id, tag, tenant_id, message_id)
        SELECT %s, tag, %s, %s FROM unnest(%s::text[]) AS tag
        ON CONFLICT (conversation_id, tag) DO NOTHING
        """,
        (conversation_id, ref.tenant_id, ref.message_id, list(tags)),
    )


def list_tags(conn: Connection, conversation_id: str) -> list[str]:
    """A conversation's tags in the order of the alphabet."""
    rows = conn.execute(
        "SELECT tag FROM conversation_tag WHERE conversation_id = %s ORDER BY tag", (conversation_id,)
    ).fetchall()
    return [tag for (tag,) in rows]


def notify_people(conn: Connection, ref: RunRef, conversation_id: str, *, details: Mapping[str, Any]) -> None:
    """An alert for the tenant's people. details: labels and reasons, no customer text."""
    raise_alert(
        conn,
        ref.tenant_id,
        NewAlert(
            kind="notify",
            key=f"notify:{ref.message_id}",
            conversation_id=conversation_id,
            message_id=ref.message_id,
            details=dict(details),
        ),
    )


def note_escalation(conn: Connection, conversation_id: str, message_id: str) -> None:
    """A person was called: nothing planned on another message leaves by itself until the conversation is resolved."""
    conn.execute("UPDATE conversation SET escalated_message_id = %s WHERE id = %s", (message_id, conversation_id))


def find_escalation(conn: Connection, conversation_id: str) -> str | None:
    """The message that called a person, while the conversation is open; else None."""
    row = conn.execute(
        "SELECT escalated_message_id::text FROM conversation WHERE id = %s AND state = 'open'", (conversation_id,)
    ).fetchone()
    return row[0] if row else None
