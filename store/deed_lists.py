"""The audit log as people read it: newest first, with the readings of customers' words among the deeds."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from store.db import Connection

# Readings stand in a log of their own, which follows a conversation when it becomes one with another.
READING = "conversation_read"


@dataclass(frozen=True)
class ListedDeed:
    """What was done, by whom and to what. by_user_id, by_key_id: see store.audit_log.note_deed."""

    id: str
    at: datetime
    by_user_id: int | None
    by_key_id: int | None
    deed: str
    subject: str | None
    details: Mapping[str, Any]


@dataclass(frozen=True)
class DeedFilter:
    """None fits everything. since is inclusive, until is not. subject: an id or a name, whole; "sweep:ID" is found by its
    id alone, too.
    """

    user_id: int | None = None
    deed: str | None = None
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def list_deeds(
    conn: Connection, tenant_id: int | None, wanted: DeedFilter, *, before_id: str | None = None, limit: int
) -> list[ListedDeed]:
    """Newest first. before_id: the page before ended there. tenant_id: None for what concerns no tenant, in the system scope."""
    rows = conn.execute(
        """
        WITH deed AS (
            SELECT id, at, by_user_id, by_key_id, deed, subject, details
            FROM audit_log
            WHERE tenant_id IS NOT DISTINCT FROM %(tenant_id)s::bigint
              AND (%(deed)s::text IS NULL OR deed = %(deed)s)
              AND (%(subject)s::text IS NULL OR %(subject)s IN (subject, split_part(subject, ':', 2)))
              AND (%(user_id)s::bigint IS NULL OR by_user_id = %(user_id)s)
              -- Ids carry the time at which the row was written, a little after its transaction began: by these the index goes.
              AND (%(since)s::timestamptz IS NULL OR at >= %(since)s AND id >= uuid_floor(%(since)s))
              AND (%(until)s::timestamptz IS NULL
                   OR at < %(until)s AND id < uuid_floor(%(until)s::timestamptz + interval '1 hour'))
              AND (%(before_id)s::uuid IS NULL OR id < %(before_id)s)
            ORDER BY id DESC
            LIMIT %(limit)s
        ),
        reading AS (
            SELECT id, at, by_user_id, by_key_id, %(reading)s AS deed, conversation_id::text AS subject,
                   jsonb_build_object('messages', messages) AS details
            FROM conversation_access
            WHERE tenant_id = %(tenant_id)s::bigint
              AND (%(deed)s::text IS NULL OR %(deed)s = %(reading)s)
              AND (%(subject)s::text IS NULL OR conversation_id = %(conversation_id)s::uuid)
              AND (%(user_id)s::bigint IS NULL OR by_user_id = %(user_id)s)
              AND (%(since)s::timestamptz IS NULL OR at >= %(since)s AND id >= uuid_floor(%(since)s))
              AND (%(until)s::timestamptz IS NULL
                   OR at < %(until)s AND id < uuid_floor(%(until)s::timestamptz + interval '1 hour'))
              AND (%(before_id)s::uuid IS NULL OR id < %(before_id)s)
            ORDER BY id DESC
            LIMIT %(limit)s
        )
        SELECT listed.id::text, listed.at, listed.by_user_id, listed.by_key_id, listed.deed, listed.subject, listed.details
        FROM (SELECT * FROM deed UNION ALL SELECT * FROM reading) AS listed
        ORDER BY listed.id DESC
        LIMIT %(limit)s
        """,
        {
            "tenant_id": tenant_id,
            "deed": wanted.deed,
            "subject": wanted.subject,
            "conversation_id": _as_id(wanted.subject),
            "user_id": wanted.user_id,
            "since": wanted.since,
            "until": wanted.until,
            "before_id": before_id,
            "limit": limit,
            "reading": READING,
        },
    ).fetchall()
    return [ListedDeed(*row) for row in rows]


def _as_id(subject: str | None) -> str | None:
    try:
        return str(UUID((subject or "").removeprefix("conversation:")))
    except ValueError:
        return None


def list_emails(conn: Connection, user_ids: Collection[int]) -> dict[int, str]:
    """E-mails of people by id, also of operators and of those who have no role any more. Needs the system scope."""
    rows = conn.execute("SELECT id, email FROM app_user WHERE id = ANY(%s)", (list(user_ids),)).fetchall()
    return dict(rows)


def list_key_names(conn: Connection, tenant_id: int | None, key_ids: Collection[int]) -> dict[int, str]:
    """Names of the tenant's keys by id, live or not."""
    rows = conn.execute(
        "SELECT id, name FROM api_key WHERE tenant_id = %s AND id = ANY(%s)", (tenant_id, list(key_ids))
    ).fetchall()
    return dict(rows)
