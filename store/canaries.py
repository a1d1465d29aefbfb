"""Messages of our own that take the whole way: when each is due, how far it has come, and which are late.

A canary has a run like any message and no row in `message`: nothing that lists, counts, answers or bills messages can meet it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from store.db import Connection
from store.intake import StartedRun
from store.runs import RunRef, RunState

# One that has not come through by then is given up, so that an outage leaves no backlog of them.
GIVE_UP_S = 900
KEPT_DAYS = 30
_LOCK = "earshot canaries"


@dataclass(frozen=True)
class DueCanary:
    """A canary that is to be sent now, to one of the tenant's accounts."""

    id: str
    tenant_id: int
    channel: str
    account_id: str


def take_due_canaries(
    conn: Connection, *, every_s: float, model_every_s: float, via: str, limit: int
) -> list[DueCanary]:
    """Note canaries for tenants whose turn has come; each goes to the account that had none for longest. A tenant whose last one is
    still on its way waits for it. model_every_s 0: none asks the model. Needs the system scope.
    """
    conn.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (_LOCK,))
    rows = conn.execute(
        """
        INSERT INTO canary (tenant_id, channel, account_id, via, asks_model)
        SELECT t.id, a.kind, a.account_id, %(via)s,
               %(model_every_s)s > 0 AND t.created_at < now() - make_interval(secs => %(model_every_s)s) AND NOT EXISTS (
                   SELECT FROM canary AS c
                   WHERE c.tenant_id = t.id AND c.asks_model AND c.sent_at > now() - make_interval(secs => %(model_every_s)s)
               )
        FROM tenant AS t
        CROSS JOIN LATERAL (
            SELECT account.kind, account.account_id
            FROM channel_account AS account
            WHERE account.tenant_id = t.id
            ORDER BY (
                SELECT max(c.sent_at) FROM canary AS c
                WHERE c.tenant_id = t.id AND c.channel = account.kind AND c.account_id = account.account_id
            ) NULLS FIRST, account.id
            LIMIT 1
        ) AS a
        WHERE coalesce((t.config #>> '{canary,enabled}')::boolean, true)
          AND t.created_at < now() - make_interval(secs => %(every_s)s)
          AND NOT EXISTS (
              SELECT FROM canary AS c
              WHERE c.tenant_id = t.id
                AND (c.sent_at > now() - make_interval(secs => %(every_s)s)
                     OR c.done_at IS NULL AND c.sent_at > now() - make_interval(secs => %(give_up_s)s))
          )
        ORDER BY t.id
        LIMIT %(limit)s
        RETURNING id::text, tenant_id, channel, account_id
        """,
        {"every_s": every_s, "model_every_s": model_every_s, "via": via, "give_up_s": GIVE_UP_S, "limit": limit},
    ).fetchall()
    return [DueCanary(*row) for row in rows]


def is_canary(conn: Connection, canary_id: str, *, tenant_id: int, channel: str, account_id: str) -> bool:
    """Whether this is one of ours, sent to this account. Needs the tenant or the system scope."""
    return (
        conn.execute(
            "SELECT FROM canary WHERE id = %s AND tenant_id = %s AND channel = %s AND account_id = %s",
            (canary_id, tenant_id, channel, account_id),
        ).fetchone()
        is not None
    )


def take_in(conn: Connection, tenant_id: int, canary_id: str) -> StartedRun | None:
    """The canary has come to the inbox: its run. None when it was there before. The transaction must act for `tenant_id`."""
    row = conn.execute(
        """
        WITH came AS (
            UPDATE canary
            SET received_at = now(), stage = 'received', error_code = NULL
            WHERE id = %s AND tenant_id = %s AND received_at IS NULL
            RETURNING id, tenant_id
        )
        INSERT INTO run (tenant_id, message_id, kind)
        SELECT tenant_id, id, 'canary' FROM came
        RETURNING id::text
        """,
        (canary_id, tenant_id),
    ).fetchone()
    return StartedRun(tenant_id, canary_id, row[0], is_canary=True) if row else None


@dataclass(frozen=True)
class Canary:
    """One on its way. answer: what it was read as, once it was."""

    channel: str
    account_id: str
    asks_model: bool
    answer: dict[str, Any] | None


def find_canary(conn: Connection, ref: RunRef) -> Canary | None:
    """The run's canary."""
    row = conn.execute(
        "SELECT channel, account_id, asks_model, answer FROM canary WHERE id = %s AND tenant_id = %s",
        (ref.message_id, ref.tenant_id),
    ).fetchone()
    return Canary(*row) if row else None


def note_stage(conn: Connection, ref: RunRef, stage: RunState, *, answer: dict[str, Any] | None = None) -> None:
    """How far it has come."""
    conn.execute(
        "UPDATE canary SET stage = %s, answer = coalesce(%s, answer), error_code = NULL WHERE id = %s",
        (stage, Jsonb(answer) if answer is not None else None, ref.message_id),
    )


def note_trouble(conn: Connection, canary_id: str, *, code: str) -> None:
    """Why it does not go on, as far as that is known."""
    conn.execute("UPDATE canary SET error_code = %s WHERE id = %s AND done_at IS NULL", (code, canary_id))


def end_canary(conn: Connection, ref: RunRef) -> float:
    """It has come through. Returns the seconds that took."""
    conn.execute("DELETE FROM run WHERE id = %s AND kind = 'canary'", (ref.run_id,))
    row = conn.execute(
        """
        UPDATE canary
        SET stage = 'done', done_at = clock_timestamp(), answer = NULL, error_code = NULL
        WHERE id = %s
        RETURNING extract(epoch FROM done_at - sent_at)::float
        """,
        (ref.message_id,),
    ).fetchone()
    return row[0] if row else 0.0


def drop_canary_run(conn: Connection, ref: RunRef, *, code: str) -> None:
    """It can't go on. Nobody replays a canary: the next one comes by itself."""
    conn.execute("DELETE FROM run WHERE id = %s AND kind = 'canary'", (ref.run_id,))
    note_trouble(conn, ref.message_id, code=code)


def give_up_canaries(conn: Connection) -> None:
    """Runs of canaries that nobody waits for any more go, and so do old canaries. Needs the system scope."""
    conn.execute(
        "DELETE FROM run WHERE kind = 'canary' AND created_at < now() - make_interval(secs => %s)", (GIVE_UP_S,)
    )
    conn.execute("DELETE FROM canary WHERE sent_at < now() - make_interval(days => %s)", (KEPT_DAYS,))


@dataclass(frozen=True)
class LateCanary:
    """The newest canary of a tenant that should have come through and has not. stage: how far it has come; sent: not to the inbox."""

    tenant_id: int
    tenant: str
    channel: str
    via: str
    stage: str
    asks_model: bool
    error_code: str | None
    sent_at: datetime


def list_late_canaries(conn: Connection, *, late_after_s: float) -> list[LateCanary]:
    """By tenant: at most one of those that ask the model and one of the others. Needs the system scope."""
    rows = conn.execute(
        """
        SELECT c.tenant_id, t.slug, c.channel, c.via, c.stage, c.asks_model, c.error_code, c.sent_at
        FROM tenant AS t
        CROSS JOIN (VALUES (true), (false)) AS which (asks_model)
        CROSS JOIN LATERAL (
            SELECT *
            FROM canary
            WHERE tenant_id = t.id AND asks_model = which.asks_model
              AND (done_at IS NOT NULL OR sent_at < now() - make_interval(secs => %s))
            ORDER BY id DESC
            LIMIT 1
        ) AS c
        WHERE c.done_at IS NULL AND c.sent_at > now() - interval '1 day'
          AND coalesce((t.config #>> '{canary,enabled}')::boolean, true)
        ORDER BY t.slug, c.asks_model
        """,
        (late_after_s,),
    ).fetchall()
    return [LateCanary(*row) for row in rows]


def list_alarmed_tenants(conn: Connection) -> list[int]:
    """Tenants that were told of a late one, and not yet that it is over. Needs the system scope."""
    rows = conn.execute("SELECT DISTINCT tenant_id FROM alert WHERE kind = 'canary_late' AND resolved_at IS NULL")
    return [tenant_id for (tenant_id,) in rows.fetchall()]


@dataclass(frozen=True)
class PastCanary:
    """A canary as people see it. latency_s: None while it is under way, or when it never came through."""

    sent_at: datetime
    channel: str
    via: str
    stage: str
    asks_model: bool
    error_code: str | None
    latency_s: float | None


def list_canaries(conn: Connection, tenant_id: int, *, limit: int = 20) -> list[PastCanary]:
    """Newest first."""
    rows = conn.execute(
        """
        SELECT sent_at, channel, via, stage, asks_model, error_code, extract(epoch FROM done_at - sent_at)::float
        FROM canary
        WHERE tenant_id = %s
        ORDER BY id DESC
        LIMIT %s
        """,
        (tenant_id, limit),
    ).fetchall()
    return [PastCanary(*row) for row in rows]
