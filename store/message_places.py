"""In which conversations messages stand: the way to them, and the log of who has read them."""

from collections import Counter
from collections.abc import Sequence

from store.conversation_events import Actor, add_accesses
from store.db import Connection


def find_places(conn: Connection, tenant_id: int, message_ids: Sequence[str]) -> dict[str, str]:
    """Message to conversation, of those of the tenant that have one."""
    rows: list[tuple[str, str]] = conn.execute(
        """
        SELECT id::text, conversation_id::text
        FROM message
        WHERE tenant_id = %s AND id = ANY(%s::uuid[]) AND conversation_id IS NOT NULL
        """,
        (tenant_id, list(message_ids)),
    ).fetchall()
    return dict(rows)


def note_reading(conn: Connection, tenant_id: int, message_ids: Sequence[str], *, actor: Actor) -> dict[str, str]:
    """Keep that somebody read these messages outside of their conversations. Returns message to conversation."""
    places = find_places(conn, tenant_id, message_ids)
    add_accesses(conn, tenant_id, Counter(places.values()), actor=actor)
    return places


def list_snippets(conn: Connection, tenant_id: int, message_ids: Sequence[str]) -> dict[str, str]:
    """The first words of these messages, as they were written; without those that were taken back."""
    rows: list[tuple[str, str]] = conn.execute(
        """
        SELECT id::text, left(text, 160)
        FROM message
        WHERE tenant_id = %s AND id = ANY(%s::uuid[]) AND text IS NOT NULL AND state <> 'erased'
        """,
        (tenant_id, list(message_ids)),
    ).fetchall()
    return dict(rows)
