"""The client for what all workers share in Redis: limits and the breaker."""

from typing import Any

import redis
from redis.sentinel import Sentinel

from config.server_addresses import kind_of, parse_sentinels

# A frozen server must not freeze a send or a call: what is shared there is a courtesy, not the truth.
_TIMEOUT_S = 0.5
_POOL_WAIT_S = 2.0
_CONNECTIONS = 32


def shared_redis(redis_url: str) -> redis.Redis | None:
    """A client that many threads may use; None for another kind of address, which shares nothing."""
    kind = kind_of(redis_url)
    if kind == "sentinel":
        return redis_behind_sentinel(redis_url, timeout_s=_TIMEOUT_S)
    if kind != "redis":
        return None
    # A pool that blocks: more threads than connections wait for their turn instead of taking the server for away.
    pool = redis.BlockingConnectionPool.from_url(
        redis_url,
        max_connections=_CONNECTIONS,
        timeout=_POOL_WAIT_S,
        socket_timeout=_TIMEOUT_S,
        socket_connect_timeout=_TIMEOUT_S,
    )
    return redis.Redis(connection_pool=pool)


def redis_behind_sentinel(url: str, *, timeout_s: float) -> redis.Redis:
    """A client of the master that the sentinels name, asked for anew with each connection. timeout_s: of every connection."""
    at = parse_sentinels(url)
    timeouts: dict[str, Any] = {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s}
    sentinel = Sentinel(list(at.hosts), sentinel_kwargs={**timeouts, "password": at.asking_password}, **timeouts)
    # Its pool can't block; as many connections as threads may ask at once are the other way to wait for nobody.
    return sentinel.master_for(
        at.master, redis.Redis, db=at.database, username=at.user, password=at.password, max_connections=512
    )


def look_at_redis(url: str, *, timeout_s: float) -> redis.Redis:
    """A client for one look at a server. It answers in text."""
    if kind_of(url) == "sentinel":
        return redis_behind_sentinel(url, timeout_s=timeout_s)
    return redis.Redis.from_url(url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s)


def eviction_policy(client: redis.Redis) -> str | None:
    """What it does when its memory is full; None: it does not say, as some that are rented out. Raises: redis.RedisError."""
    policy = client.info("memory").get("maxmemory_policy")
    return str(policy) if policy else None
