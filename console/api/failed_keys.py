"""Calls with keys that are none, counted in Redis by where they come from and how the key begins: too many, and they wait.

The broker's server being away, or slow, lets calls through: keys hold 256 random bits, so the limit saves work and shows a stolen or
forgotten key in use, but is not what keeps strangers out.
"""

import hashlib
import math
import time
from typing import cast

import redis
import structlog

from worker.shared_redis import shared_redis

log = structlog.get_logger()

WINDOW_S = 60
# A program that goes on with a revoked key is stopped by the key's limit long before its colleagues at the same address are.
PER_ADDRESS, PER_PREFIX = 60, 10
# "esk_" and 48 of the key's 256 bits: enough that two keys hardly ever share it.
PREFIX_CHARS = 12
_LEFT_ALONE_S = 5.0


class FailedKeys:
    """One per process; what it counts is shared by all. Safe to share between threads."""

    def __init__(self, redis_url: str, *, secret: bytes) -> None:
        """secret: without it nobody reads an address or the beginning of a key out of the names of our entries."""
        self._client = shared_redis(redis_url)
        self._secret = hashlib.sha256(b"failed keys " + secret).digest()
        self._silent_until = 0.0

    def wait_s(self, address: str, key: str) -> int:
        """Seconds until this address, or a key that begins so, is listened to again; 0: now."""
        names = self._names(address, key)
        if not self._is_asked():
            return 0
        assert self._client is not None
        try:
            with self._client.pipeline(transaction=False) as pipe:
                for name in names:
                    pipe.get(name)
                    pipe.pttl(name)
                found = cast("list[bytes | int | None]", pipe.execute())
        except redis.RedisError as error:
            self._leave_alone(error)
            return 0
        waits = [
            max(1, math.ceil(int(left_ms or 0) / 1000))
            for count, left_ms, limit in zip(found[::2], found[1::2], (PER_ADDRESS, PER_PREFIX), strict=True)
            if int(count or 0) >= limit
        ]
        return max(waits, default=0)

    def note(self, address: str, key: str) -> None:
        """A call came from there with a key that is none."""
        names = self._names(address, key)
        if not self._is_asked():
            return
        assert self._client is not None
        try:
            with self._client.pipeline(transaction=True) as pipe:
                for name in names:
                    pipe.incr(name)
                    pipe.expire(name, WINDOW_S, nx=True)
                pipe.execute()
        except redis.RedisError as error:
            self._leave_alone(error)

    def _names(self, address: str, key: str) -> tuple[str, str]:
        return self._name("address", address), self._name("prefix", key[:PREFIX_CHARS])

    def _name(self, kind: str, value: str) -> str:
        digest = hashlib.blake2b(value.encode("utf-8", "replace"), key=self._secret, digest_size=16).hexdigest()
        return f"earshot:failed_keys:{kind}:{digest}"

    def _is_asked(self) -> bool:
        return self._client is not None and time.monotonic() >= self._silent_until

    def _leave_alone(self, error: redis.RedisError) -> None:
        self._silent_until = time.monotonic() + _LEFT_ALONE_S
        log.warning("failed_keys_not_counted", code=type(error).__name__)
