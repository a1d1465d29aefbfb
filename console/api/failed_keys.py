"""Tries with keys or passwords that are none, counted in Redis by where they come from and for whom: too many, and they wait.

The broker's server being away, or slow, lets calls with keys through: those hold 256 random bits, so the limit saves work and shows a
stolen or forgotten key in use, but is not what keeps strangers out. Passwords can be guessed: each try is counted before it is looked
at, so that a hundred at once are a hundred, and in this process's memory while Redis is away.
"""

import hashlib
import math
import threading
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
# As many names as this process remembers while Redis is away; the oldest go first.
_MOST_REMEMBERED = 20_000


class FailedKeys:
    """One per process; what it counts is shared by all. Safe to share between threads."""

    def __init__(self, redis_url: str, *, secret: bytes) -> None:
        """secret: without it nobody reads an address or the beginning of a key out of the names of our entries."""
        self._client = shared_redis(redis_url)
        self._secret = hashlib.sha256(b"failed keys " + secret).digest()
        self._silent_until = 0.0
        self._here: dict[str, tuple[int, float]] = {}
        self._lock = threading.Lock()

    def claim(self, address: str, person: str) -> int:
        """Count a try before its password is looked at. Seconds to wait instead; 0: go ahead, and `give_back` if it was right."""
        names = self._names(address, person)
        counts = self._count(names, 1)
        waits = [
            max(1, math.ceil(left_s))
            for (count, left_s), limit in zip(counts, (PER_ADDRESS, PER_PREFIX), strict=True)
            if count > limit
        ]
        if waits:
            # Whoever goes on without listening uses up nothing of their neighbours'.
            self._count(names, -1)
        return max(waits, default=0)

    def give_back(self, address: str, person: str) -> None:
        """The try was right: it does not count."""
        self._count(self._names(address, person), -1)

    def _count(self, names: tuple[str, str], change: int) -> list[tuple[int, float]]:
        """(tries so far, seconds until they are forgotten) of each."""
        if self._is_asked():
            assert self._client is not None
            try:
                with self._client.pipeline(transaction=True) as pipe:
                    for name in names:
                        pipe.incrby(name, change)
                        pipe.expire(name, WINDOW_S, nx=True)
                        pipe.pttl(name)
                    found = cast("list[int]", pipe.execute())
                return [(count, left_ms / 1000) for count, left_ms in zip(found[::3], found[2::3], strict=True)]
            except redis.RedisError as error:
                self._leave_alone(error)
        return [self._count_here(name, change) for name in names]

    def _count_here(self, name: str, change: int) -> tuple[int, float]:
        now = time.monotonic()
        with self._lock:
            count, until = self._here.pop(name, (0, 0.0))
            if until <= now:
                count, until = 0, now + WINDOW_S
            self._here[name] = (count + change, until)
            if len(self._here) > _MOST_REMEMBERED:
                del self._here[next(iter(self._here))]
        return count + change, until - now

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
