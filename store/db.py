"""Connections and transactions: one pool per process, every transaction bound to a tenant or to the system scope."""

import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from typing import LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool, PoolTimeout
from psycopg_pool.base import AttemptWithBackoff

from config.tracing import span

# Everything a session must have, in one place. synchronous_commit must be on: with it off, a killed server loses acknowledged
# messages and forgets that a reply was being sent.
SESSION_OPTIONS = (
    "-c synchronous_commit=on -c statement_timeout=15000 -c lock_timeout=8000 "
    "-c idle_in_transaction_session_timeout=30000 -c timezone=UTC"
)
CONNECT_TIMEOUT_S = 3
POOL_WAIT_S = 3.0
IDLE_S = 120.0
REPLACE_POOL_EVERY_S = 1.0

# A plan that was made while a table was small would go on reading all of it.
_ONE_PLAN = b"; SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_seqscan = off"
_ALWAYS_ONE_PLAN = " -c plan_cache_mode=force_generic_plan -c enable_seqscan=off"

# After a restart of Postgres, which may take half a second, the pool would wait for a second, and two, and four.
AttemptWithBackoff.INITIAL_DELAY, AttemptWithBackoff.DELAY_BACKOFF = 0.1, 1.2

Connection = psycopg.Connection[TupleRow]
Cursor = psycopg.Cursor[TupleRow]


class StoreError(Exception):
    """The database did not do it. The text holds a SQLSTATE or a short code: driver messages quote values.

    permanent: False for anything another try may cure (no connection, deadlock, serialization, time-out).
    """

    def __init__(self, code: str, *, permanent: bool, retry_after_s: float | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.permanent = permanent
        self.retry_after_s = retry_after_s


# Classes of SQLSTATE that mean "our statement or data is wrong": another try gives the same answer.
_PERMANENT_CLASSES = ("21", "22", "23", "42", "0A", "44")
# A pooler that knows no prepared statements has mixed up two sessions: no fault of any message.
_POOLERS_FAULTS = ("42P05",)


def store_error(error: psycopg.Error | PoolTimeout) -> StoreError:
    """The StoreError for a driver error, without its message."""
    if isinstance(error, PoolTimeout):
        return StoreError("pool_timeout", permanent=False)
    state = error.sqlstate
    if state is None and isinstance(error, psycopg.DataError | psycopg.ProgrammingError):
        # The driver itself refuses a value, such as a text with a NUL: the server was never asked, and another try changes nothing.
        return StoreError("unusable_value", permanent=True)
    if state is None:
        return StoreError("no_connection", permanent=False)
    permanent = state.startswith(_PERMANENT_CLASSES) and state not in _POOLERS_FAULTS
    return StoreError(f"sqlstate_{state}", permanent=permanent)


@lru_cache(maxsize=1024)
def _opening(setting: str, value: str) -> bytes:
    """Begins a transaction under a setting that ends with it, so that it can't leak to the connection's next user."""
    opening = sql.SQL("BEGIN; SET LOCAL {} = {}")
    return opening.format(sql.Identifier(*setting.split(".")), sql.Literal(value)).as_bytes(None)


@dataclass
class _Joint:
    """A transaction that several stages share, and what waits for its commit."""

    tenant_id: int
    conn: Connection
    afterwards: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])


class Database:
    """A pool of connections to Postgres as the restricted role."""

    def __init__(
        self,
        url: str,
        *,
        pool_size: int,
        wait_s: float = POOL_WAIT_S,
        idle_s: float = IDLE_S,
        one_plan: bool = False,
    ) -> None:
        """wait_s: for a connection, at most. idle_s: in so long one is closed of those that nobody needed meanwhile. one_plan: every
        statement is planned once for a connection, as in `stage_transaction`.
        """
        self._url, self._pool_size, self._wait_s, self._idle_s = url, pool_size, wait_s, idle_s
        self._options = SESSION_OPTIONS + (_ALWAYS_ONE_PLAN if one_plan else "")
        self._replacing = threading.Lock()
        self._replaced_at = 0.0
        self._given_at = 0.0
        self._joints = threading.local()
        self._holders = threading.local()
        self._pool = self._open_pool()

    def _open_pool(self) -> ConnectionPool[Connection]:
        pool: ConnectionPool[Connection] = ConnectionPool(
            self._url,
            min_size=0,
            max_size=self._pool_size,
            timeout=self._wait_s,
            open=False,
            kwargs={
                # Transactions begin by `_opening`, which is one trip to the server instead of two.
                "autocommit": True,
                "options": self._options,
                "connect_timeout": CONNECT_TIMEOUT_S,
                "application_name": "earshot",
                "keepalives_idle": 15,
                "keepalives_interval": 5,
                "keepalives_count": 3,
                "tcp_user_timeout": 10000,
            },
            max_idle=self._idle_s,
            reconnect_timeout=5,
        )
        pool.open(wait=False)
        return pool

    def _replace_pool(self, stuck: ConnectionPool[Connection]) -> None:
        """Go on with a new pool. A deadline that strikes inside a pool's own code can leave it without a connection for ever,
        which looks like a server that is away; a new pool costs little and cures it.
        """
        with self._replacing:
            if self._pool is not stuck or time.monotonic() - self._replaced_at < REPLACE_POOL_EVERY_S:
                return
            self._replaced_at = time.monotonic()
            self._pool = self._open_pool()
        # Closing may wait for the very thing it is stuck on.
        threading.Thread(target=stuck.close, kwargs={"timeout": 0.1}, daemon=True).start()

    def close(self) -> None:
        """Give all connections back."""
        self._pool.close()

    @contextmanager
    def _transaction(self, setting: str, value: str, *, more: bytes = b"") -> Generator[Connection]:
        """A span without statements, which may hold values, where the work at hand is traced. more: further statements to begin with."""
        opening = _opening(setting, value) + more
        with (
            span("transaction", only_within=True),
            self._begun(lambda conn: conn.execute(opening, prepare=False)) as begun,
        ):
            yield begun.connection

    def fetch_alone(self, query: LiteralString, values: Sequence[object]) -> list[TupleRow]:
        """The rows of one statement that is a transaction by itself: one trip to the server instead of three.

        It sees and writes what nobody's transaction may, unless it sets `earshot.tenant` for itself. On a connection that turns out to be
        dead it is run again: it must not matter whether it was done before. Raises: StoreError in place of any driver error.
        """
        with span("transaction", only_within=True), self._begun(lambda conn: conn.execute(query, values)) as begun:
            return begun.fetchall()

    @contextmanager
    def _begun(self, begin: Callable[[Connection], Cursor]) -> Generator[Cursor]:
        """What `begin` returned, on a connection of the pool; what it began is committed at the end."""
        pool, connected = self._pool, False
        if getattr(self._holders, "holds", False):
            # With as many threads as connections, each holding one and waiting for a second, nobody would ever get it.
            raise RuntimeError(
                "this thread holds a connection of the pool already: use that one, or end its transaction"
            )
        self._holders.holds = True
        try:
            begun = self._begin(pool, begin)
            conn, connected = begun.connection, True
            try:
                with conn:
                    self._given_at = time.monotonic()
                    try:
                        yield begun
                    except Exception:
                        raise
                    except BaseException:
                        # A deadline struck in mid-query. Rolling back would wait for the same frozen server: drop the connection.
                        conn.close()
                        raise
            finally:
                pool.putconn(conn)
        except (psycopg.Error, PoolTimeout) as error:
            # A pool that gives connections out is busy and not stuck; throwing them away would make it slower still.
            if isinstance(error, PoolTimeout) and time.monotonic() - self._given_at >= self._wait_s:
                self._replace_pool(pool)
            raise store_error(error) from None
        except Exception:
            raise
        except BaseException:
            if not connected:
                self._replace_pool(pool)
            raise
        finally:
            self._holders.holds = False

    def _begin(self, pool: ConnectionPool[Connection], begin: Callable[[Connection], Cursor]) -> Cursor:
        """The first statement, which shows whether its connection still lives: after a restart of Postgres the pool's are dead, each of them
        once.
        """
        for left in range(self._pool_size, -1, -1):
            conn = pool.getconn()
            try:
                begun = begin(conn)
            except psycopg.OperationalError:
                pool.putconn(conn)  # a dead one is thrown away there
                if not left or not conn.broken:
                    raise
            except BaseException:
                conn.close()
                pool.putconn(conn)
                raise
            else:
                return begun
        raise AssertionError

    def tenant_transaction(self, tenant_id: int) -> AbstractContextManager[Connection]:
        """A transaction that sees one tenant's rows: commits at the end of the block, rolls back on an exception.

        Raises: StoreError in place of any driver error.
        """
        return self._transaction("earshot.tenant", str(int(tenant_id)))

    def stage_transaction(self, tenant_id: int) -> AbstractContextManager[Connection]:
        """A tenant's transaction of the few statements that every message takes: Postgres plans each once for a connection, not each time,
        which takes longer than to run it. Not for what ranges over many rows: such plans are the same for few and many.

        Within this thread's `joint_transaction` of the same tenant it is a part of that one.
        """
        joint = self._find_joint()
        if joint is not None and joint.tenant_id == tenant_id:
            return nullcontext(joint.conn)
        return self._transaction("earshot.tenant", str(int(tenant_id)), more=_ONE_PLAN)

    def _find_joint(self) -> _Joint | None:
        return getattr(self._joints, "current", None)

    @contextmanager
    def joint_transaction(self, tenant_id: int) -> Generator[Connection]:
        """A stage's transaction that the stages which run within it, in this thread, take part in: one commit for all of them, or none.

        Raises: StoreError as the others do; then, and on any other exception, all of them are undone.
        """
        with self._transaction("earshot.tenant", str(int(tenant_id)), more=_ONE_PLAN) as conn:
            joint = self._joints.current = _Joint(tenant_id, conn)
            try:
                yield conn
            finally:
                self._joints.current = None
        for act in joint.afterwards:
            act()

    def once_committed(self, act: Callable[[], None]) -> None:
        """Do it now, or, within a joint transaction, when that has been committed; never when it is undone."""
        joint = self._find_joint()
        if joint is None:
            act()
        else:
            joint.afterwards.append(act)

    @contextmanager
    def sole_turn(self, name: str) -> Generator[Connection | None]:
        """A system transaction that no other process is in under the same name; None when one is.

        The one place where a thread may begin further transactions within: each name's holder is alone, so the pool has a connection left.
        """
        with self.system_transaction() as conn:
            row = conn.execute("SELECT pg_try_advisory_xact_lock(hashtext(%s))", (name,)).fetchone()
            self._holders.holds = False
            yield conn if row and row[0] else None

    def system_transaction(
        self, *, acting_for: int | None = None, one_plan: bool = False
    ) -> AbstractContextManager[Connection]:
        """A transaction that sees the tables without customer text, of all tenants. acting_for: the tenant to begin with, as `act_for_tenant`
        does, without a trip to the server of its own. one_plan: Postgres plans each statement once for a connection, as for a stage's.
        """
        more = b"" if acting_for is None else b"; SET LOCAL earshot.tenant = '%d'" % acting_for
        return self._transaction("earshot.scope", "system", more=more + (_ONE_PLAN if one_plan else b""))


def act_for_tenant(conn: Connection, tenant_id: int) -> None:
    """Let the transaction at hand act for `tenant_id`: for the receiver, whose one transaction may serve several tenants."""
    conn.execute("SELECT set_config('earshot.tenant', %s, true)", (str(int(tenant_id)),))


def act_for_system(conn: Connection) -> None:
    """Let a tenant's transaction at hand see and write also what only the system may: settings, accounts, people, connections."""
    conn.execute("SELECT set_config('earshot.scope', 'system', true)")


@contextmanager
def rehearsal(conn: Connection) -> Generator[None]:
    """What is done within is taken back at its end, whatever becomes of the transaction."""
    with conn.transaction(force_rollback=True):
        yield


def act_for_tenant_alone(conn: Connection) -> None:
    """Take back what `act_for_system` gave."""
    conn.execute("SELECT set_config('earshot.scope', '', true)")
