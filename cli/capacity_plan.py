"""How much of everything a number of messages a day takes: arithmetic on measured figures, nothing else."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from cli.capacity_measured import Measured
from config.retention import Retention
from config.settings import LEAST_POOL_SIZE, Settings
from worker.lanes import SHARE_PER_S
from worker.roles import ROLES

DAY_S = 86_400
MONTH_DAYS = 30
# A large tenant; beyond 144,000 a day its peaks are beyond its share.
MESSAGES_OF_A_TENANT = 50_000
# A process or a server that is busier makes the next one wait longer than it works.
UTILISATION = 0.7
# Meta waits for the answer to a webhook.
RECEIVER_UTILISATION = 0.5
# Of an analyze worker's threads; the rest is for calls that take longer than the mean.
THREADS_IN_USE = 0.8
# As in Procfile and compose file: one goes on while another starts.
RECEIVER_PROCESSES_AT_LEAST = 2
POOL_SIZE: int = Settings.model_fields["database_pool_size"].default
# One that reads changes for open pages; psql, migrate, doctor, and what Postgres keeps for its superuser.
CONSOLE_READERS, RESERVED_CONNECTIONS = 1, 13
POSTGRES_DEFAULT_CONNECTIONS = 100
# A server with more spends its time on them: fewer for each process, a pooler or another server.
MOST_CONNECTIONS = 500
# Workers stand still for so long: a deployment that went wrong, a night until somebody looks would be ten times that.
BACKLOG_S = 3600
REDIS_EMPTY_MB = 20
# How long rows are kept that neither words nor history are; 0: minutes.
KEPT_DAYS = {"live_change": 0, "run": 0, "canary": 0, "errand": 0, "api_write": 1, "crm_write": 90}
BESIDE = ("beat", "console", "flower")


@dataclass(frozen=True)
class Demand:
    """What is asked for. latency_s: mean of the model's answers. read_again: share that the stronger model reads too."""

    messages_per_day: float
    latency_s: float
    peak_factor: float = 3.0
    tenants: int = 1
    model: str = "claude-haiku-5-5"
    stronger_model: str = "claude-sonnet-5-5"
    read_again: float = 0.03
    cache_hit_rate: float = 0.95
    avg_chars: int = 100
    retention_days: int = 400

    def part(self, cells: int) -> "Demand":
        """Of one of so many cells that share messages and tenants alike."""
        return replace(
            self, messages_per_day=self.messages_per_day / cells, tenants=max(1, round(self.tenants / cells))
        )

    @property
    def mean_per_s(self) -> float:
        """Messages a second over the day."""
        return self.messages_per_day / DAY_S

    @property
    def peak_per_s(self) -> float:
        """Messages a second at the busiest time."""
        return self.mean_per_s * self.peak_factor

    @property
    def calls_per_message(self) -> float:
        """First and second readings."""
        return 1 + self.read_again

    @property
    def calls_in_flight(self) -> float:
        """At the peak, on average: Little's law."""
        return self.peak_per_s * self.calls_per_message * self.latency_s

    @property
    def flood_per_s(self) -> float:
        """Messages a second at the peak beyond the tenants' shares, were they all alike."""
        return max(0.0, self.peak_per_s - SHARE_PER_S * self.tenants)


@dataclass(frozen=True)
class Processes:
    """Of one kind. threads: in use at the peak; None where they are not what counts. bound_by: what decides the number."""

    kind: str
    processes: int
    threads: int | None
    cores: float
    memory_mb: int
    bound_by: str


@dataclass(frozen=True)
class Connections:
    """To Postgres. busy: at the peak, on average. at_most: with every pool full. advice: what has to be set."""

    busy: float
    at_most: int
    pool_size: int
    max_connections: int
    advice: str


@dataclass(frozen=True)
class Postgres:
    """Load at the peak, and what is stored. table_bytes: by table and message, for messages of this length."""

    cores: float
    commits_per_s: float
    rows_per_s: float
    wal_mb_per_s: float
    wal_gb_per_day: float
    bytes_per_message: float
    gb_per_day: float
    gb_per_month: float
    gb_at_retention: float
    table_bytes: Mapping[str, float]


@dataclass(frozen=True)
class Redis:
    """commands_per_s: at the peak. backlog_mb: an hour of the peak that waits, on top of an empty server."""

    commands_per_s: float
    cores: float
    backlog_tasks: int
    memory_mb: float


@dataclass(frozen=True)
class Plan:
    """Everything but the provider."""

    demand: Demand
    processes: tuple[Processes, ...]
    connections: Connections
    postgres: Postgres
    redis: Redis

    @property
    def cores(self) -> float:
        """To be bought, servers included, at the utilisation that was planned with."""
        return sum(one.cores for one in self.processes) + self.postgres.cores + self.redis.cores

    @property
    def memory_gb(self) -> float:
        """Of our own processes."""
        return sum(one.processes * one.memory_mb for one in self.processes) / 1024


def make_plan(demand: Demand, measured: Measured, *, cells: int = 1) -> Plan:
    """The plan for the busiest time of the day. cells: what there must be one of at least, is there in each of them."""
    processes = tuple(_processes(demand, measured, cells=cells))
    return Plan(
        demand, processes, plan_connections(demand, measured, processes), plan_postgres(demand, measured),
        plan_redis(demand, measured, workers=sum(one.processes for one in processes if one.kind in ROLES)),
    )  # fmt: skip


def cores_at_peak(demand: Demand, measured: Measured, kind: str) -> float:
    """Busy cores of a kind of process: ordinary messages, those of floods, and what it takes without any."""
    ordinary_per_s = demand.peak_per_s - demand.flood_per_s
    busy_ms = (
        ordinary_per_s * measured.cpu_ms_per_message[kind]
        + demand.flood_per_s * measured.flood_cpu_ms_per_message[kind]
    )
    return busy_ms / 1000 + measured.idle_cores[kind]


def connection_s(measured: Measured) -> float:
    """How long a message holds a connection: the work of both ends of it, waiting for a core included."""
    work_ms = sum(measured.cpu_ms_per_message[kind] for kind in ("receiver", "analyze", "stages", "postgres"))
    return work_ms / 1000 / (1 - UTILISATION)


def _processes(demand: Demand, measured: Measured, *, cells: int) -> list[Processes]:
    receivers = RECEIVER_PROCESSES_AT_LEAST * cells
    return [
        _one_kind(demand, measured, "receiver", utilisation=RECEIVER_UTILISATION, at_least=receivers),
        *(_one_kind(demand, measured, kind, utilisation=UTILISATION, at_least=cells) for kind in (*ROLES, *BESIDE)),
    ]


def _one_kind(demand: Demand, measured: Measured, kind: str, *, utilisation: float, at_least: int) -> Processes:
    """One Python process fills one core, whatever the number of its threads."""
    busy = cores_at_peak(demand, measured, kind)
    by_cores = math.ceil(busy / utilisation)
    threads, by_threads = None, 0
    if kind == "analyze":
        held = demand.calls_in_flight + demand.peak_per_s * connection_s(measured)
        threads = math.ceil(held)
        by_threads = math.ceil(held / THREADS_IN_USE / ROLES[kind].concurrency)
    needed = max(at_least, by_cores, by_threads)
    bound_by = "least" if needed == at_least else "threads" if by_threads > by_cores else "processor"
    return Processes(kind, needed, threads, busy / utilisation, round(measured.memory_mb[kind]), bound_by)


def plan_connections(demand: Demand, measured: Measured, processes: tuple[Processes, ...]) -> Connections:
    """How many connections the pools may open, and what to set for them."""
    holders = sum(one.processes for one in processes if one.kind in {*ROLES, "receiver", "console"})
    busy = demand.peak_per_s * connection_s(measured)
    beside = CONSOLE_READERS + RESERVED_CONNECTIONS
    at_most = holders * POOL_SIZE + beside
    if at_most <= POSTGRES_DEFAULT_CONNECTIONS:
        return Connections(
            busy, at_most, POOL_SIZE, POSTGRES_DEFAULT_CONNECTIONS, "nothing: Postgres's default is enough"
        )
    if at_most <= MOST_CONNECTIONS:
        wanted = math.ceil(at_most / 50) * 50
        return Connections(busy, at_most, POOL_SIZE, wanted, f"set max_connections = {wanted} in Postgres")
    # Twice what is busy on average, so that a moment's crowd waits for nobody.
    smaller = max(LEAST_POOL_SIZE, math.ceil(2 * busy / holders))
    if smaller < POOL_SIZE and holders * smaller + beside <= MOST_CONNECTIONS:
        at_most = holders * smaller + beside
        advice = f"set DATABASE_POOL_SIZE={smaller} and max_connections = {MOST_CONNECTIONS}"
        return Connections(busy, at_most, smaller, MOST_CONNECTIONS, advice)
    advice = (
        f"more than {MOST_CONNECTIONS}: PgBouncer (transaction pooling, see docs/deployment.md), or several databases"
    )
    return Connections(busy, at_most, POOL_SIZE, MOST_CONNECTIONS, advice)


def plan_postgres(demand: Demand, measured: Measured) -> Postgres:
    """Load at the peak and growth."""
    tables = {
        table: max(0.0, size + measured.bytes_per_char.get(table, 0.0) * (demand.avg_chars - measured.text_chars))
        for table, size in measured.bytes_per_message.items()
    }
    stays = {table: size for table, size in tables.items() if KEPT_DAYS.get(table, 1) > 0}
    per_message = sum(stays.values())
    more_chars = sum(measured.bytes_per_char.values()) * (demand.avg_chars - measured.text_chars)
    wal_bytes = measured.wal_bytes_per_message + max(0.0, more_chars)
    return Postgres(
        cores=cores_at_peak(demand, measured, "postgres") / UTILISATION,
        commits_per_s=demand.peak_per_s * measured.commits_per_message,
        rows_per_s=demand.peak_per_s * measured.rows_written_per_message,
        wal_mb_per_s=demand.peak_per_s * wal_bytes / 1e6,
        wal_gb_per_day=demand.messages_per_day * wal_bytes / 1e9,
        bytes_per_message=per_message,
        gb_per_day=demand.messages_per_day * per_message / 1e9,
        gb_per_month=demand.messages_per_day * per_message * MONTH_DAYS / 1e9,
        gb_at_retention=demand.messages_per_day * _bytes_days(demand, measured, stays) / 1e9,
        table_bytes=tables,
    )


def _bytes_days(demand: Demand, measured: Measured, tables: Mapping[str, float]) -> float:
    """Bytes that stand in the end for one message a day: each part for the days that it is kept."""
    kept, total = Retention(), 0.0
    for table, size in tables.items():
        days = KEPT_DAYS.get(table, kept.raw_days if table == "message_raw" else demand.retention_days)
        words = 0.0 if table == "message_raw" else measured.bytes_per_char.get(table, 0.0) * demand.avg_chars
        words = min(words, size)
        total += (size - words) * min(days, demand.retention_days)
        total += words * min(days, kept.text_days, demand.retention_days)
    return total


def plan_redis(demand: Demand, measured: Measured, *, workers: int) -> Redis:
    """Load at the peak, and memory for BACKLOG_S of it."""
    backlog = math.ceil(demand.peak_per_s * BACKLOG_S)
    idle_per_s = measured.redis_idle_commands_per_s * max(1.0, workers / len(ROLES))
    return Redis(
        commands_per_s=demand.peak_per_s * measured.redis_commands_per_message + idle_per_s,
        cores=cores_at_peak(demand, measured, "redis") / UTILISATION,
        backlog_tasks=backlog,
        memory_mb=REDIS_EMPTY_MB + backlog * measured.redis_bytes_per_waiting_task / 1e6,
    )
