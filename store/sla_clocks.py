"""The SLA clocks of conversations: computed from rows, so that the order in which anything came changes nothing.

Whoever changes what clocks are made of calls `recompute_clocks` at the end of the same transaction, with the conversation's row
locked; who has no tenant settings at hand calls `mark_clocks_stale`, and the next tick of `worker.sla_watch` computes them.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from config.tenant import TenantConfig
from routing.sla_clocks import Clock, clocks_of, has_open_episode, starts_of
from store.db import Connection
from store.sla_clock_rows import ClockRows, read_rows


@dataclass(frozen=True)
class NewClocks:
    """Clocks of one conversation that are to be written as they are here."""

    tenant_id: int
    conversation_id: str
    clocks: tuple[Clock, ...]

    def as_values(self) -> dict[str, object]:
        """Those of WRITE_CLOCKS."""
        return {
            "tenant": self.tenant_id,
            "conversation": self.conversation_id,
            # An array of the driver's for each column took more processor than computing the clocks.
            "clocks": json.dumps([vars(clock) for clock in self.clocks], default=datetime.isoformat),
        }


def recompute_clocks(conn: Connection, tenant_id: int, conversation_id: str, *, tenant: TenantConfig) -> None:
    """Bring the clocks of one conversation in line with its rows; repeating it changes nothing.

    To be called at the end of any transaction that changed a message's decision, noted a person's answer, or resolved, reopened,
    snoozed or woke the conversation: when that began and ended is read off the conversation's row here and kept. Writes no alert.
    Locks the conversation's row.
    """
    conn.execute("SELECT FROM conversation WHERE id = %s FOR UPDATE", (conversation_id,))
    write_clocks(conn, find_new_clocks(conn, tenant_id, conversation_id, tenant=tenant))


def find_new_clocks(
    conn: Connection, tenant_id: int, conversation_id: str, *, tenant: TenantConfig
) -> NewClocks | None:
    """`recompute_clocks` but for the last thing it does: writing those that are new or other than they stood. None when there are none.

    The transaction must hold the conversation's row, and see to it that they are written before it ends.
    """
    known = read_rows(conn, conversation_id)
    if known is None:  # merged into another one, whose clocks are stale
        conn.execute("DELETE FROM stale_clock WHERE conversation_id = %s", (conversation_id,))
        return None
    if known.marked_at:
        _unmark(conn, conversation_id, known.marked_at)
    if _note_rests(conn, tenant_id, conversation_id, known, tenant=tenant):
        known = read_rows(conn, conversation_id)
        assert known is not None
    clocks = clocks_of(known.story, sla=tenant.sla, hours=tenant.hours, now=known.now)
    carried = _drop_wrong(conn, conversation_id, clocks, known=known, tenant=tenant) if known.clocks else []
    new = NewClocks(tenant_id, conversation_id, tuple(clock for clock in clocks if clock not in known.right))
    if carried:
        write_clocks(conn, new)
        _carry_over(conn, conversation_id, carried)
        return None
    return new if new.clocks else None


def mark_clocks_stale(conn: Connection, conversation_ids: Iterable[str]) -> None:
    """Have their clocks computed again at the next tick. The transaction must act for their tenant."""
    conn.execute(
        """
        INSERT INTO stale_clock (conversation_id, tenant_id)
        SELECT id, tenant_id FROM conversation WHERE id = ANY(%s::uuid[]) ORDER BY id
        ON CONFLICT (conversation_id) DO UPDATE SET marked_at = now()
        """,
        (sorted(conversation_ids),),
    )


def note_change(
    conn: Connection, tenant_id: int, conversation_id: str, *, kind: str, until: datetime | None = None
) -> None:
    """What was done with a conversation, for its clocks: when it was resolved or put to sleep is kept at once, also when it is open
    again before anybody computes; for the rest it is marked stale.
    """
    if kind in {"resolved", "snoozed"}:
        _begin_rest(conn, tenant_id, conversation_id, kind, until=until)
    mark_clocks_stale(conn, [conversation_id])


def move_clocks(conn: Connection, *, moved: str, stays: str) -> None:
    """Two conversations become one: the rests of both count, the clocks are computed anew. Before the moved one is deleted."""
    conn.execute(
        """
        UPDATE conversation_rest
        SET conversation_id = %s, ended_at = coalesce(ended_at, now())
        WHERE conversation_id = %s
        """,
        (stays, moved),
    )
    conn.execute(
        """
        UPDATE sla_clock AS c
        SET conversation_id = %(stays)s
        WHERE conversation_id = %(moved)s AND NOT EXISTS (
            SELECT FROM sla_clock AS o
            WHERE o.conversation_id = %(stays)s AND o.kind = c.kind AND o.started_at = c.started_at
        )
        """,
        {"stays": stays, "moved": moved},
    )
    mark_clocks_stale(conn, [stays])


def _unmark(conn: Connection, conversation_id: str, marked_at: datetime) -> None:
    """A mark that was set since, for what has not been read, stays for the next time."""
    conn.execute("DELETE FROM stale_clock WHERE conversation_id = %s AND marked_at = %s", (conversation_id, marked_at))


def _note_rests(
    conn: Connection, tenant_id: int, conversation_id: str, known: ClockRows, *, tenant: TenantConfig
) -> bool:
    """Keep when the conversation was resolved or fell asleep, and when that ended, as its row says now. Returns whether that was news."""
    # A conversation in which nobody had to do anything has nothing to rest from.
    changed = False
    if known.is_resolved:
        if has_open_episode(known.story, sla=tenant.sla):
            changed |= _begin_rest(conn, tenant_id, conversation_id, "resolved", until=None)
    elif "resolved" in known.open_rests:
        changed |= _end_rest(conn, conversation_id, "resolved")
    if known.snoozed_until is not None and known.snoozed_until > known.now:
        changed |= _begin_rest(conn, tenant_id, conversation_id, "snoozed", until=known.snoozed_until)
    elif "snoozed" in known.open_rests:
        changed |= _end_rest(conn, conversation_id, "snoozed")
    return changed


def _begin_rest(conn: Connection, tenant_id: int, conversation_id: str, kind: str, *, until: datetime | None) -> bool:
    row = conn.execute(
        """
        INSERT INTO conversation_rest AS r (tenant_id, conversation_id, kind, began_at, until)
        VALUES (%s, %s, %s, now(), %s)
        ON CONFLICT (conversation_id, kind) WHERE ended_at IS NULL DO UPDATE
            SET until = EXCLUDED.until
            WHERE r.until IS DISTINCT FROM EXCLUDED.until
        RETURNING id
        """,
        (tenant_id, conversation_id, kind, until),
    ).fetchone()
    return row is not None


def _end_rest(conn: Connection, conversation_id: str, kind: str) -> bool:
    """by_hand: nothing came in from the customer since, so a person did it."""
    return (
        conn.execute(
            """
            UPDATE conversation_rest AS r
            SET ended_at = now(), by_hand = NOT EXISTS (
                SELECT FROM message AS m
                WHERE m.conversation_id = r.conversation_id AND m.direction = 'inbound' AND NOT m.is_history
                  AND greatest(m.sent_at, m.received_at) > r.began_at
            )
            WHERE conversation_id = %s AND kind = %s AND ended_at IS NULL
            """,
            (conversation_id, kind),
        ).rowcount
        > 0
    )


@dataclass(frozen=True)
class _Said:
    """What was said already about a running clock whose start has moved."""

    kind: str
    warned_at: datetime | None
    warning_alert_id: str | None
    breached_at: datetime | None
    breach_alert_id: str | None


def _drop_wrong(
    conn: Connection, conversation_id: str, clocks: tuple[Clock, ...], *, known: ClockRows, tenant: TenantConfig
) -> list[_Said]:
    """Delete clocks that never were, and running ones whose target was switched off. What has ended under a target stays."""
    starts = starts_of(known.story, sla=tenant.sla)
    stand = {(clock.kind, clock.started_at) for clock in clocks}
    wrong = [
        key
        for clock in known.clocks
        if (key := (clock.kind, clock.started_at)) not in starts or (clock.ended_at is None and key not in stand)
    ]
    if not wrong:
        return []
    rows = conn.execute(
        """
        DELETE FROM sla_clock AS c
        WHERE conversation_id = %s AND (kind, started_at) IN (SELECT * FROM unnest(%s::text[], %s::timestamptz[]))
        RETURNING kind, warned_at, warning_alert_id::text, breached_at, breach_alert_id::text, ended_at IS NULL
        """,
        (
            conversation_id,
            [kind for kind, _ in wrong],
            [started_at for _, started_at in wrong],
        ),
    ).fetchall()
    return [_Said(*row[:5]) for row in rows if row[5] and (row[2] or row[4])]


def _carry_over(conn: Connection, conversation_id: str, said: list[_Said]) -> None:
    for one in said:
        conn.execute(
            """
            UPDATE sla_clock
            SET warned_at = coalesce(warned_at, %(warned_at)s),
                warning_alert_id = coalesce(warning_alert_id, %(warning_alert_id)s),
                -- Of one that runs again the breach is over: the next one is told anew.
                breached_at = coalesce(breached_at, CASE WHEN state = 'breached' THEN %(breached_at)s::timestamptz END),
                breach_alert_id = coalesce(breach_alert_id, CASE WHEN state = 'breached' THEN %(breach_alert_id)s::uuid END)
            WHERE conversation_id = %(conversation_id)s AND kind = %(kind)s AND ended_at IS NULL
            """,
            {"conversation_id": conversation_id, **vars(one)},
        )


WRITE_CLOCKS = """
    INSERT INTO sla_clock AS c (
        tenant_id, conversation_id, message_id, kind, episode_at, started_at, priority, queue, target_min, counts, due_at,
        warn_at, state, met_at, ended_at, paused_min
    )
    SELECT %(tenant)s, %(conversation)s, given.*
    FROM jsonb_to_recordset(%(clocks)s::jsonb) AS given (
        message_id uuid, kind text, episode_at timestamptz, started_at timestamptz, priority text, queue text, target_min integer,
        counts text, due_at timestamptz, warn_at timestamptz, state text, met_at timestamptz, ended_at timestamptz,
        paused_min double precision
    )
    ON CONFLICT (conversation_id, kind, started_at) DO UPDATE
        SET message_id = EXCLUDED.message_id, episode_at = EXCLUDED.episode_at, priority = EXCLUDED.priority,
            queue = EXCLUDED.queue, target_min = EXCLUDED.target_min, counts = EXCLUDED.counts, due_at = EXCLUDED.due_at,
            warn_at = EXCLUDED.warn_at, state = EXCLUDED.state, met_at = EXCLUDED.met_at, ended_at = EXCLUDED.ended_at,
            paused_min = EXCLUDED.paused_min,
            -- Due again: what was said before no longer holds.
            breached_at = CASE WHEN EXCLUDED.state = 'breached' THEN c.breached_at END
        -- A clock that has stopped keeps the target it had, whatever the tenant sets later.
        WHERE c.ended_at IS NULL
           OR (c.message_id, c.episode_at, c.priority, c.queue, c.met_at, c.ended_at)
              IS DISTINCT FROM (EXCLUDED.message_id, EXCLUDED.episode_at, EXCLUDED.priority, EXCLUDED.queue,
                                EXCLUDED.met_at, EXCLUDED.ended_at)
"""


def write_clocks(conn: Connection, new: NewClocks | None) -> None:
    """Write what `find_new_clocks` has found."""
    if new and new.clocks:
        conn.execute(WRITE_CLOCKS, new.as_values())
