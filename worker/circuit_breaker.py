"""One breaker for all workers: while a provider fails, nobody calls it, and one probe finds out when it is back.

Opens when at least 5 of the last 20 calls, and more than half of them, have failed within 30 s; asks again after 10 s, and then after half as
long as the provider has been away, at least every 5 minutes: nobody waits much longer than it was away. Lives in the broker's server; when
that does not answer, the breaker is closed and calls speak for themselves.

While it is closed a process asks and reports ten times a second, not at each of a hundred calls: what it was told holds for so long, and
calls that worked are reported together, in front of the first one that failed.
"""

import threading
import time

import redis
import structlog

from worker.shared_redis import shared_redis

log = structlog.get_logger()

_RETRY_AFTER_S = 5.0
WINDOW_MS = 30_000
LAST_CALLS = 20
MIN_FAILURES = 5
FIRST_PAUSE_MS = 10_000
LONGEST_PAUSE_MS = 300_000
# A probe that nobody reports about (its worker died) is given up after this long; one that takes longer is joined by another, which harms nobody.
PROBE_MS = 20_000
KEEP_MS = 3_600_000
KNOWN_FOR_S = 0.1

# Answers -1 while it is closed, 0 when a call may be made, else the milliseconds to wait. Half open: one caller gets the probe.
_ASK = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local open_until = tonumber(redis.call('HGET', KEYS[1], 'open_until') or 0)
if open_until == 0 then return -1 end
if open_until > now then return open_until - now end
local probe_until = tonumber(redis.call('HGET', KEYS[1], 'probe_until') or 0)
if probe_until > now then return probe_until - now end
redis.call('HSET', KEYS[1], 'probe_until', now + tonumber(ARGV[1]))
return 0
"""
_GIVE_BACK = """
if redis.call('HEXISTS', KEYS[1], 'probe_until') == 1 then redis.call('HSET', KEYS[1], 'probe_until', 0) end
"""
# Answers 1 when this report opened the breaker, 2 when it closed it, else 0.
_REPORT = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local failed = ARGV[1] == '1'
local open_until = tonumber(redis.call('HGET', KEYS[1], 'open_until') or 0)
if open_until > now then return 0 end
local function open(pause)
    redis.call('HSETNX', KEYS[1], 'since', now)
    redis.call('HSET', KEYS[1], 'open_until', now + pause, 'probe_until', 0)
end
local verdict = 0
if tonumber(ARGV[7]) > 0 then
    open(tonumber(ARGV[7]))
    verdict = 1
elseif open_until > 0 then
    if not failed then
        redis.call('DEL', KEYS[1])
        return 2
    end
    local away = now - tonumber(redis.call('HGET', KEYS[1], 'since') or now)
    open(math.max(tonumber(ARGV[4]), math.min(math.floor(away / 2), tonumber(ARGV[5]))))
    verdict = 1
else
    for _ = 1, tonumber(ARGV[9]) do redis.call('LPUSH', KEYS[2], '0:' .. string.format('%.0f', now)) end
    redis.call('LPUSH', KEYS[2], (failed and '1:' or '0:') .. string.format('%.0f', now))
    redis.call('LTRIM', KEYS[2], 0, tonumber(ARGV[8]) - 1)
    redis.call('PEXPIRE', KEYS[2], tonumber(ARGV[2]))
    local calls, failures = 0, 0
    for _, call in ipairs(redis.call('LRANGE', KEYS[2], 0, -1)) do
        if now - tonumber(string.sub(call, 3)) <= tonumber(ARGV[2]) then
            calls = calls + 1
            if string.sub(call, 1, 1) == '1' then failures = failures + 1 end
        end
    end
    if failures >= tonumber(ARGV[3]) and failures * 2 > calls then
        redis.call('DEL', KEYS[2])
        open(tonumber(ARGV[4]))
        verdict = 1
    end
end
redis.call('PEXPIRE', KEYS[1], tonumber(ARGV[6]))
return verdict
"""


class CircuitBreaker:
    """Safe to share between threads."""

    def __init__(self, redis_url: str) -> None:
        """redis_url: another kind of broker has no breaker; then every call may be made."""
        self._ask = self._report = self._give_back = None
        self._away_until = 0.0
        self._closed_until: dict[str, float] = {}
        self._worked: dict[str, int] = {}
        self._lock = threading.Lock()
        client = shared_redis(redis_url)
        if client:
            self._ask = client.register_script(_ASK)
            self._report = client.register_script(_REPORT)
            self._give_back = client.register_script(_GIVE_BACK)

    def wait_s(self, name: str) -> float:
        """0 when `name` may be called now, else how long to wait. Of a half-open breaker one caller gets 0: the probe."""
        now = time.monotonic()
        if self._ask is None or now < self._away_until or now < self._closed_until.get(name, 0.0):
            return 0.0
        try:
            wait_ms = float(self._ask(keys=[_key(name)], args=[PROBE_MS]))
        except redis.RedisError as error:
            self._stay_away(error)
            return 0.0
        if wait_ms < 0:
            with self._lock:
                self._closed_until[name] = now + KNOWN_FOR_S
        return max(wait_ms, 0.0) / 1000

    def give_back(self, name: str) -> None:
        """No call was made after all: if it was the probe, somebody else may have it."""
        if self._give_back is None or time.monotonic() < self._away_until:
            return
        try:
            self._give_back(keys=[_key(name)])
        except redis.RedisError as error:
            self._stay_away(error)

    def report(self, name: str, *, failed: bool, pause_s: float = 0.0) -> bool:
        """True when this report closed the breaker: the provider is back. What became of a call. failed: the provider did not answer, or answered that it can't; never a refusal or a limit.

        pause_s: open at once, for this long: the next call would fail alike.
        """
        now = time.monotonic()
        if self._report is None or now < self._away_until:
            return False
        with self._lock:
            if not failed and now < self._closed_until.get(name, 0.0):
                self._worked[name] = min(self._worked.get(name, 0) + 1, LAST_CALLS)
                return False
            worked = self._worked.pop(name, 0)
            self._closed_until.pop(name, None)
        arguments = [
            int(failed),
            WINDOW_MS,
            MIN_FAILURES,
            FIRST_PAUSE_MS,
            LONGEST_PAUSE_MS,
            KEEP_MS,
            round(pause_s * 1000),
            LAST_CALLS,
            worked,
        ]
        try:
            verdict = int(self._report(keys=[_key(name), f"{_key(name)}:recent"], args=arguments))
        except redis.RedisError as error:
            self._stay_away(error)
            return False
        if verdict:
            log.warning("breaker_opened" if verdict == 1 else "breaker_closed", provider=name)
        return verdict == 2

    def _stay_away(self, error: redis.RedisError) -> None:
        with self._lock:
            was_away = time.monotonic() < self._away_until
            self._away_until = time.monotonic() + _RETRY_AFTER_S
        if not was_away:
            log.warning("breaker_unreachable", code=type(error).__name__)


def _key(name: str) -> str:
    return f"earshot:breaker:{name}"
