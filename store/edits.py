"""New words for stored messages, and emojis on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from channels.base import MessageEdit, Reaction
from store.db import Connection
from store.intake import StartedRun, add_messages, find_message_ids, key_of, message_key

# States in which a pass has not yet written anything that stays: it starts over with the new words.
_RESTARTABLE = ("received", "minimized", "analyzed", "dead")


def apply_edits(conn: Connection, tenant_id: int, edits: Sequence[MessageEdit], *, pepper: bytes) -> list[StartedRun]:
    """Give messages their new words and have them analyzed anew; what they said before is kept as a version.

    An edit that comes before its original becomes the message. Late, repeated and empty edits change nothing, nor does an
    edit of what was taken back. Automations that are still waiting are cancelled, and a second look never plans new ones.
    Of several edits of one message in a body the newest counts. Returns the runs to start. The transaction must act for
    `tenant_id`.
    """
    newest: dict[bytes, MessageEdit] = {}
    for edit in edits:
        key = message_key(pepper, edit.message)
        if key not in newest or _is_newer(edit, newest[key]):
            newest[key] = edit
    if not newest:
        return []
    added = add_messages(conn, tenant_id, [edit.message for edit in newest.values()], pepper=pepper)
    _mark_as_edited(conn, {added.message_ids[key]: newest[key] for key in added.message_ids})
    rest = {key: edit for key, edit in newest.items() if key not in added.message_ids}
    known: dict[str, MessageEdit] = {}
    for account_id in {edit.account_id for edit in rest.values()}:
        keys = [key for key, edit in rest.items() if edit.account_id == account_id]
        found = find_message_ids(conn, tenant_id, account_id=account_id, keys=keys)
        known.update({message_id: rest[key] for key, message_id in found.items()})
    return [*added.runs, *_apply(conn, tenant_id, known)]


def _is_newer(edit: MessageEdit, than: MessageEdit) -> bool:
    if edit.edited_at is None or than.edited_at is None:
        return True  # the body's own order is all there is
    return edit.edited_at >= than.edited_at


def _mark_as_edited(conn: Connection, edits: dict[str, MessageEdit]) -> None:
    conn.execute(
        """
        UPDATE message AS m
        SET edits = 1, edited_at = given.edited_at
        FROM unnest(%s::uuid[], %s::timestamptz[]) AS given (id, edited_at)
        WHERE m.id = given.id
        """,
        (list(edits), [edit.edited_at for edit in edits.values()]),
    )


@dataclass(frozen=True)
class _Edited:
    id: str
    direction: str
    state: str
    text: str | None
    edited_at: datetime | None
    is_history: bool
    judged_as: str
    """The message whose analysis speaks for this one: itself, or the last of its burst."""

    def takes(self, edit: MessageEdit) -> bool:
        is_late = edit.edited_at is not None and self.edited_at is not None and edit.edited_at < self.edited_at
        return self.state != "erased" and not is_late and edit.message.text != self.text


def _apply(conn: Connection, tenant_id: int, edits: dict[str, MessageEdit]) -> list[StartedRun]:
    """edits: by message id, all of messages that are stored."""
    if not edits:
        return []
    # Runs before messages, as everywhere.
    conn.execute("SELECT FROM run WHERE message_id = ANY(%s::uuid[]) ORDER BY id FOR UPDATE", (list(edits),))
    rows = conn.execute(
        """
        SELECT id::text, direction, state, text, edited_at, is_history, coalesce(joined_to, id)::text
        FROM message
        WHERE id = ANY(%s::uuid[])
        ORDER BY id
        FOR UPDATE
        """,
        (list(edits),),
    ).fetchall()
    changed = [was for was in (_Edited(*row) for row in rows) if was.takes(edits[was.id])]
    if not changed:
        return []
    ids = [was.id for was in changed]
    _keep_versions(conn, tenant_id, ids)
    conn.execute(
        """
        WITH given AS (
            SELECT * FROM unnest(%s::uuid[], %s::text[], %s::timestamptz[], %s::bytea[]) AS given (id, text, edited_at, item)
        ), raw AS (
            UPDATE message_raw AS r SET item = given.item FROM given WHERE r.message_id = given.id
        )
        UPDATE message AS m
        SET text = given.text, edits = m.edits + 1, edited_at = coalesce(given.edited_at, now()), minimized_text = NULL,
            stripped = NULL
        FROM given
        WHERE m.id = given.id
        """,
        (
            ids,
            [edits[message_id].message.text for message_id in ids],
            [edits[message_id].edited_at for message_id in ids],
            [edits[message_id].message.raw for message_id in ids],
        ),
    )
    live = [was for was in changed if was.direction == "inbound" and not was.is_history]
    conn.execute(
        """
        UPDATE action
        SET state = 'cancelled', error_code = 'edited', settled_at = now()
        WHERE message_id = ANY(%s::uuid[]) AND state = 'pending' AND kind <> 'reply'
        """,
        ([was.id for was in live],),
    )
    return look_again(conn, tenant_id, sorted({was.judged_as for was in live}))


def _keep_versions(conn: Connection, tenant_id: int, ids: list[str]) -> None:
    conn.execute(
        """
        INSERT INTO message_version (message_id, version, tenant_id, text, item)
        SELECT m.id, m.edits, %s, m.text, r.item
        FROM message AS m LEFT JOIN message_raw AS r ON r.message_id = m.id
        WHERE m.id = ANY(%s::uuid[])
        ON CONFLICT DO NOTHING
        """,
        (tenant_id, ids),
    )


def look_again(conn: Connection, tenant_id: int, message_ids: Sequence[str]) -> list[StartedRun]:
    """Have messages judged by their words of now: an open pass starts over where it may, else a second look follows.

    An answer that is under way for the old words finds its lease gone and is not kept.
    """
    if not message_ids:
        return []
    rows = conn.execute(
        """
        UPDATE run
        SET state = 'received', outcome = NULL, answer = NULL, error_code = NULL, lease_token = NULL, lease_until = NULL,
            crashes = 0, rings = 0, gathers_until = NULL, next_at = now() + interval '5 seconds'
        WHERE id IN (
            SELECT DISTINCT ON (message_id) id
            FROM run
            WHERE message_id = ANY(%s::uuid[]) AND kind IN ('initial', 'reanalyze') AND state = ANY(%s)
            ORDER BY message_id, kind, id DESC
        )
        RETURNING message_id::text, id::text, kind
        """,
        (list(message_ids), list(_RESTARTABLE)),
    ).fetchall()
    conn.execute(
        "UPDATE message SET state = 'received' WHERE id = ANY(%s::uuid[]) AND state <> 'erased'",
        ([message_id for message_id, _, kind in rows if kind == "initial"],),
    )
    started = [StartedRun(tenant_id, message_id, run_id) for message_id, run_id, _ in rows]
    waiting = {run.message_id for run in started}
    rows = conn.execute(
        """
        INSERT INTO run (tenant_id, message_id, kind)
        SELECT %s, id, 'reanalyze' FROM unnest(%s::uuid[]) AS given (id)
        RETURNING message_id::text, id::text
        """,
        (tenant_id, [message_id for message_id in message_ids if message_id not in waiting]),
    ).fetchall()
    return started + [StartedRun(tenant_id, message_id, run_id) for message_id, run_id in rows]


def apply_reactions(conn: Connection, tenant_id: int, reactions: Sequence[Reaction], *, pepper: bytes) -> None:
    """Keep each person's newest reaction to a message; one that comes before its message waits for it under its key.

    The transaction must act for `tenant_id`.
    """
    newest: dict[tuple[str, bytes, bytes], Reaction] = {}
    for reaction in reactions:
        target = key_of(pepper, channel=reaction.channel, source=reaction.target_source)
        actor = key_of(pepper, channel=reaction.channel, source=f"actor:{reaction.actor}")
        known = newest.get((reaction.account_id, target, actor))
        if (
            known is None
            or known.reacted_at is None
            or reaction.reacted_at is None
            or reaction.reacted_at >= known.reacted_at
        ):
            newest[(reaction.account_id, target, actor)] = reaction
    if not newest:
        return
    conn.execute(
        """
        INSERT INTO message_reaction AS r (tenant_id, account_id, target_key, actor_key, by_business, emoji, reacted_at)
        SELECT %s, account_id, target_key, actor_key, by_business, emoji, coalesce(reacted_at, now())
        FROM unnest(%s::text[], %s::bytea[], %s::bytea[], %s::boolean[], %s::text[], %s::timestamptz[])
            AS given (account_id, target_key, actor_key, by_business, emoji, reacted_at)
        ORDER BY account_id, target_key, actor_key
        ON CONFLICT (tenant_id, account_id, target_key, actor_key) DO UPDATE
            SET emoji = EXCLUDED.emoji, reacted_at = EXCLUDED.reacted_at
            WHERE r.reacted_at <= EXCLUDED.reacted_at
        """,
        (
            tenant_id,
            [account_id for account_id, _, _ in newest],
            [target for _, target, _ in newest],
            [actor for _, _, actor in newest],
            [reaction.by_business for reaction in newest.values()],
            [reaction.emoji for reaction in newest.values()],
            [reaction.reacted_at for reaction in newest.values()],
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
