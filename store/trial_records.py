"""What people try: laboratory runs, checks and publishings of examples, from the plan to what came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from psycopg.types.json import Jsonb

from store.conversation_events import Actor
from store.db import Connection
from store.runs import LEASE_S
from store.trials import KEEP_PASTED_DAYS

TrialKind = Literal["laboratory", "check", "publish"]
TrialState = Literal["planned", "waiting", "running", "done", "failed"]
RING_AGAIN_S = 10.0
INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class TrialRecord:
    """One trial. by: the person's e-mail, None for a program. error: why it came to nothing, a sentence or INTERRUPTED.

    words: pasted ones, stripped. result: see worker.trial_work; None until it is done.
    """

    id: str
    kind: TrialKind
    state: TrialState
    estimated_microusd: int
    cost_microusd: int
    error: str | None
    by_user_id: int | None
    by_key_id: int | None
    by: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    setup: dict[str, Any] = field(repr=False)
    words: list[str] = field(repr=False)
    message_ids: list[str]
    result: dict[str, Any] | None = field(repr=False)

    @property
    def is_open(self) -> bool:
        """Whether a worker has it, or will."""
        return self.state in {"waiting", "running"}


@dataclass(frozen=True)
class NewTrial:
    """A trial to add. drawn_from: messages whose words may stand in its result."""

    kind: TrialKind
    setup: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    words: Sequence[str] = field(default=(), repr=False)
    message_ids: Sequence[str] = ()
    drawn_from: Sequence[str] = ()
    estimated_microusd: int = 0


def add_trial_record(conn: Connection, tenant_id: int, new: NewTrial, *, by: Actor) -> str:
    """Add a planned trial; nothing is asked before it is started. Returns its id."""
    row = conn.execute(
        """
        INSERT INTO trial (tenant_id, kind, estimated_microusd, by_user_id, by_key_id)
        VALUES (%s, %s, %s, %s, %s)
        RETURNING id::text
        """,
        (tenant_id, new.kind, new.estimated_microusd, by.user_id, by.key_id),
    ).fetchone()
    assert row is not None
    conn.execute(
        """
        INSERT INTO trial_text (trial_id, tenant_id, setup, words, message_ids, drawn_from)
        VALUES (%s, %s, %s, %s, %s::uuid[], %s::uuid[])
        """,
        (row[0], tenant_id, Jsonb(new.setup), list(new.words), list(new.message_ids), list(new.drawn_from)),
    )
    return row[0]


def start_trial(conn: Connection, tenant_id: int, trial_id: str) -> bool:
    """Let a worker do it, within a second or two. False when it was started before: it is paid once."""
    row = conn.execute(
        """
        UPDATE trial
        SET state = 'waiting', started_at = now(), next_at = now()
        WHERE tenant_id = %s AND id = %s AND state = 'planned'
        RETURNING id
        """,
        (tenant_id, trial_id),
    ).fetchone()
    return row is not None


def find_trial(conn: Connection, tenant_id: int, trial_id: str) -> TrialRecord | None:
    """One trial of the tenant."""
    row = conn.execute(
        """
        SELECT t.id::text, t.kind, t.state, t.estimated_microusd, t.cost_microusd, t.error, t.by_user_id, t.by_key_id, u.email, t.created_at,
               t.started_at, t.finished_at, x.setup, x.words, x.message_ids::text[], x.result
        FROM trial AS t
        JOIN trial_text AS x ON x.trial_id = t.id
        LEFT JOIN app_user AS u ON u.id = t.by_user_id
        WHERE t.tenant_id = %s AND t.id = %s
        """,
        (tenant_id, trial_id),
    ).fetchone()
    return TrialRecord(*row) if row else None


def list_trials(
    conn: Connection,
    tenant_id: int,
    *,
    kinds: Sequence[TrialKind],
    limit: int,
    before_id: str | None = None,
    started_only: bool = True,
) -> list[TrialRecord]:
    """Newest first."""
    rows = conn.execute(
        """
        SELECT t.id::text, t.kind, t.state, t.estimated_microusd, t.cost_microusd, t.error, t.by_user_id, t.by_key_id, u.email, t.created_at,
               t.started_at, t.finished_at, x.setup, x.words, x.message_ids::text[], x.result
        FROM trial AS t
        JOIN trial_text AS x ON x.trial_id = t.id
        LEFT JOIN app_user AS u ON u.id = t.by_user_id
        WHERE t.tenant_id = %s AND t.kind = ANY(%s) AND (%s::uuid IS NULL OR t.id < %s::uuid)
          AND (NOT %s OR t.started_at IS NOT NULL)
        ORDER BY t.id DESC
        LIMIT %s
        """,
        (tenant_id, list(kinds), before_id, before_id, started_only, limit),
    ).fetchall()
    return [TrialRecord(*row) for row in rows]


def take_due_trials(conn: Connection, *, limit: int) -> list[tuple[int, str]]:
    """(tenant_id, trial_id) of started trials that no worker has; pushed back a little. Needs the system scope."""
    return conn.execute(
        """
        WITH due AS (
            SELECT id FROM trial WHERE next_at <= now() AND state = 'waiting' ORDER BY next_at LIMIT %s FOR UPDATE SKIP LOCKED
        )
        UPDATE trial AS t
        SET next_at = now() + make_interval(secs => %s)
        FROM due
        WHERE t.id = due.id
        RETURNING t.tenant_id, t.id::text
        """,
        (limit, RING_AGAIN_S),
    ).fetchall()


def end_interrupted_trials(conn: Connection) -> int:
    """Trials whose worker has died: what they asked may be paid, so they are not asked again. Needs the system scope."""
    return conn.execute(
        """
        UPDATE trial
        SET state = 'failed', error = %s, finished_at = now(), lease_token = NULL, next_at = NULL
        WHERE state = 'running' AND next_at <= now() AND lease_until < now()
        """,
        (INTERRUPTED,),
    ).rowcount


def take_trial(conn: Connection, trial_id: str) -> str | None:
    """Lease a started trial to this worker. None when another one has it, or had it."""
    row = conn.execute(
        """
        UPDATE trial
        SET state = 'running', lease_token = gen_random_uuid(),
            lease_until = clock_timestamp() + make_interval(secs => %s), next_at = now()
        WHERE id = %s AND state = 'waiting'
        RETURNING lease_token::text
        """,
        (LEASE_S, trial_id),
    ).fetchone()
    return row[0] if row else None


def renew_trial_leases(conn: Connection, tokens: list[str]) -> None:
    """Prolong the leases of work that goes on. Needs the system scope."""
    conn.execute(
        "UPDATE trial SET lease_until = clock_timestamp() + make_interval(secs => %s) WHERE lease_token = ANY(%s::uuid[])",
        (LEASE_S, tokens),
    )


def finish_trial(
    conn: Connection,
    tenant_id: int,
    trial_id: str,
    *,
    result: Mapping[str, Any] | None,
    error: str | None,
) -> None:
    """What came of it. Its cost is what the ledger says. One that went meanwhile, with a message that was taken back, stays away."""
    conn.execute(
        """
        UPDATE trial
        SET state = CASE WHEN %s::text IS NULL THEN 'done' ELSE 'failed' END, error = %s, finished_at = now(),
            lease_token = NULL, next_at = NULL,
            cost_microusd = (
                SELECT coalesce(sum(e.cost_microusd), 0)
                FROM egress AS e
                WHERE e.tenant_id = %s AND e.id > trial.id AND e.run_id = trial.id AND e.purpose = 'trial'
            )
        WHERE tenant_id = %s AND id = %s AND state = 'running'
        """,
        (error, error, tenant_id, tenant_id, trial_id),
    )
    conn.execute(
        "UPDATE trial_text SET result = %s WHERE tenant_id = %s AND trial_id = %s",
        (None if result is None else Jsonb(result), tenant_id, trial_id),
    )


def forget_trials_of(conn: Connection, message_ids: Sequence[str]) -> None:
    """Drop trials in which words of these messages may stand."""
    conn.execute(
        "DELETE FROM trial AS t USING trial_text AS x WHERE x.trial_id = t.id AND x.drawn_from && %s::uuid[]",
        (list(message_ids),),
    )


def forget_old_trials(conn: Connection, tenant_id: int) -> int:
    """No erasure finds pasted words: after 30 days they go, and with them what was made of them; plans that nobody started after a day.

    Returns how many trials.
    """
    return conn.execute(
        """
        DELETE FROM trial
        WHERE tenant_id = %s AND kind = 'laboratory' AND (
            created_at < now() - make_interval(days => %s) OR state = 'planned' AND created_at < now() - interval '1 day'
        )
        """,
        (tenant_id, KEEP_PASTED_DAYS),
    ).rowcount
