"""The client for what all workers share in Redis: limits and the breaker."""

import redis

# A frozen server must not freeze a send or a call: what is shared there is a courtesy, not the truth.
_TIMEOUT_S = 0.5
_POOL_WAIT_S = 2.0


def shared_redis(redis_url: str) -> redis.Redis | None:
    """A client that many threads may use; None for another kind of broker, which shares nothing."""
    if not redis_url.startswith(("redis://", "rediss://", "unix://")):
        return None
    # A pool that blocks: more threads than connections wait for their turn instead of taking the server for away.
    pool = redis.BlockingConnectionPool.from_url(
        redis_url,
        max_connections=32,
        timeout=_POOL_WAIT_S,
        socket_timeout=_TIMEOUT_S,
        socket_connect_timeout=_TIMEOUT_S,
    )
    return redis.Redis(connection_pool=pool)
