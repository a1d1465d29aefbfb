"""What a person may do about a tenant's actions: look, agree, call off, say what became of one, have a webhook told again."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from store.audit_log import came_from, note_deed
from store.conversation_events import Actor
from store.db import Connection
from store.outbound import note_replies

# Whoever types commands on the machine.
AT_THE_MACHINE = Actor()


@dataclass(frozen=True)
class ListedAction:
    """An action as people see it: ids and states, no words."""

    id: str
    kind: str
    state: str
    waits_for_approval: bool
    error_code: str | None
    tries: int
    channel: str
    conversation_id: str
    created_at: datetime
    approved_by: str | None
    settled_by: str | None
    """user:ID, key:ID, both, "person" for the command line; None when no person did."""


def list_actions(
    conn: Connection,
    tenant_id: int,
    *,
    states: tuple[str, ...],
    unapproved_only: bool,
    limit: int,
    before_id: str | None = None,
) -> list[ListedAction]:
    """The tenant's actions, newest first. states: none given means all. before_id: only older ones."""
    rows = conn.execute(
        """
        SELECT id::text, kind, state, state = 'pending' AND needs_approval AND approved_at IS NULL, error_code, tries, channel,
               conversation_id::text, created_at, approved_by, settled_by
        FROM action
        WHERE tenant_id = %(tenant_id)s AND (%(before_id)s::uuid IS NULL OR id < %(before_id)s::uuid)
          AND (%(states)s::text[] = '{}' OR state = ANY(%(states)s))
          AND (NOT %(unapproved_only)s OR state = 'pending' AND needs_approval AND approved_at IS NULL)
        ORDER BY action.id DESC
        LIMIT %(limit)s
        """,
        {
            "tenant_id": tenant_id,
            "states": list(states),
            "unapproved_only": unapproved_only,
            "limit": limit,
            "before_id": before_id,
        },
    ).fetchall()
    return [ListedAction(*row) for row in rows]


def find_action(conn: Connection, tenant_id: int, action_id: str) -> ListedAction | None:
    """One of them, None when the tenant has no such action."""
    row = conn.execute(
        """
        SELECT id::text, kind, state, state = 'pending' AND needs_approval AND approved_at IS NULL, error_code, tries, channel,
               conversation_id::text, created_at, approved_by, settled_by
        FROM action
        WHERE id = %s AND tenant_id = %s
        """,
        (action_id, tenant_id),
    ).fetchone()
    return ListedAction(*row) if row else None


def approve_action(conn: Connection, tenant_id: int, action_id: str, *, actor: Actor = AT_THE_MACHINE) -> bool:
    """A person agrees: it leaves within seconds, if nothing else stands in its way. False when it does not wait for that."""
    done = (
        conn.execute(
            """
            UPDATE action
            SET approved_at = now(), approved_by = %s, next_at = now(), error_code = NULL
            WHERE id = %s AND tenant_id = %s AND state = 'pending' AND needs_approval AND approved_at IS NULL
            """,
            (actor.ruled_as, action_id, tenant_id),
        ).rowcount
        == 1
    )
    if done:
        _note(conn, tenant_id, action_id, deed="action_approved", actor=actor)
    return done


def cancel_action(conn: Connection, tenant_id: int, action_id: str, *, actor: Actor = AT_THE_MACHINE) -> bool:
    """A person calls it off before it leaves; False when it is not pending any more."""
    done = (
        conn.execute(
            """
            UPDATE action
            SET state = 'cancelled', error_code = 'by_person', settled_by = %s, settled_at = now()
            WHERE id = %s AND tenant_id = %s AND state = 'pending'
            """,
            (actor.ruled_as, action_id, tenant_id),
        ).rowcount
        == 1
    )
    if done:
        _note(conn, tenant_id, action_id, deed="action_rejected", actor=actor)
    return done


def settle_uncertain(
    conn: Connection,
    tenant_id: int,
    action_id: str,
    *,
    became: Literal["sent", "failed"],
    actor: Actor = AT_THE_MACHINE,
) -> bool:
    """A person says whether an uncertain send arrived; False when nobody doubts it (any more). Nothing is sent again."""
    settled = (
        conn.execute(
            """
            UPDATE action
            SET state = %s, error_code = CASE WHEN %s = 'failed' THEN 'not_arrived' END, settled_by = %s, settled_at = now(),
                lease_until = NULL
            WHERE id = %s AND tenant_id = %s AND state = 'uncertain'
            """,
            (became, became, actor.ruled_as, action_id, tenant_id),
        ).rowcount
        == 1
    )
    if settled and became == "sent":
        note_replies(conn, [action_id])
    if settled:
        _note(conn, tenant_id, action_id, deed="action_settled", actor=actor, became=became)
    return settled


def _note(conn: Connection, tenant_id: int, action_id: str, *, deed: str, actor: Actor, **details: object) -> None:
    row = conn.execute("SELECT kind FROM action WHERE id = %s AND tenant_id = %s", (action_id, tenant_id)).fetchone()
    known = {"kind": row[0] if row else None, **details, **came_from(actor)}
    note_deed(conn, tenant_id, by=actor, deed=deed, subject=action_id, details=known)


def replay_webhook(conn: Connection, tenant_id: int, action_id: str, *, actor: Actor = AT_THE_MACHINE) -> bool:
    """Tell a webhook again that was given up; False when there is none. Its id stays, so that the far side knows it.

    Messages to customers are never replayed: nobody can prove that the first one did not arrive.
    """
    replayed = (
        conn.execute(
            """
            UPDATE action
            SET state = 'pending', tries = 0, error_code = NULL, settled_at = NULL, next_at = now()
            WHERE id = %s AND tenant_id = %s AND kind = 'webhook' AND state = 'failed'
            """,
            (action_id, tenant_id),
        ).rowcount
        == 1
    )
    if replayed:
        # Should it fail once more, people are told once more.
        conn.execute("DELETE FROM alert WHERE tenant_id = %s AND key = 'send_failed:' || %s", (tenant_id, action_id))
        _note(conn, tenant_id, action_id, deed="webhook_replayed", actor=actor)
    return replayed


def list_failed_webhooks(conn: Connection, tenant_id: int) -> list[str]:
    """Ids of the webhooks that were given up, oldest first."""
    rows = conn.execute(
        "SELECT id::text FROM action WHERE tenant_id = %s AND kind = 'webhook' AND state = 'failed' ORDER BY id",
        (tenant_id,),
    ).fetchall()
    return [action_id for (action_id,) in rows]
