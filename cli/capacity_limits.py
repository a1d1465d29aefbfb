"""What gives out first when messages grow, how far each thing reaches, and what to do then."""

import math
from dataclasses import dataclass, replace

from cli.capacity_measured import Measured
from cli.capacity_plan import DAY_S, POSTGRES_DEFAULT_CONNECTIONS, UTILISATION, Demand, make_plan
from cli.capacity_provider import TIERS, limit_uses, plan_provider
from worker.lanes import SHARE_PER_S

# Assumptions, not measured: what one large server has and does.
LARGE_SERVER_CORES = 64
WAL_MB_PER_S = 200.0
VOLUME_TB = 16.0
# A statement of ours that takes longer is ended; these two count one tenant's messages of six hours and of a day.
STATEMENT_S = 15.0
COUNTED_HOURS = 6
# The reconciler starts so many a second again after Redis lost its queues (worker/reconcile.py).
RUNG_AGAIN_PER_S = 200.0
PROBE_PER_DAY = 1e6
BUSIEST = 1e12


@dataclass(frozen=True)
class Limit:
    """messages_per_day: up to where it reaches, all else being as asked for. used: of it, 1 is all. kind: whose limit it is."""

    kind: str
    name: str
    messages_per_day: float
    used: float
    what_to_do: str


def list_limits(demand: Demand, measured: Measured) -> list[Limit]:
    """The one that gives out first stands first."""
    found = [
        *_provider_limits(demand),
        *_server_limits(demand, measured),
        *_tenant_limits(demand, measured),
    ]
    return sorted(found, key=lambda one: (one.messages_per_day, one.name))


def _limit(demand: Demand, kind: str, name: str, *, reach: float, what_to_do: str) -> Limit:
    return Limit(kind, name, reach, demand.messages_per_day / reach, what_to_do)


def _at_peak(demand: Demand, per_s: float) -> float:
    """Messages a day whose peak is so many a second."""
    return per_s * DAY_S / demand.peak_factor


def _provider_limits(demand: Demand) -> list[Limit]:
    need = plan_provider(demand)
    limits: list[Limit] = []
    for tier, following in zip(TIERS, (*TIERS[1:], None), strict=True):
        uses = limit_uses(need, tier, demand)
        name = max(uses, key=lambda one: uses[one])
        what_to_do = (
            f"tier {following.name}"
            if following
            else "limits by contract, or several organisations; fewer second readings"
        )
        limits.append(
            _limit(
                demand, "provider", f"tier {tier.name}: {name}", reach=demand.messages_per_day / uses[name],
                what_to_do=what_to_do,
            )
        )  # fmt: skip
    return limits


def _server_limits(demand: Demand, measured: Measured) -> list[Limit]:
    ms = measured.cpu_ms_per_message
    plan = make_plan(replace(demand, messages_per_day=PROBE_PER_DAY), measured)
    bytes_kept = plan.postgres.gb_at_retention * 1e9 / PROBE_PER_DAY
    wal_bytes = plan.postgres.wal_gb_per_day * 1e9 / PROBE_PER_DAY
    cells = "several databases, each with its tenants (cells)"
    return [
        _limit(
            demand, "workers", "one analyze process", reach=_at_peak(demand, UTILISATION * 1000 / ms["analyze"]),
            what_to_do="more of them: --scale worker_analyze=N",
        ),
        _limit(
            demand, "workers", "two receiver processes", reach=_at_peak(demand, 2 * 0.5 * 1000 / ms["receiver"]),
            what_to_do="more of them: gunicorn --workers N, or several containers",
        ),
        _limit(
            demand, "postgres", f"Postgres's default of {POSTGRES_DEFAULT_CONNECTIONS} connections", reach=_connections_reach(demand, measured),
            what_to_do="max_connections, then DATABASE_POOL_SIZE, then PgBouncer",
        ),
        _limit(
            demand, "postgres", f"processor of one Postgres ({LARGE_SERVER_CORES} cores)",
            reach=_at_peak(demand, LARGE_SERVER_CORES * UTILISATION * 1000 / ms["postgres"]), what_to_do=cells,
        ),
        _limit(
            demand, "postgres", f"WAL of one Postgres ({WAL_MB_PER_S:.0f} MB/s)",
            reach=_at_peak(demand, WAL_MB_PER_S * 1e6 / wal_bytes), what_to_do=cells,
        ),
        _limit(
            demand, "postgres", f"volume of one Postgres ({VOLUME_TB:.0f} TB)", reach=VOLUME_TB * 1e12 / bytes_kept,
            what_to_do=f"[retention] of tenants; {cells}",
        ),
        _limit(
            demand, "redis", "one Redis: a server of one thread", reach=_at_peak(demand, UTILISATION * 1000 / ms["redis"]),
            what_to_do="a Redis for each cell (cells)",
        ),
        _limit(
            demand, "redis", f"recovery of lost queues ({RUNG_AGAIN_PER_S:.0f} messages/s)",
            reach=_at_peak(demand, RUNG_AGAIN_PER_S),
            what_to_do="a replica that keeps the queues; cells. Nothing is lost: what waited is late",
        ),
    ]  # fmt: skip


def _connections_reach(demand: Demand, measured: Measured) -> float:
    """Messages a day at which full pools want more than Postgres's default; by halves, because processes are whole."""
    low, high = 1.0, BUSIEST
    while high / low > 1.001:
        middle = math.sqrt(low * high)
        plan = make_plan(replace(demand, messages_per_day=middle), measured)
        if plan.connections.at_most > POSTGRES_DEFAULT_CONNECTIONS:
            high = middle
        else:
            low = middle
    return low


def _tenant_limits(demand: Demand, measured: Measured) -> list[Limit]:
    """What one tenant may have, were all of `demand.tenants` alike."""
    hours_share = min(1.0, COUNTED_HOURS / 24 * demand.peak_factor)
    ms = measured.upkeep_ms_per_message
    shared = f"{demand.tenants} tenant{'' if demand.tenants == 1 else 's alike'}"
    return [
        _limit(
            demand, "tenant", f"{shared}: ordinary lane ({SHARE_PER_S:g} messages/s each)",
            reach=_at_peak(demand, SHARE_PER_S * demand.tenants),
            what_to_do="nothing breaks: the rest waits in the flood's lane, which stages processes serve",
        ),
        _limit(
            demand, "tenant", f"{shared}: accounting of {COUNTED_HOURS} hours in {STATEMENT_S:.0f} s",
            reach=STATEMENT_S * 1000 / ms["hour_account"] / hours_share * demand.tenants,
            what_to_do="hours of such a tenant are not accounted for; split it by account, or a faster Postgres",
        ),
        _limit(
            demand, "tenant", f"{shared}: labels of a day in {STATEMENT_S:.0f} s",
            reach=STATEMENT_S * 1000 / ms["label_day"] * demand.tenants,
            what_to_do="figures of such a tenant's day stay behind; split it by account, or a faster Postgres",
        ),
    ]  # fmt: skip


def cells_needed(demand: Demand, measured: Measured) -> int:
    """How many databases, each with a Redis and workers of its own, so that no server of a cell gives out."""
    servers = [one for one in _server_limits(demand, measured) if one.kind in {"postgres", "redis"}]
    hard = [one.messages_per_day for one in servers if "connections" not in one.name and "recovery" not in one.name]
    return max(1, math.ceil(demand.messages_per_day / min(hard)))
