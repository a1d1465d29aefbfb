"""What is older than a tenant keeps it goes: whole months where it is past for all, else in small batches behind a mark."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from psycopg import sql

from config.retention import Retention
from store.db import Connection
from store.erasure import ERASED, forget_turns
from store.examples import forget_examples
from store.trial_records import forget_trials_of

Part = Literal["raw", "text", "history"]
PARTS: tuple[Part, ...] = ("raw", "text", "history")
BATCH = 500
# The round comes every ten minutes; a tenant whose last whole round is older than this is behind.
BEHIND_AFTER_H = 48
# Bodies that could not be read are of no tenant that we know.
UNREAD_BODY_DAYS = 30
_MONTHLY: Mapping[Part, tuple[str, ...]] = {
    "raw": ("message_raw",),
    "text": (),
    "history": ("message_raw", "message", "message_analysis"),
}


def kept_since(retention: Retention, part: Part, *, now: datetime) -> datetime | None:
    """From when on this part is kept; None: for ever."""
    days = {"raw": retention.raw_days, "text": retention.text_days, "history": retention.history_days}[part]
    return now - timedelta(days=days) if days else None


def drop_past_months(conn: Connection, part: Part, tenants: list[Retention], *, now: datetime) -> list[str]:
    """Months of which no tenant keeps this part. Returns the names of the tables. Needs the system scope.

    Of the history only what is empty: what hangs on its messages in other tables goes with them, batch by batch.
    Raises: StoreError (to be tried again) when somebody reads one of them for longer than two seconds.
    """
    since = [kept_since(one, part, now=now) for one in tenants]
    if not since or None in since:
        return []
    oldest = min(one for one in since if one is not None)
    dropped: list[str] = []
    for parent in _MONTHLY[part]:
        row = conn.execute("SELECT drop_past_months(%s, %s)", (parent, oldest)).fetchone()
        dropped.extend(row[0] if row else ())
    return dropped


def remove_batch(conn: Connection, tenant_id: int, part: Part, *, before: datetime) -> bool:
    """Remove the oldest of this part that came before then. False: nothing was left, which is noted.

    Behind the mark nothing is looked at again, so that a round costs what is new. The transaction must act for the tenant.
    """
    row = conn.execute(
        """
        INSERT INTO retention_mark (tenant_id, part, done_until) VALUES (%s, %s, uuid_floor('epoch'))
        ON CONFLICT (tenant_id, part) DO UPDATE SET part = EXCLUDED.part
        RETURNING done_until
        """,
        (tenant_id, part),
    ).fetchone()
    assert row is not None
    ids = [
        one
        for (one,) in conn.execute(
            """
            SELECT id::text FROM message
            WHERE tenant_id = %s AND id > %s AND id < uuid_floor(%s)
            ORDER BY message.id
            LIMIT %s
            """,
            (tenant_id, row[0], before, BATCH),
        ).fetchall()
    ]
    if ids:
        _REMOVERS[part](conn, tenant_id, ids)
    left = part == "history" and _remove_old_analyses(conn, tenant_id, before=before)
    is_done = len(ids) < BATCH and not left
    conn.execute(
        """
        UPDATE retention_mark
        SET done_until = coalesce(%s, done_until), finished_at = CASE WHEN %s THEN now() ELSE finished_at END
        WHERE tenant_id = %s AND part = %s
        """,
        (ids[-1] if ids else None, is_done, tenant_id, part),
    )
    return not is_done


def _remove_raw(conn: Connection, tenant_id: int, ids: list[str]) -> None:
    del tenant_id
    conn.execute("DELETE FROM message_raw WHERE message_id = ANY(%s::uuid[])", (ids,))
    conn.execute("UPDATE message_version SET item = NULL WHERE message_id = ANY(%s::uuid[])", (ids,))


def _remove_words(conn: Connection, tenant_id: int, ids: list[str]) -> None:
    """As an erasure does, but the message stays what it was: who wrote it, when, and how it was read."""
    conn.execute(
        """
        UPDATE message
        SET text = NULL, minimized_text = NULL, stripped = NULL, words_expired_at = now()
        WHERE id = ANY(%s::uuid[]) AND (text IS NOT NULL OR minimized_text IS NOT NULL)
        """,
        (ids,),
    )
    _remove_raw(conn, tenant_id, ids)
    conn.execute("DELETE FROM message_version WHERE message_id = ANY(%s::uuid[])", (ids,))
    conn.execute(
        "UPDATE message_analysis SET summary = '' WHERE message_id = ANY(%s::uuid[]) AND summary <> ''", (ids,)
    )
    conn.execute(
        "UPDATE egress SET minimized_text = %s WHERE message_id = ANY(%s::uuid[]) AND minimized_text <> %s",
        (ERASED, ids, ERASED),
    )
    forget_turns(conn, ids)
    conn.execute(
        "UPDATE correction SET reason = NULL WHERE message_id = ANY(%s::uuid[]) AND reason IS NOT NULL", (ids,)
    )
    conn.execute(
        """
        UPDATE action SET sent_text = NULL
        WHERE message_id = ANY(%s::uuid[]) AND state NOT IN ('pending', 'sending') AND sent_text IS NOT NULL
        """,
        (ids,),
    )
    conn.execute(
        "UPDATE crm_event SET subject = '', body = '' WHERE message_id = ANY(%s::uuid[]) AND state <> 'pending'", (ids,)
    )
    forget_examples(conn, tenant_id, ids)
    forget_trials_of(conn, ids)


def _remove_messages(conn: Connection, tenant_id: int, ids: list[str]) -> None:
    """What recognises a repetition (message_key) stays, and so do the customer, the conversation and the day's counts."""
    _remove_words(conn, tenant_id, ids)
    for table in _OF_MESSAGES:
        conn.execute(sql.SQL("DELETE FROM {} WHERE message_id = ANY(%s::uuid[])").format(sql.Identifier(table)), (ids,))
    conn.execute("DELETE FROM message WHERE id = ANY(%s::uuid[])", (ids,))


_OF_MESSAGES = (
    "run", "egress", "analysis_key", "message_analysis", "routing_decision", "correction", "audit_sample", "example_rejection",
)  # fmt: skip

_REMOVERS: Mapping[Part, Callable[[Connection, int, list[str]], None]] = {
    "raw": _remove_raw,
    "text": _remove_words,
    "history": _remove_messages,
}


def _remove_old_analyses(conn: Connection, tenant_id: int, *, before: datetime) -> bool:
    """Analyses whose message's month was dropped whole. Returns whether there may be more."""
    return (
        conn.execute(
            """
            DELETE FROM message_analysis
            WHERE id IN (
                SELECT id FROM message_analysis WHERE tenant_id = %s AND id < uuid_floor(%s) ORDER BY id LIMIT %s
            ) AND tenant_id = %s
            """,
            (tenant_id, before, BATCH, tenant_id),
        ).rowcount
        >= BATCH
    )


def forget_unread_bodies(conn: Connection) -> int:
    """Signed bodies that could not be read, after UNREAD_BODY_DAYS. Returns how many. Needs the system scope."""
    return conn.execute(
        "DELETE FROM unparsed_body WHERE id < uuid_floor(now() - make_interval(days => %s))", (UNREAD_BODY_DAYS,)
    ).rowcount


@dataclass(frozen=True)
class Behind:
    """A tenant whose part is not removed in time. hours: since it was last whole."""

    tenant: str
    part: Part
    hours: float


def list_behind(conn: Connection) -> list[Behind]:
    """By tenant and part. Needs the system scope."""
    rows = conn.execute(
        """
        SELECT t.slug, m.part, extract(epoch FROM now() - coalesce(m.finished_at, m.began_at))::float / 3600
        FROM retention_mark AS m JOIN tenant AS t ON t.id = m.tenant_id
        WHERE coalesce(m.finished_at, m.began_at) < now() - make_interval(hours => %s)
          AND coalesce((t.config -> 'retention' ->> (m.part || '_days'))::int, 1) > 0
        ORDER BY t.slug, m.part
        """,
        (BEHIND_AFTER_H,),
    ).fetchall()
    return [Behind(*row) for row in rows]
