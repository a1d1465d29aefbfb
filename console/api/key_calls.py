"""Calls of each key, counted in Redis: more than so many a minute, and the key waits.

What keeps one program that runs wild from slowing everybody's work. The broker's server being away, or slow, lets calls through.
"""

import hashlib
import math
import time
from dataclasses import dataclass
from typing import cast

import redis
import structlog

from worker.shared_redis import shared_redis

log = structlog.get_logger()

WINDOW_S = 60
_LEFT_ALONE_S = 5.0


@dataclass(frozen=True)
class Allowance:
    """What a key may still call. left: 0 and below: nothing. resets_in_s: until the minute is over."""

    limit: int
    left: int
    resets_in_s: int

    @property
    def headers(self) -> dict[str, str]:
        """As callers are told (draft-ietf-httpapi-ratelimit-headers-10)."""
        return {
            "RateLimit-Policy": f'"key";q={self.limit};w={WINDOW_S}',
            "RateLimit": f'"key";r={max(self.left, 0)};t={self.resets_in_s}',
        }


class KeyCalls:
    """One per process; what it counts is shared by all. Safe to share between threads."""

    def __init__(self, redis_url: str, *, per_min: int, secret: bytes) -> None:
        """per_min: 0 for no limit. secret: without it nobody tells from the names of our entries whose they are."""
        self._client = shared_redis(redis_url) if per_min else None
        self._per_min = per_min
        self._secret = hashlib.sha256(b"key calls " + secret).digest()
        self._silent_until = 0.0

    def count(self, key: str) -> Allowance | None:
        """One more call of this key. None: nobody counts."""
        if self._client is None or time.monotonic() < self._silent_until:
            return None
        digest = hashlib.blake2b(key.encode("utf-8", "replace"), key=self._secret, digest_size=16).hexdigest()
        name = f"earshot:key_calls:{digest}"
        try:
            with self._client.pipeline(transaction=True) as pipe:
                pipe.incr(name)
                pipe.expire(name, WINDOW_S, nx=True)
                pipe.pttl(name)
                calls, _, left_ms = cast("list[int]", pipe.execute())
        except redis.RedisError as error:
            self._silent_until = time.monotonic() + _LEFT_ALONE_S
            log.warning("key_calls_not_counted", code=type(error).__name__)
            return None
        return Allowance(self._per_min, self._per_min - calls, max(1, math.ceil(left_ms / 1000)))
