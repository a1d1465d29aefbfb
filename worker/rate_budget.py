"""One budget for all workers of what an outside service takes: token buckets in the broker's server, checked together.

A process that has taken many turns of a bucket lately asks for a handful at once, never for more than it has used in as short a time; what it
does not use lapses. Keys hold ids of ours and of accounts, never of customers. When the server does not answer, everything may leave: the
service's own limits still hold, and its refusals are handled.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import redis
import structlog

from worker.shared_redis import shared_redis

log = structlog.get_logger()

# While the server is away, ask it again this often instead of waiting for each time-out.
_RETRY_AFTER_S = 5.0
# So long a handful lasts. It is no more than this part of what a bucket holds: many processes may each lose the rest of one.
HANDFUL_FOR_S = 0.1
HANDFUL_PART = 20
# Generic cell rate algorithm: a key holds the time when the bucket is full again. Every bucket gives the same number, as many as are
# wanted and all of them have; when that is none, the second number says how long until they have one.
_TAKING = """
local function take(keys, limits, wanted)
    local clock = redis.call('TIME')
    local now = clock[1] * 1000000 + clock[2]
    local given = wanted
    local wait = 0
    local full_at = {}
    for i, key in ipairs(keys) do
        local interval = tonumber(limits[2 * i - 1])
        local burst = tonumber(limits[2 * i])
        full_at[i] = math.max(tonumber(redis.call('GET', key) or now), now)
        given = math.min(given, math.floor((now + interval * burst - full_at[i]) / interval))
        wait = math.max(wait, full_at[i] - interval * (burst - 1) - now)
    end
    if given <= 0 then return 0, wait end
    for i, key in ipairs(keys) do
        local next_full = full_at[i] + given * tonumber(limits[2 * i - 1])
        redis.call('SET', key, string.format('%.0f', next_full), 'PX', math.ceil((next_full - now) / 1000) + 1000)
    end
    return given, 0
end
"""
_TAKE = _TAKING + "return {take(KEYS, ARGV, tonumber(ARGV[#ARGV]))}"
# KEYS: a bucket, a list, and two lists of which is told how long they are together; ARGV: the bucket's interval and burst, 'within' or
# 'beyond', and messages. As many are taken from the bucket as it has, at most one for each message. The list gets the messages that are within
# these, or those beyond.
TAKE_AND_PUSH = (
    _TAKING
    + """
local given = take({KEYS[1]}, ARGV, #ARGV - 3)
local first, last = 4, given + 3
if ARGV[3] == 'beyond' then first, last = given + 4, #ARGV end
for i = first, last do redis.call('LPUSH', KEYS[2], ARGV[i]) end
return {given, redis.call('LLEN', KEYS[3]) + redis.call('LLEN', KEYS[4])}
"""
)


@dataclass(frozen=True)
class Bucket:
    """A limit: `per_s` on average, up to `burst` at once. name: what it is the limit of."""

    name: str
    per_s: float
    burst: int

    @property
    def key(self) -> str:
        """Where it is kept."""
        return f"earshot:budget:{self.name}"

    @property
    def limits(self) -> tuple[int, int]:
        """Microseconds for one more, and how many at once, as the scripts take it."""
        return round(1e6 / self.per_s), self.burst


@dataclass
class _Handful:
    """Turns of one bucket that a process has taken ahead. used: how many it has needed since it was taken."""

    taken_at: float
    left: int
    used: int = 1


class RateBudget:
    """Buckets shared by all processes that use the same server. Threads may share it."""

    def __init__(self, redis_url: str) -> None:
        """redis_url: another kind of broker has no buckets; then everything may leave."""
        self.redis_url = redis_url
        self._take = None
        self._away_until = 0.0
        self._lock = threading.Lock()
        self._handfuls: dict[Bucket, _Handful] = {}
        client = shared_redis(redis_url)
        if client:
            self._take = client.register_script(_TAKE)

    def take(self, buckets: Sequence[Bucket]) -> float:
        """Take one from every bucket. 0 when that was possible, else the seconds to wait; nothing is taken then."""
        if len(buckets) != 1 or buckets[0].burst < 2 * HANDFUL_PART:
            return self._ask(buckets, 1)[1]
        bucket = buckets[0]
        wanted = self._wanted(bucket)
        if not wanted:
            return 0.0
        given, wait_s = self._ask(buckets, wanted)
        if given > 1:
            with self._lock:
                self._handfuls[bucket].left += given - 1
        return wait_s

    def _wanted(self, bucket: Bucket) -> int:
        """How many to ask for; 0 when one was at hand. As many as were used while the last handful was good, but no large part of the bucket."""
        now = time.monotonic()
        with self._lock:
            held = self._handfuls.get(bucket)
            if held and now - held.taken_at < HANDFUL_FOR_S:
                held.used += 1
                if held.left:
                    held.left -= 1
                    return 0
                return 1
            lately = held.used if held and now - held.taken_at < 2 * HANDFUL_FOR_S else 1
            self._handfuls[bucket] = _Handful(now, left=0)
            return min(lately, bucket.burst // HANDFUL_PART)

    def take_many(self, bucket: Bucket, wanted: int) -> int:
        """Take as many as there are, at most `wanted`. Returns how many that was."""
        return self._ask([bucket], wanted)[0]

    def _ask(self, buckets: Sequence[Bucket], wanted: int) -> tuple[int, float]:
        """(how many every bucket gave, seconds to wait when that is none)."""
        if not buckets or self._take is None or time.monotonic() < self._away_until:
            return wanted, 0.0
        arguments = [number for bucket in buckets for number in bucket.limits]
        keys = [bucket.key for bucket in buckets]
        try:
            given, wait_us = self._take(keys=keys, args=[*arguments, wanted])
        except redis.RedisError as error:
            with self._lock:
                self._away_until = time.monotonic() + _RETRY_AFTER_S
            log.warning("rate_budget_unreachable", code=type(error).__name__)
            return wanted, 0.0
        return int(given), float(wait_us) / 1e6
