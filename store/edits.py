"""New words for stored messages, and emojis on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from channels.base import MessageEdit, Reaction
from store.db import Connection
from store.intake import StartedRun, add_messages, find_message_ids, key_of, message_key

# States in which the initial pass has not yet written anything that stays: it starts over with the new words.
_RESTARTABLE = ("received", "minimized", "analyzed", "dead")


def apply_edits(conn: Connection, tenant_id: int, edits: Sequence[MessageEdit], *, pepper: bytes) -> list[StartedRun]:
    """Give messages their new words and have them analyzed anew; what they said before is kept as a version.

    An edit that comes before its original becomes the message. Late, repeated and empty edits change nothing, nor does an
    edit of what was taken back. Automations that are still waiting are cancelled, and a second look never plans new ones.
    Returns the runs to start. The transaction must act for `tenant_id`.
    """
    started: list[StartedRun] = []
    for edit in edits:
        key = message_key(pepper, edit.message)
        added = add_messages(conn, tenant_id, [edit.message], pepper=pepper)
        if key in added.message_ids:
            conn.execute(
                "UPDATE message SET edits = 1, edited_at = %s WHERE id = %s",
                (edit.edited_at, added.message_ids[key]),
            )
            started.extend(added.runs)
            continue
        found = find_message_ids(conn, tenant_id, account_id=edit.message.account_id, keys=[key])
        if key in found:
            started.extend(_apply_edit(conn, tenant_id, found[key], edit))
    return started


@dataclass(frozen=True)
class _Edited:
    direction: str
    state: str
    text: str | None
    edited_at: datetime | None
    is_history: bool
    judged_as: str
    """The message whose analysis speaks for this one: itself, or the last of its burst."""


def _apply_edit(conn: Connection, tenant_id: int, message_id: str, edit: MessageEdit) -> list[StartedRun]:
    # Runs before the message, as everywhere.
    conn.execute("SELECT FROM run WHERE message_id = %s ORDER BY id FOR UPDATE", (message_id,))
    row = conn.execute(
        """
        SELECT direction, state, text, edited_at, is_history, coalesce(joined_to, id)::text
        FROM message
        WHERE id = %s
        FOR UPDATE
        """,
        (message_id,),
    ).fetchone()
    if row is None:  # its month was dropped
        return []
    was = _Edited(*row)
    is_late = edit.edited_at is not None and was.edited_at is not None and edit.edited_at <= was.edited_at
    if was.state == "erased" or is_late or edit.message.text == was.text:
        return []
    _keep_version(conn, tenant_id, message_id)
    conn.execute(
        """
        UPDATE message
        SET text = %s, edits = edits + 1, edited_at = coalesce(%s, now()), minimized_text = NULL, stripped = NULL
        WHERE id = %s
        """,
        (edit.message.text, edit.edited_at, message_id),
    )
    conn.execute("UPDATE message_raw SET item = %s WHERE message_id = %s", (edit.message.raw, message_id))
    if was.direction == "outbound" or was.is_history:
        return []
    conn.execute(
        """
        UPDATE action
        SET state = 'cancelled', error_code = 'edited', settled_at = now()
        WHERE message_id = %s AND state = 'pending'
        """,
        (message_id,),
    )
    return [look_again(conn, tenant_id, was.judged_as)]


def _keep_version(conn: Connection, tenant_id: int, message_id: str) -> None:
    conn.execute(
        """
        INSERT INTO message_version (message_id, version, tenant_id, text, item)
        SELECT m.id, m.edits, %s, m.text, r.item
        FROM message AS m LEFT JOIN message_raw AS r ON r.message_id = m.id
        WHERE m.id = %s
        ON CONFLICT DO NOTHING
        """,
        (tenant_id, message_id),
    )


def look_again(conn: Connection, tenant_id: int, message_id: str) -> StartedRun:
    """Have a message judged by its words of now: its open pass starts over where it may, else a second look follows.

    An answer that is under way for the old words finds its lease gone and is not kept.
    """
    row = conn.execute(
        """
        UPDATE run
        SET state = 'received', outcome = NULL, answer = NULL, error_code = NULL, lease_token = NULL, lease_until = NULL,
            crashes = 0, rings = 0, gathers_until = NULL, next_at = now() + interval '5 seconds'
        WHERE id = (
            SELECT id
            FROM run
            WHERE message_id = %s AND kind IN ('initial', 'reanalyze') AND state = ANY(%s)
            ORDER BY kind, id DESC
            LIMIT 1
        )
        RETURNING id::text, kind
        """,
        (message_id, list(_RESTARTABLE)),
    ).fetchone()
    if row is None:
        row = conn.execute(
            "INSERT INTO run (tenant_id, message_id, kind) VALUES (%s, %s, 'reanalyze') RETURNING id::text, kind",
            (tenant_id, message_id),
        ).fetchone()
    assert row is not None
    if row[1] == "initial":
        conn.execute("UPDATE message SET state = 'received' WHERE id = %s AND state <> 'erased'", (message_id,))
    return StartedRun(tenant_id, message_id, row[0])


def apply_reactions(conn: Connection, tenant_id: int, reactions: Sequence[Reaction], *, pepper: bytes) -> None:
    """Keep each person's newest reaction to a message; one that comes before its message waits for it under its key.

    The transaction must act for `tenant_id`.
    """
    for reaction in reactions:
        conn.execute(
            """
            INSERT INTO message_reaction AS r (tenant_id, account_id, target_key, actor_key, by_business, emoji, reacted_at)
            VALUES (%s, %s, %s, %s, %s, %s, coalesce(%s, now()))
            ON CONFLICT (tenant_id, account_id, target_key, actor_key) DO UPDATE
                SET emoji = EXCLUDED.emoji, reacted_at = EXCLUDED.reacted_at
                WHERE r.reacted_at <= EXCLUDED.reacted_at
            """,
            (
                tenant_id,
                reaction.account_id,
                key_of(pepper, channel=reaction.channel, source=reaction.target_source),
                key_of(pepper, channel=reaction.channel, source=f"actor:{reaction.actor}"),
                reaction.by_business,
                reaction.emoji,
                reaction.reacted_at,
            ),
        )


def list_reactions(conn: Connection, message_id: str) -> list[tuple[str, bool]]:
    """(emoji, by the business) on one message, oldest first; what was taken back is not among them."""
    return conn.execute(
        """
        SELECT r.emoji, r.by_business
        FROM message_key AS k
        JOIN message_reaction AS r ON r.tenant_id = k.tenant_id AND r.account_id = k.account_id AND r.target_key = k.key
        WHERE k.message_id = %s AND r.emoji IS NOT NULL
        ORDER BY r.reacted_at
        """,
        (message_id,),
    ).fetchall()
