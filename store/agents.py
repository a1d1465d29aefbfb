"""The people who answer customers: skills, capacity, presence, heartbeat."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from routing.assignment import Candidate
from store.db import Connection

# More often a heartbeat says nothing new.
SEEN_EVERY_S = 15


@dataclass(frozen=True)
class AgentRow:
    """One agent. open: the open conversations they have. queues: those they serve, none named = all."""

    user_id: int
    email: str
    role: str
    presence: str
    skills: list[str]
    queues: list[str]
    capacity: int
    open: int
    last_seen_at: datetime | None


def list_agents(conn: Connection, tenant_id: int, *, user_id: int | None = None) -> list[AgentRow]:
    """The tenant's agents, or one of them, by e-mail; people who were switched off or have no role any more are left out."""
    rows = conn.execute(
        """
        SELECT a.user_id, u.email, m.role, a.presence, a.skills, a.queues, a.capacity,
               (
                   SELECT count(*)
                   FROM conversation AS c
                   WHERE c.tenant_id = a.tenant_id AND c.assignee_id = a.user_id AND c.state = 'open'
               ),
               a.last_seen_at
        FROM agent AS a
        JOIN app_user AS u ON u.id = a.user_id AND u.disabled_at IS NULL
        JOIN membership AS m ON m.tenant_id = a.tenant_id AND m.user_id = a.user_id
        WHERE a.tenant_id = %s AND (%s::bigint IS NULL OR a.user_id = %s)
        ORDER BY u.email
        """,
        (tenant_id, user_id, user_id),
    ).fetchall()
    return [AgentRow(*row) for row in rows]


def find_colleague(
    conn: Connection, tenant_id: int, *, user_id: int | None = None, email: str | None = None
) -> tuple[int, str, str] | None:
    """(user id, e-mail, role) of a live member of the tenant, by either; None when there is none."""
    return conn.execute(
        """
        SELECT u.id, u.email, m.role
        FROM membership AS m JOIN app_user AS u ON u.id = m.user_id
        WHERE m.tenant_id = %s AND u.disabled_at IS NULL AND (u.id = %s OR u.email = lower(%s))
        """,
        (tenant_id, user_id, email),
    ).fetchone()


def note_seen(conn: Connection, tenant_id: int, user_id: int) -> None:
    """The person is there: their row, made on first sight with the tenant's own capacity. They are given nothing until they say
    that they are available.
    """
    seen = conn.execute(
        """
        UPDATE agent
        SET last_seen_at = now()
        WHERE tenant_id = %s AND user_id = %s
          AND (last_seen_at IS NULL OR last_seen_at < now() - make_interval(secs => %s))
        """,
        (tenant_id, user_id, SEEN_EVERY_S),
    ).rowcount
    if not seen:
        conn.execute(
            """
            INSERT INTO agent (tenant_id, user_id, capacity, presence, last_seen_at)
            SELECT id, %s, coalesce((config -> 'assignment' ->> 'default_capacity')::int, 5), 'away', now()
            FROM tenant
            WHERE id = %s
            ON CONFLICT (tenant_id, user_id) DO NOTHING
            """,
            (user_id, tenant_id),
        )


def lock_agent(conn: Connection, tenant_id: int, user_id: int) -> None:
    """Hold an agent's row, so that a round of assignments counts what they get now. One a transaction, before any conversation."""
    conn.execute("SELECT FROM agent WHERE tenant_id = %s AND user_id = %s FOR UPDATE", (tenant_id, user_id))


def set_agent(
    conn: Connection,
    tenant_id: int,
    user_id: int,
    *,
    presence: str | None = None,
    skills: Sequence[str] | None = None,
    queues: Sequence[str] | None = None,
    capacity: int | None = None,
    default_capacity: int = 5,
) -> None:
    """Set what is given, keep the rest; the row is made when there is none."""
    conn.execute(
        """
        INSERT INTO agent AS a (tenant_id, user_id, presence, skills, queues, capacity)
        VALUES (
            %(tenant_id)s, %(user_id)s, coalesce(%(presence)s, 'offline'), coalesce(%(skills)s::text[], '{}'),
            coalesce(%(queues)s::text[], '{}'), coalesce(%(capacity)s::int, %(default_capacity)s)
        )
        ON CONFLICT (tenant_id, user_id) DO UPDATE
        SET presence = coalesce(%(presence)s, a.presence), skills = coalesce(%(skills)s::text[], a.skills),
            queues = coalesce(%(queues)s::text[], a.queues), capacity = coalesce(%(capacity)s::int, a.capacity)
        """,
        {
            "tenant_id": tenant_id,
            "user_id": user_id,
            "presence": presence,
            "skills": list(skills) if skills is not None else None,
            "queues": list(queues) if queues is not None else None,
            "capacity": capacity,
            "default_capacity": default_capacity,
        },
    )


def note_heartbeat(conn: Connection, tenant_id: int, user_id: int, *, at: datetime | None = None) -> None:
    """The person's program says that they are there. None: just now."""
    conn.execute(
        "UPDATE agent SET last_seen_at = coalesce(%s, now()) WHERE tenant_id = %s AND user_id = %s",
        (at, tenant_id, user_id),
    )


def lock_agents(conn: Connection, tenant_id: int) -> None:
    """Hold the rows of all agents, so that nobody's load grows meanwhile. Before any conversation is locked."""
    conn.execute("SELECT FROM agent WHERE tenant_id = %s ORDER BY user_id FOR UPDATE", (tenant_id,))


def list_candidates(conn: Connection, tenant_id: int, *, seen_since: datetime) -> list[Candidate]:
    """The available agents who were seen since then, by id."""
    rows = conn.execute(
        """
        SELECT a.user_id, a.capacity,
               (
                   SELECT count(*)
                   FROM conversation AS c
                   WHERE c.tenant_id = a.tenant_id AND c.assignee_id = a.user_id AND c.state = 'open'
               ),
               a.skills, a.queues, a.last_assigned_at
        FROM agent AS a
        JOIN app_user AS u ON u.id = a.user_id AND u.disabled_at IS NULL
        JOIN membership AS m ON m.tenant_id = a.tenant_id AND m.user_id = a.user_id AND m.role <> 'auditor'
        WHERE a.tenant_id = %s AND a.presence = 'available' AND a.last_seen_at > %s
        ORDER BY a.user_id
        """,
        (tenant_id, seen_since),
    ).fetchall()
    return [
        Candidate(user_id, capacity, is_open, frozenset(skills), frozenset(queues), last_assigned_at)
        for user_id, capacity, is_open, skills, queues, last_assigned_at in rows
    ]
