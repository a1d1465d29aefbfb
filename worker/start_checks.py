"""What a process looks at before it begins: what is wrong is refused in one sentence, what may be wrong is told in the log.

A server that does not answer is no reason to stay away: it may come later, and the receiver can do without.
"""

import redis
import structlog

from config.server_addresses import kind_of
from config.settings import Settings, SettingsError
from store.db import Database, StoreError
from store.server_health import CLOCK_SKEW_S, measure_clock_skew
from worker.shared_redis import eviction_policy, look_at_redis

LOOK_S = 1.0
# A hundred threads share eight connections well; with far fewer they wait for each other longer than they work.
THREADS_PER_CONNECTION = 25

log = structlog.get_logger()


def check_redis(settings: Settings) -> None:
    """Raises: SettingsError when the Redis that carries the queues throws keys away once its memory is full."""
    shared = settings.redis_url.get_secret_value()
    queues = settings.queues_url
    name = "BROKER_URL" if settings.broker_url else "REDIS_URL"
    if kind_of(queues) != "amqp" and (policy := _evicts(queues, name=name)):
        message = (
            f"the Redis of {name} may throw queued tasks away (maxmemory-policy {policy}): set it to noeviction, by "
            "`CONFIG SET maxmemory-policy noeviction` and in its configuration"
        )
        raise SettingsError(message)
    if shared != queues and (policy := _evicts(shared, name="REDIS_URL")):
        log.warning("redis_evicts", name="REDIS_URL", policy=policy, effect="limits and counters may be forgotten")


def _evicts(url: str, *, name: str) -> str | None:
    """The policy when it is another than noeviction."""
    if kind_of(url) is None:  # nothing that could be asked
        return None
    try:
        with look_at_redis(url, timeout_s=LOOK_S) as client:
            policy = eviction_policy(client)
    except redis.RedisError as error:
        log.warning("redis_not_checked", name=name, code=type(error).__name__)
        return None
    if policy is None:
        log.warning("redis_not_checked", name=name, code="maxmemory_policy_not_told")
    return policy if policy != "noeviction" else None


def check_worker(settings: Settings, *, threads: int) -> None:
    """What a worker looks at besides. Nothing of it keeps it from working."""
    if threads > settings.database_pool_size * THREADS_PER_CONNECTION:
        log.warning(
            "few_database_connections",
            threads=threads,
            connections=settings.database_pool_size,
            fix="raise DATABASE_POOL_SIZE, or lower --concurrency",
        )
    database = Database(settings.database_url.get_secret_value(), pool_size=1, wait_s=LOOK_S)
    try:
        with database.system_transaction() as conn:
            skew_s = measure_clock_skew(conn)
    except StoreError as error:
        log.warning("clock_not_checked", code=error.code)
        return
    finally:
        database.close()
    if abs(skew_s) >= CLOCK_SKEW_S:
        # Leases and everything that is due go by Postgres's clock; hours of business and the log go by ours.
        log.warning("clock_differs_from_database", skew_s=round(skew_s, 1), fix="run a time service on both machines")
