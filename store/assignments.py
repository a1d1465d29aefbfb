"""Giving conversations to people by itself: what waits for somebody, what comes back from those who vanished, what wakes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from store.alerts import NewAlert, raise_alert
from store.conversation_events import Actor, add_conversation_event
from store.db import Connection

AUTO = Actor(rule="auto_assign")
AGENT_VANISHED = Actor(rule="agent_vanished")
SNOOZE_OVER = Actor(rule="snooze_over")


def lock_assignments(conn: Connection, tenant_id: int) -> None:
    """One round of assignments of a tenant at a time. Before any row is locked."""
    conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('assignments:' || %s, 0))", (tenant_id,))


@dataclass(frozen=True)
class Wish:
    """What the newest decision says: whether somebody shall be given the conversation, which skill it takes, and who is preferred.

    keeps: an earlier wish that nobody has fulfilled yet stands as it is, because a second look plans no actions and takes none back.
    assignee: the e-mail that the tenant's action names.
    """

    wanted: bool
    keeps: bool
    skill: str | None
    assignee: str | None


# Columns of a conversation, and what a wish makes of them.
WISH_COLUMNS = "(skill_wanted, wants_agent, wants_agent_since, assignee_hint)"
WISH_VALUES = """
    (
        CASE WHEN NOT %(wanted)s AND wants_agent AND %(keeps)s THEN coalesce(skill_wanted, %(skill)s) ELSE %(skill)s END,
        (%(wanted)s OR (wants_agent AND %(keeps)s)) AND assignee_id IS NULL,
        CASE WHEN (%(wanted)s OR (wants_agent AND %(keeps)s)) AND assignee_id IS NULL THEN coalesce(wants_agent_since, now()) END,
        coalesce(%(assignee)s, CASE WHEN wants_agent AND %(keeps)s THEN assignee_hint END)
    )
"""
_UPDATE, _IS, _WHERE, _DIFFERS = "UPDATE conversation SET ", " = ", " WHERE id = %(id)s AND ", " IS DISTINCT FROM "
# A new version of the row is heard of by every open page.
_WANT = _UPDATE + WISH_COLUMNS + _IS + WISH_VALUES + _WHERE + WISH_COLUMNS + _DIFFERS + WISH_VALUES


def want_agent(conn: Connection, conversation_id: str, wish: Wish) -> None:
    """Note what is wished for a conversation that stays where it is."""
    conn.execute(_WANT, {"id": conversation_id, **vars(wish)})


def list_tenants_with_assignments(conn: Connection) -> list[int]:
    """Tenants where a round may have something to do: somebody is wanted, asleep for long enough, given something, or at work.

    Needs the system scope.
    """
    rows = conn.execute(
        """
        SELECT tenant_id FROM conversation WHERE wants_agent AND assignee_id IS NULL AND state = 'open'
        UNION
        SELECT tenant_id FROM conversation WHERE snoozed_until <= now()
        UNION
        SELECT tenant_id FROM conversation WHERE assignee_id IS NOT NULL AND state = 'open'
        UNION
        SELECT tenant_id FROM agent WHERE presence <> 'offline'
        ORDER BY 1
        """
    ).fetchall()
    return [row[0] for row in rows]


@dataclass(frozen=True)
class WantingAgent:
    """A conversation that somebody shall be given. wanted_since: since when. prefers: the person whom the tenant's action names."""

    id: str
    queue: str
    skill: str | None
    wanted_since: datetime
    prefers: int | None


def lock_wanting(conn: Connection, tenant_id: int, *, limit: int) -> list[WantingAgent]:
    """What waits to be given to somebody, in the order in which people claim; locked. What others hold right now is left out."""
    rows = conn.execute(
        """
        SELECT id::text, queue, skill_wanted, wants_agent_since,
               (SELECT u.id FROM app_user AS u WHERE u.email = lower(conversation.assignee_hint)) AS prefers
        FROM conversation
        WHERE tenant_id = %s AND wants_agent AND assignee_id IS NULL AND state = 'open' AND queue IS NOT NULL
          AND (snoozed_until IS NULL OR snoozed_until <= now())
        ORDER BY coalesce(priority, 'P9'), next_due_at(id), coalesce(waiting_since, last_inbound_at, created_at), id
        LIMIT %s
        FOR UPDATE SKIP LOCKED
        """,
        (tenant_id, limit),
    ).fetchall()
    return [WantingAgent(*row) for row in rows]


def return_from_vanished(
    conn: Connection, tenant_id: int, *, seen_since: datetime, auto_queues: Sequence[str]
) -> dict[int, int]:
    """Take back what customers wait for from people who were not seen since then, were switched off or have no role any more.

    Returns how many by user. Conversations that wait for the customer stay with them, and so do snoozed ones. The alert about one
    absence is made once.
    """
    rows = conn.execute(
        """
        WITH gone AS (
            SELECT c.id, c.assignee_id
            FROM conversation AS c
            WHERE c.tenant_id = %(tenant_id)s AND c.state = 'open' AND c.assignee_id IS NOT NULL AND c.snoozed_until IS NULL
              AND awaits_answer(c.waiting_since, c.last_human_answer_at)
              AND NOT EXISTS (
                  SELECT
                  FROM membership AS m
                  JOIN app_user AS u ON u.id = m.user_id AND u.disabled_at IS NULL
                  LEFT JOIN agent AS a ON a.tenant_id = m.tenant_id AND a.user_id = m.user_id
                  WHERE m.tenant_id = c.tenant_id AND m.user_id = c.assignee_id
                    AND greatest(a.last_seen_at, c.assigned_at) > %(seen_since)s
              )
            ORDER BY c.id
            FOR UPDATE OF c SKIP LOCKED
        )
        UPDATE conversation AS c
        SET assignee_id = NULL, assigned_at = NULL, assigned_because = NULL, version = c.version + 1,
            wants_agent = c.queue = ANY(%(auto_queues)s),
            wants_agent_since = CASE WHEN c.queue = ANY(%(auto_queues)s) THEN now() END
        FROM gone
        WHERE c.id = gone.id
        RETURNING c.id::text, c.queue, gone.assignee_id
        """,
        {"tenant_id": tenant_id, "seen_since": seen_since, "auto_queues": list(auto_queues)},
    ).fetchall()
    returned: dict[int, int] = {}
    for conversation_id, queue, user_id in rows:
        add_conversation_event(conn, tenant_id, conversation_id, kind="returned", actor=AGENT_VANISHED, queue=queue)
        returned[user_id] = returned.get(user_id, 0) + 1
    for user_id, conversations in sorted(returned.items()):
        _alert_about(conn, tenant_id, user_id, conversations=conversations)
    conn.execute(
        """
        UPDATE agent
        SET presence = 'offline'
        WHERE tenant_id = %s AND presence <> 'offline' AND coalesce(last_seen_at, created_at) <= %s
        """,
        (tenant_id, seen_since),
    )
    return returned


def _alert_about(conn: Connection, tenant_id: int, user_id: int, *, conversations: int) -> None:
    row = conn.execute(
        "SELECT last_seen_at FROM agent WHERE tenant_id = %s AND user_id = %s", (tenant_id, user_id)
    ).fetchone()
    absence = f"{row[0]:%Y%m%dT%H%M%S}" if row and row[0] else "never_seen"
    key = f"agent_vanished:{user_id}:{absence}"
    raise_alert(
        conn,
        tenant_id,
        NewAlert("agent_vanished", key, details={"user_id": user_id, "conversations": conversations}),
    )


def wake_due(conn: Connection, tenant_id: int, *, now: datetime) -> list[str]:
    """End the snoozes whose time has come; returns the conversations. Who had one still has it."""
    rows = conn.execute(
        """
        WITH due AS (
            SELECT id
            FROM conversation
            WHERE tenant_id = %s AND snoozed_until <= %s
            ORDER BY id
            FOR UPDATE SKIP LOCKED
        )
        UPDATE conversation AS c
        SET snoozed_until = NULL, version = c.version + 1
        FROM due
        WHERE c.id = due.id
        RETURNING c.id::text, c.assignee_id, c.queue
        """,
        (tenant_id, now),
    ).fetchall()
    for conversation_id, assignee_id, queue in rows:
        add_conversation_event(
            conn,
            tenant_id,
            conversation_id,
            kind="woken",
            actor=SNOOZE_OVER,
            assignee_id=assignee_id,
            queue=queue,
        )
    return [row[0] for row in rows]
