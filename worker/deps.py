"""What a worker process holds: settings, database, analyzer, channels; made once, on first use."""

import os
import threading
import time
from dataclasses import dataclass, field
from functools import cache, cached_property

from redis import Redis

from analysis.base import Analyzer
from analysis.registry import build_analyzer
from channels.base import Channel, ChannelKind
from channels.guarded_http import GuardedHttp
from channels.registry import build_channels
from config.settings import Settings, load_settings
from config.tenant import TenantConfig
from store.db import Database
from store.intake import get_dedupe_pepper
from store.secrets import Keyring
from store.tenants import ReadConfig, read_tenant_config
from worker.call_figures import count_call
from worker.circuit_breaker import CircuitBreaker
from worker.lanes import FloodHands, Lanes
from worker.leases import LeaseKeeper
from worker.own_receiver import OwnReceiver
from worker.provider_gate import ProviderGate
from worker.rate_budget import RateBudget
from worker.shared_redis import shared_redis
from worker.upkeep_pace import UpkeepPace

# An applied tenant file is live within 5 s: it is read again after the first of these, by one thread at a time for each tenant; the
# others go on with what they have until the second.
TENANT_CACHE_S, TENANT_STALE_S = 4.0, 4.75
# A hundred threads share eight connections; nobody waits for them in front of a page.
DATABASE_WAIT_S = 8.0
# What the first ticks of upkeep all at once have opened is 7 MB of Postgres's each.
DATABASE_IDLE_S = 15.0


@dataclass
class _Cached:
    """A tenant's configuration. read_at: by this process's own clock; asked_at: when somebody last began to read it again."""

    read: ReadConfig
    read_at: float
    asked_at: float


@dataclass
class TenantConfigs:
    """Tenant configurations, at most TENANT_STALE_S old. What nobody has written since is not read whole again."""

    database: Database
    _cached: dict[int, _Cached] = field(default_factory=dict[int, _Cached])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, tenant_id: int) -> TenantConfig:
        """Within a joint transaction of the tenant it is read there: no thread ever waits for a second connection.

        Raises: StoreError when there is no such tenant or the database does not answer.
        """
        kept = self._find(tenant_id, now=time.monotonic())
        if kept is not None:
            return kept
        known = self._cached.get(tenant_id)
        with self.database.stage_transaction(tenant_id) as conn:
            read = read_tenant_config(conn, tenant_id, known=known.read if known else None)
        read_at = time.monotonic()
        self._cached[tenant_id] = _Cached(read, read_at, asked_at=read_at)
        return read.config

    def _find(self, tenant_id: int, *, now: float) -> TenantConfig | None:
        """None when it must be read. A hundred threads that find it old together must not all go to the database for the same row."""
        with self._lock:
            cached = self._cached.get(tenant_id)
            if cached is None or now - cached.read_at >= TENANT_STALE_S:
                return None
            if now - cached.asked_at >= TENANT_CACHE_S:
                cached.asked_at = now
                return None
            return cached.read.config


@dataclass(frozen=True)
class Deps:
    """Everything a step may use. The heavy parts are made when a worker first needs them: only one role loads the model's SDK."""

    settings: Settings
    database: Database
    keyring: Keyring
    tenants: TenantConfigs
    leases: LeaseKeeper

    @cached_property
    def analyzer(self) -> Analyzer | None:
        """What reads messages; None when no key is configured."""
        return build_analyzer(self.settings, count_call=count_call)

    @cached_property
    def channels(self) -> dict[ChannelKind, Channel]:
        """What sends messages."""
        return build_channels(
            graph_url=self.settings.graph_api_url,
            instagram_url=self.settings.instagram_api_url,
            version=self.settings.graph_api_version,
            allow_private_addresses=self.settings.allow_private_urls,
        )

    @cached_property
    def guarded_http(self) -> GuardedHttp:
        """What calls URLs that tenants chose."""
        return GuardedHttp(allow_private_addresses=self.settings.allow_private_urls)

    @cached_property
    def own_receiver(self) -> OwnReceiver:
        """Where test messages are posted."""
        return OwnReceiver()

    @cached_property
    def shared_redis(self) -> Redis | None:
        """Where signs of life are left for others to see; None where no Redis is shared."""
        return shared_redis(self.settings.redis_url.get_secret_value())

    @cached_property
    def rate_budget(self) -> RateBudget:
        """What outside services take, shared by all workers."""
        return RateBudget(self.settings.redis_url.get_secret_value())

    @cached_property
    def lanes(self) -> Lanes:
        """Which tenants have more on their way than their share."""
        return Lanes(self.rate_budget)

    @cached_property
    def flood_hands(self) -> FloodHands:
        """How many threads of this process work on floods in the database."""
        return FloodHands()

    @cached_property
    def breaker(self) -> CircuitBreaker:
        """Which outside services are down, shared by all workers."""
        return CircuitBreaker(self.settings.redis_url.get_secret_value())

    @cached_property
    def provider_gate(self) -> ProviderGate:
        """Whether the AI provider may be called now."""
        return ProviderGate(self.breaker, self.rate_budget, self.settings.anthropic_requests_per_min)

    @cached_property
    def upkeep_pace(self) -> UpkeepPace:
        """When this process last rang for which upkeep."""
        return UpkeepPace()

    @cached_property
    def dedupe_pepper(self) -> bytes:
        """The installation's key for message keys. Take it before a transaction: the first time it needs a connection of its own, and
        threads that each hold one while they wait for another wait for ever. Raises: StoreError.
        """
        with self.database.system_transaction() as conn:
            return get_dedupe_pepper(conn, keyring=self.keyring)


def build_deps(settings: Settings) -> Deps:
    """Dependencies of a worker process from its settings."""
    database = Database(
        settings.database_url.get_secret_value(),
        pool_size=settings.database_pool_size,
        wait_s=DATABASE_WAIT_S,
        idle_s=DATABASE_IDLE_S,
    )
    return Deps(
        settings=settings,
        database=database,
        keyring=Keyring.parse(settings.earshot_keys.get_secret_value()),
        tenants=TenantConfigs(database),
        leases=LeaseKeeper(database),
    )


_build_lock = threading.Lock()


@cache
def _build_once() -> Deps:
    return build_deps(load_settings(os.environ))


def deps() -> Deps:
    """This process's dependencies; threads that ask at once get the same ones."""
    with _build_lock:
        return _build_once()
