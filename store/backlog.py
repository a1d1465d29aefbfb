"""What waits, of all tenants together: for a send, for a person, for an alert to leave. Counts and ages, no customer text."""

from collections.abc import Sequence
from dataclasses import dataclass

from store.action_alerts import UNCERTAIN_FOR_S
from store.db import Connection

# What upkeep does every few seconds has not been done for so long: nobody does it.
UPKEEP_LATE_S = 120


@dataclass(frozen=True)
class ActionBacklog:
    """Actions by what they wait for. overdue_s: for how long the one that should have left first is due, 0 when none is."""

    pending: int
    awaiting_approval: int
    sending: int
    uncertain: int
    overdue_s: float


def count_actions(conn: Connection) -> ActionBacklog:
    """Needs the system scope."""
    row = conn.execute(
        """
        SELECT count(*) FILTER (WHERE state = 'pending' AND NOT waits_for_person),
               count(*) FILTER (WHERE state = 'pending' AND waits_for_person),
               count(*) FILTER (WHERE state = 'sending'),
               (SELECT count(*) FROM action WHERE state = 'uncertain'),
               coalesce(extract(epoch FROM now() - min(next_at) FILTER (WHERE state = 'pending' AND next_at <= now())), 0)::float
        FROM (
            SELECT state, next_at, needs_approval AND approved_at IS NULL AS waits_for_person
            FROM action
            WHERE state IN ('pending', 'sending')
        ) AS open
        """
    ).fetchone()
    assert row is not None
    return ActionBacklog(*row)


@dataclass(frozen=True)
class DeliveryBacklog:
    """Alerts on their way to targets. retrying: refused at least once. failed: given up within the last day.

    oldest_s: how long the oldest that has not left waits, 0 without one. untold_s: the same of an alert that no round has looked at.
    """

    waiting: int
    retrying: int
    failed: int
    oldest_s: float
    untold_s: float


def count_deliveries(conn: Connection) -> DeliveryBacklog:
    """Those that quiet hours hold back don't wait. Needs the system scope."""
    row = conn.execute(
        """
        SELECT count(*), count(*) FILTER (WHERE error_code IS NOT NULL),
               (SELECT count(*) FROM alert_delivery WHERE state = 'failed' AND settled_at > now() - interval '1 day'),
               coalesce(extract(epoch FROM now() - min(created_at)), 0)::float,
               (SELECT coalesce(extract(epoch FROM now() - min(created_at)), 0)::float FROM alert WHERE announced_at IS NULL)
        FROM alert_delivery
        WHERE state IN ('pending', 'sending') AND (next_at <= now() OR error_code IS NOT NULL)
        """
    ).fetchone()
    assert row is not None
    return DeliveryBacklog(*row)


@dataclass(frozen=True)
class Unassigned:
    """Open conversations of a queue that nobody has, without sleeping ones. oldest_s: how long the first customer waits for a person."""

    queue: str
    conversations: int
    waiting: int
    oldest_s: float


def count_unassigned(conn: Connection) -> list[Unassigned]:
    """By queue. Needs the system scope."""
    rows = conn.execute(
        """
        SELECT queue, count(*), count(*) FILTER (WHERE waits),
               coalesce(extract(epoch FROM now() - min(waiting_since) FILTER (WHERE waits)), 0)::float
        FROM (
            SELECT queue, waiting_since, awaits_answer(waiting_since, last_human_answer_at) AS waits
            FROM conversation
            WHERE state = 'open' AND assignee_id IS NULL AND queue IS NOT NULL
              AND (snoozed_until IS NULL OR snoozed_until <= now())
        ) AS free
        GROUP BY queue
        ORDER BY queue
        """
    ).fetchall()
    return [Unassigned(*row) for row in rows]


def count_waits(conn: Connection, *, codes: Sequence[str]) -> dict[str, int]:
    """Messages that stand before the model by the code of what they wait for, 0 included. Needs the system scope."""
    rows = conn.execute(
        """
        SELECT code, count(run.id)
        FROM unnest(%s::text[]) AS code LEFT JOIN run
            ON run.state = 'minimized' AND run.error_code = code AND run.kind IN ('initial', 'reanalyze')
        GROUP BY code
        """,
        (list(codes),),
    ).fetchall()
    return dict(rows)


@dataclass(frozen=True)
class FailingTarget:
    """A target that takes no alerts: how many wait for another try or were given up within the last day, and why."""

    tenant: str
    name: str
    alerts: int
    error_code: str


def list_failing_targets(conn: Connection) -> list[FailingTarget]:
    """Targets whose newest try failed. Needs the system scope."""
    rows = conn.execute(
        """
        SELECT t.slug, g.name, count(*), max(d.error_code)
        FROM alert_delivery AS d JOIN alert_target AS g ON g.id = d.target_id JOIN tenant AS t ON t.id = d.tenant_id
        WHERE (d.state IN ('pending', 'sending') OR d.state = 'failed' AND d.settled_at > now() - interval '1 day')
          AND d.error_code IS NOT NULL AND coalesce(g.sent_at < coalesce(d.settled_at, d.created_at), true)
        GROUP BY t.slug, g.id, g.name
        ORDER BY t.slug, g.name
        """
    ).fetchall()
    return [FailingTarget(*row) for row in rows]


def upkeep_late_s(conn: Connection) -> float:
    """For how long something has waited that upkeep does within seconds (alerts to tell, clocks to compute, actions to send).

    0 when nothing waits for more than two minutes. Needs the system scope.
    """
    row = conn.execute(
        """
        SELECT coalesce(extract(epoch FROM now() - min(since)), 0)::float
        FROM (
            SELECT min(created_at) FROM alert WHERE announced_at IS NULL
            UNION ALL
            SELECT min(marked_at) FROM stale_clock
            UNION ALL
            SELECT min(due_at) FROM sla_clock WHERE ended_at IS NULL AND breached_at IS NULL AND state <> 'paused'
            UNION ALL
            SELECT min(next_at) FROM action WHERE state = 'pending'
            UNION ALL
            SELECT min(lease_until) FROM action WHERE state = 'sending'
        ) AS waits (since)
        WHERE since < now() - make_interval(secs => %s)
        """,
        (UPKEEP_LATE_S,),
    ).fetchone()
    return row[0] if row else 0.0


def count_old_doubts(conn: Connection) -> int:
    """Sends whose fate is unknown for so long that a person must look. Needs the system scope."""
    row = conn.execute(
        "SELECT count(*) FROM action WHERE state = 'uncertain' AND created_at < now() - make_interval(secs => %s)",
        (UNCERTAIN_FOR_S,),
    ).fetchone()
    return row[0] if row else 0
