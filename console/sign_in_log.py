"""Who was let in and who was not, in the audit logs of all the tenants where they have a role."""

from store.audit_log import note_deed
from store.conversation_events import Actor
from store.db import Connection
from store.people import list_tenants_of


def note_everywhere(
    conn: Connection, user_id: int, deed: str, *, by: Actor | None, details: dict[str, object] | None = None
) -> None:
    """A deed with an account, which is not one tenant's alone; of an account without a role it is noted for no tenant. Needs the
    system scope.
    """
    for tenant_id in list_tenants_of(conn, user_id) or [None]:
        note_deed(conn, tenant_id, by=by, deed=deed, subject=str(user_id), details=details)


def note_refused(conn: Connection, user_id: int | None, *, how: str) -> None:
    """A sign-in that failed. user_id: whose account was meant, None when there is none; what was typed is not kept. Needs the system
    scope.
    """
    if user_id is None:
        note_deed(conn, None, by=None, deed="sign_in_failed", details={"how": how})
    else:
        note_everywhere(conn, user_id, "sign_in_failed", by=None, details={"how": how})
