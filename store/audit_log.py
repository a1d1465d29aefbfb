"""Who did what: appended by whoever does it, never changed."""

from collections.abc import Mapping

from psycopg.types.json import Jsonb

from store.conversation_events import Actor
from store.db import Connection

# What details hold when somebody did it at the machine itself.
COMMAND_LINE: Mapping[str, object] = {"from": "command_line"}


def came_from(actor: Actor) -> Mapping[str, object]:
    """COMMAND_LINE for somebody who is neither a known person nor a key."""
    return COMMAND_LINE if actor.user_id is None and actor.key_id is None else {}


def note_deed(
    conn: Connection,
    tenant_id: int | None,
    *,
    by: Actor | None,
    deed: str,
    subject: str | None = None,
    details: Mapping[str, object] | None = None,
) -> None:
    """Append a deed within the transaction that does it.

    tenant_id: None where no tenant is concerned, which needs the system scope. by: None for the command line and for Earshot itself.
    deed: a fixed word such as "settings_changed". subject: an id or a name that tells what it was done to. details: ids, names of
    settings and numbers; neither customer text nor secrets.
    """
    conn.execute(
        """
        INSERT INTO audit_log (tenant_id, by_user_id, by_key_id, deed, subject, details)
        VALUES (%s, %s, %s, %s, %s, %s)
        """,
        (
            tenant_id,
            by.user_id if by else None,
            by.key_id if by else None,
            deed,
            subject,
            Jsonb(dict(details or {})),
        ),
    )
