"""Open work: one row per pass of a message through the pipeline, locked, leased and advanced here and nowhere else."""

from dataclasses import dataclass, field, fields
from typing import Any, Literal

from psycopg.types.json import Jsonb

from store.db import Connection
from store.messages import MESSAGE_COLUMNS, StoredMessage

RunState = Literal["received", "minimized", "analyzed", "persisted", "routed", "dead"]
Outcome = Literal["analyzed", "no_text", "unanalyzed"]

RUN_STATES: tuple[RunState, ...] = ("received", "minimized", "analyzed", "persisted", "routed")
LEASE_S = 15
# Crashes of our own process while it held the message, not failures of a provider.
MAX_CRASHES = 5


@dataclass(frozen=True)
class RunRef:
    """The ids that travel through the broker.

    is_flood: the tenant has more on its way than its share, so this one waits in a lane of its own. is_canary: the message is one of our
    own, whose stages leave nothing behind.
    """

    tenant_id: int
    message_id: str
    run_id: str
    is_flood: bool = False
    is_canary: bool = False


@dataclass(frozen=True)
class LockedRun:
    """A run whose row this transaction holds."""

    kind: Literal["initial", "reanalyze", "sweep", "place", "canary"]
    state: RunState
    outcome: Outcome | None
    answer: dict[str, Any] | None
    error_code: str | None
    provisional_done: bool
    crashes: int
    leased: bool
    gathers: bool
    """More of the same burst may come: not to be analyzed yet."""
    until_now: bool
    """The context is everything up to now, not only up to the message."""
    lease_token: str | None

    def is_leased_by(self, token: str) -> bool:
        """Whether whoever has this token works on it."""
        return self.lease_token == token


RUN = """
    SELECT run.kind, run.state, run.outcome, run.answer, run.error_code, run.provisional_at IS NOT NULL, run.crashes,
    coalesce(run.lease_until > clock_timestamp(), false), coalesce(run.gathers_until > clock_timestamp(), false),
    run.until_now, run.lease_token::text
"""
_LOCKED = " FROM run WHERE id = %s AND tenant_id = %s FOR UPDATE"
_AND_MESSAGE = ", "
_LOCKED_WITH_MESSAGE = """
    FROM run JOIN message ON message.id = %s
    WHERE run.id = %s AND run.tenant_id = %s
    FOR UPDATE OF run FOR NO KEY UPDATE OF message
"""
RUN_WIDTH = len(fields(LockedRun))


def lock_run(conn: Connection, ref: RunRef) -> LockedRun | None:
    """Lock the run until the transaction ends; None when it is finished, or was never there."""
    row = conn.execute(RUN + _LOCKED, (ref.run_id, ref.tenant_id)).fetchone()
    return LockedRun(*row) if row else None


def lock_run_and_message(conn: Connection, ref: RunRef) -> tuple[LockedRun, StoredMessage] | None:
    """Lock the run, then its message, until the transaction ends; None when the run is finished, or was never there.

    Both locked: where one of them was waited for, the other is read as it is then and not as it was before.
    Raises: LookupError when there is a run and no message.
    """
    query = RUN + _AND_MESSAGE + MESSAGE_COLUMNS + _LOCKED_WITH_MESSAGE
    row = conn.execute(query, (ref.message_id, ref.run_id, ref.tenant_id)).fetchone()
    if row is None:
        if lock_run(conn, ref):
            raise LookupError(ref.message_id)
        return None
    return LockedRun(*row[:RUN_WIDTH]), StoredMessage(*row[RUN_WIDTH:])


_MOVE = """
    WITH moved AS (
        UPDATE run
        SET state = %(to)s, outcome = coalesce(%(outcome)s, outcome), error_code = coalesce(%(error_code)s, error_code),
            answer = NULL, rings = 0, next_at = now() + interval '5 seconds', stage_since = now(),
"""
_UNLEASED = "lease_token = NULL, lease_until = NULL, crashes = 0"
_LEASED = """
    lease_token = gen_random_uuid(), lease_until = clock_timestamp() + make_interval(secs => %(lease_s)s), crashes = crashes + 1,
    gathers_until = NULL
"""


def _lease() -> dict[str, object]:
    return {"lease_s": LEASE_S}


_MOVE_END = """
        WHERE id = %(run)s
        RETURNING kind, lease_token
    )
"""
_MOVED = _MOVE + _UNLEASED + _MOVE_END
_MESSAGE_TOO = """
    UPDATE message SET state = %(to)s
    WHERE id = %(message)s AND state <> 'erased' AND (SELECT kind FROM moved) = 'initial'
"""
_MESSAGE_PLACED = """
    UPDATE message
    SET customer_id = %(customer)s, conversation_id = %(conversation)s,
        minimized_text = coalesce(%(text)s, minimized_text), stripped = coalesce(%(counts)s, stripped),
        minimizer_version = coalesce(%(version)s, minimizer_version),
        state = CASE WHEN state <> 'erased' AND (SELECT kind FROM moved) = 'initial' THEN %(to)s ELSE state END
    WHERE id = %(message)s
"""


def advance(
    conn: Connection,
    ref: RunRef,
    *,
    to: RunState,
    outcome: Outcome | None = None,
    error_code: str | None = None,
) -> None:
    """Move a locked run forward and, for the initial one, its message with it. Clears lease, crash count and answer."""
    conn.execute(
        _MOVED + _MESSAGE_TOO,
        {"to": to, "outcome": outcome, "error_code": error_code, "run": ref.run_id, "message": ref.message_id},
    )


@dataclass(frozen=True)
class MinimizedWords:
    """What may leave the building of a message, and how much of each kind was cut from it."""

    text: str = field(repr=False)
    counts: dict[str, int]
    version: str


@dataclass(frozen=True)
class Place:
    """Whose message it is, and in which conversation."""

    customer_id: str
    conversation_id: str


def advance_placed(
    conn: Connection,
    ref: RunRef,
    place: Place,
    *,
    to: RunState,
    words: MinimizedWords | None = None,
    outcome: Outcome | None = None,
) -> None:
    """`advance`, with the message's place and its stripped words: its row is written once."""
    conn.execute(_MOVED + _MESSAGE_PLACED, _placed(ref, place, to=to, words=words, outcome=outcome))


def _placed(
    ref: RunRef, place: Place, *, to: RunState, words: MinimizedWords | None, outcome: Outcome | None
) -> dict[str, object]:
    return {
        "to": to,
        "outcome": outcome,
        "error_code": None,
        "run": ref.run_id,
        "message": ref.message_id,
        "customer": place.customer_id,
        "conversation": place.conversation_id,
        "text": words.text if words else None,
        "counts": Jsonb(words.counts) if words else None,
        "version": words.version if words else None,
    }


# For a statement behind it that writes the call's row: its values are added to these.
PLACED_AND_LEASED = _MOVE + _LEASED + _MOVE_END + ", placed AS (" + _MESSAGE_PLACED + ")"


def placed_and_leased(ref: RunRef, place: Place, *, words: MinimizedWords) -> dict[str, object]:
    """The values of PLACED_AND_LEASED, which does what `advance_placed` and `take_lease` do: the run's row is written once."""
    return {**_placed(ref, place, to="minimized", words=words, outcome=None), **_lease()}


def set_message_state(conn: Connection, message_id: str, state: str) -> None:
    """An erased message stays erased, whatever a late step wanted."""
    conn.execute("UPDATE message SET state = %s WHERE id = %s AND state <> 'erased'", (state, message_id))


_UPDATE_RUN, _RETURNING_TOKEN = "UPDATE run SET", "WHERE id = %(run)s RETURNING lease_token"
_TAKE_LEASE = _UPDATE_RUN + _LEASED + _RETURNING_TOKEN


def take_lease(conn: Connection, ref: RunRef) -> str:
    """Lease a locked run for work outside the database. Returns the token that proves it. Counts as a crash until released."""
    row = conn.execute(_TAKE_LEASE, {"run": ref.run_id, **_lease()}).fetchone()
    assert row is not None
    return str(row[0])


def renew_leases(conn: Connection, tokens: list[str]) -> None:
    """Prolong the leases of work that goes on. Needs the system scope."""
    conn.execute(
        "UPDATE run SET lease_until = clock_timestamp() + make_interval(secs => %s) WHERE lease_token = ANY(%s::uuid[])",
        (LEASE_S, tokens),
    )


def holds_lease(conn: Connection, ref: RunRef, *, lease_token: str) -> bool:
    """Whether the work is still ours: its words were not changed or taken back, and nobody else has begun it. Locks the run."""
    row = conn.execute("SELECT lease_token::text FROM run WHERE id = %s FOR UPDATE", (ref.run_id,)).fetchone()
    return row is not None and row[0] == lease_token


def store_answer(conn: Connection, ref: RunRef, *, lease_token: str, answer: dict[str, Any]) -> bool:
    """Keep the model's validated answer and move to `analyzed`. False when the lease was lost: the answer is then not ours to store."""
    row = conn.execute(
        """
        WITH kept AS (
            UPDATE run
            SET state = 'analyzed', outcome = 'analyzed', answer = %s, lease_token = NULL, lease_until = NULL, crashes = 0, rings = 0,
                next_at = now() + interval '5 seconds', stage_since = now()
            WHERE id = %s AND state = 'minimized' AND lease_token = %s
            RETURNING kind
        ), told AS (
            UPDATE message SET state = 'analyzed'
            WHERE id = %s AND state <> 'erased' AND (SELECT kind FROM kept) = 'initial'
        )
        SELECT FROM kept
        """,
        (Jsonb(answer), ref.run_id, lease_token, ref.message_id),
    ).fetchone()
    return row is not None


def release_lease(
    conn: Connection, ref: RunRef, *, lease_token: str, retry_in_s: float, error_code: str, own_fault: bool
) -> None:
    """Give up a lease after an orderly failure. own_fault: keep the crash counted, so that a poison message ends."""
    conn.execute(
        """
        UPDATE run
        SET lease_token = NULL, lease_until = NULL, error_code = %s, next_at = now() + make_interval(secs => %s),
            crashes = CASE WHEN %s THEN crashes ELSE 0 END
        WHERE id = %s AND lease_token = %s
        """,
        (error_code, retry_in_s, own_fault, ref.run_id, lease_token),
    )


def postpone(conn: Connection, ref: RunRef, *, seconds: float, error_code: str) -> None:
    """Leave a run alone for a while, for example until an analyzer is configured."""
    conn.execute(
        "UPDATE run SET next_at = now() + make_interval(secs => %s), error_code = %s WHERE id = %s",
        (seconds, error_code, ref.run_id),
    )


def wake_waiting(conn: Connection, *, because: str) -> int:
    """Make runs that were postponed for this reason due now. Needs the system scope."""
    return conn.execute(
        """
        UPDATE run
        SET next_at = now(), rings = 0
        WHERE id IN (
            SELECT id
            FROM run
            WHERE state <> 'dead' AND error_code = %s AND next_at > now()
            ORDER BY id
            -- One that somebody works on at this moment is not waited for.
            FOR UPDATE SKIP LOCKED
        )
        """,
        (because,),
    ).rowcount


def bury(conn: Connection, ref: RunRef, *, error_code: str) -> None:
    """Park a run that cannot go on, with the reason, until someone replays it. Nothing is deleted."""
    row = conn.execute(
        """
        UPDATE run
        SET state = 'dead', error_code = %s, lease_token = NULL, lease_until = NULL
        WHERE id = %s AND state <> 'dead'
        RETURNING kind
        """,
        (error_code, ref.run_id),
    ).fetchone()
    if row and row[0] == "initial":
        set_message_state(conn, ref.message_id, "dead")


CLOSED = "WITH closed AS (DELETE FROM run WHERE id = %(run)s)"
FINISHED_MESSAGE = """
    UPDATE message SET state = %(ends_as)s WHERE id = %(message)s AND state <> 'erased' AND %(is_initial)s
"""
_FINISH = CLOSED + FINISHED_MESSAGE


def finished(ref: RunRef, *, kind: str, outcome: Outcome | None) -> dict[str, object]:
    """The values of CLOSED and FINISHED_MESSAGE."""
    return {
        "run": ref.run_id,
        "message": ref.message_id,
        "is_initial": kind == "initial",
        "ends_as": "unanalyzed" if outcome == "unanalyzed" else "done",
    }


def finish(conn: Connection, ref: RunRef, *, kind: str, outcome: Outcome | None) -> None:
    """Close a run: its row goes; of the initial one, its message is `done` (or `unanalyzed`)."""
    conn.execute(_FINISH, finished(ref, kind=kind, outcome=outcome))


def count_try(conn: Connection, ref: RunRef) -> int:
    """A try at a run that may be what kills its workers begins: counted before it, so that a death counts. Returns how many there were."""
    row = conn.execute("UPDATE run SET crashes = crashes + 1 WHERE id = %s RETURNING crashes", (ref.run_id,)).fetchone()
    return row[0] if row else 0


def forgive_try(conn: Connection, ref: RunRef) -> None:
    """The try ended in an orderly way: nobody died of it."""
    conn.execute("UPDATE run SET crashes = greatest(crashes - 1, 0) WHERE id = %s", (ref.run_id,))


def mark_provisional(conn: Connection, ref: RunRef, *, urgent: bool) -> None:
    """The run has its provisional reading. urgent: its words hit the floor, so it comes first when the provider is back."""
    conn.execute("UPDATE run SET provisional_at = now(), urgent = %s WHERE id = %s", (urgent, ref.run_id))
