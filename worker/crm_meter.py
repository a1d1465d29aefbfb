"""A CRM account's allowance, counted in the broker's server for all workers and all tenants that share the account.

A day's budget is a share of what the vendor allows, because others use the account too. Keys hold a hash of the
account's id, nothing else. When the server does not answer, requests leave: the vendor's own limits still hold.
"""

import hashlib
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Literal

import redis
import structlog

from crm_sync.base import CrmError
from crm_sync.metering import AccountLimits, Lane, Usage
from worker.shared_redis import shared_redis

log = structlog.get_logger()

BUDGET_USED = "budget_used"
DAY_S = 86_400
# Of the vendor's short limits, because other programs ask too.
WINDOW_SHARE = 0.8
# What may be used of the day's budget: the rest is for what matters more.
Purpose = Literal["event", "card", "bulk"]
PARTS: dict[Purpose, float] = {"event": 1.0, "card": 0.9, "bulk": 0.7}
# What the CRM said to be left holds so long: its day may begin anew at any time, in its own time zone.
LEFT_HOLDS_S = 900
# Shorter waits are slept here, longer ones are the caller's.
MAX_SLEEP_S = 2.0
_RETRY_AFTER_S = 5.0

# Answers {microseconds to wait, why}: "" nothing to wait for, else "rest", "day" or "window". Nothing is counted when it says wait.
_TAKE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local cost, interval, burst, budget = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local rest = redis.call('PTTL', KEYS[1])
if rest > 0 then return {rest * 1000, 'rest'} end
if budget > 0 then
    local told = tonumber(redis.call('HGET', KEYS[2], 'limit') or 0)
    if told > 0 then budget = math.floor(told * tonumber(ARGV[5])) end
    local used = tonumber(redis.call('HGET', KEYS[2], 'used') or 0)
    if used + cost > budget then return {math.max(redis.call('PTTL', KEYS[2]), 1000) * 1000, 'day'} end
    local left = redis.call('GET', KEYS[4])
    if left and tonumber(left) < cost then return {math.max(redis.call('PTTL', KEYS[4]), 1000) * 1000, 'day'} end
end
if interval > 0 then
    local full_at = math.max(tonumber(redis.call('GET', KEYS[3]) or now), now)
    local wait = full_at - interval * (burst - cost) - now
    if wait > 0 and full_at > now then return {math.ceil(wait), 'window'} end
    local next_full = full_at + interval * cost
    redis.call('SET', KEYS[3], string.format('%.0f', next_full), 'PX', math.ceil((next_full - now) / 1000) + 1000)
end
redis.call('HINCRBY', KEYS[2], 'used', cost)
if redis.call('EXISTS', KEYS[4]) == 1 then redis.call('DECRBY', KEYS[4], cost) end
if redis.call('PTTL', KEYS[2]) < 0 then redis.call('PEXPIRE', KEYS[2], ARGV[6]) end
return {0, ''}
"""


@cache
def _process_client(redis_url: str) -> redis.Redis | None:
    """One pool for all turns of the process: a turn takes a second, and its connection would live until garbage is collected."""
    return shared_redis(redis_url)


class AccountMeter:
    """One account's budget. limits: what the adapter says the vendor allows. purpose: what is asked for now.

    account: what tells it from others: kind and the CRM's own id. day_share: of the vendor's daily allowance. day_limit: the allowance where the tenant knows better than the smallest plan.
    """

    def __init__(
        self,
        redis_url: str,
        *,
        account: str,
        day_share: float,
        day_limit: int | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.purpose: Purpose = "card"
        self.limits = AccountLimits(day=None)
        self._share = day_share
        self._day_limit = day_limit
        self._sleep = sleep
        self._away_until = 0.0
        self._lock = threading.Lock()
        account = hashlib.sha256(account.encode()).hexdigest()[:24]
        self._keys = [f"earshot:crm:{account}:rest", f"earshot:crm:{account}:day"]
        self._window = f"earshot:crm:{account}"
        self._left = f"earshot:crm:{account}:left"
        self._client = _process_client(redis_url)
        self._script = self._client.register_script(_TAKE) if self._client else None

    def take(self, cost: int, *, lane: Lane) -> None:
        """Raises: CrmError "budget_used" for the day, "rate_limit_wait" for less; not permanent, with retry_after_s."""
        slept_s = 0.0
        while True:
            wait_s, why = self._ask(cost, lane)
            if wait_s <= 0:
                return
            if slept_s + wait_s > MAX_SLEEP_S:
                code = BUDGET_USED if why == "day" else "rate_limit_wait"
                raise CrmError(code, permanent=False, retry_after_s=wait_s)
            self._sleep(wait_s)
            slept_s += wait_s

    def learn(self, usage: Usage) -> None:
        """Take over what the CRM says of the account: other programs use it too."""
        limit, left = usage.day_limit, usage.day_left
        if limit is not None:
            self._quietly(lambda client: client.hset(self._keys[1], "limit", limit))
            self._quietly(lambda client: client.expire(self._keys[1], DAY_S, nx=True))
        if left is not None:
            self._quietly(lambda client: client.set(self._left, left, ex=LEFT_HOLDS_S))
        if usage.window_left == 0 and usage.window_ends_in_s:
            self.rest(min(usage.window_ends_in_s, MAX_SLEEP_S))

    def rest(self, seconds: float) -> None:
        """Nobody asks the account for so long."""
        self._quietly(lambda client: client.set(self._keys[0], "1", px=max(1, round(seconds * 1000))))

    def _ask(self, cost: int, lane: Lane) -> tuple[float, str]:
        if self._script is None or time.monotonic() < self._away_until:
            return 0.0, ""
        window = self.limits.search if lane == "search" else self.limits.general
        interval_us, burst = 0, 0
        if window:
            burst = max(1, int(window.units * WINDOW_SHARE))
            interval_us = round(window.seconds / burst * 1e6)
        share = self._share * PARTS[self.purpose]
        day = self._day_limit or self.limits.day
        budget = int(day * share) if day else 0
        keys = [*self._keys, f"{self._window}:{lane}", self._left]
        try:
            wait_us, why = self._script(
                keys=keys, args=[cost, interval_us, max(burst, cost), budget, share, DAY_S * 1000]
            )
        except redis.RedisError as error:
            self._stay_away(error)
            return 0.0, ""
        return int(wait_us) / 1e6, why.decode() if isinstance(why, bytes) else str(why)

    def _quietly(self, work: Callable[[redis.Redis], object]) -> None:
        if self._client is None or time.monotonic() < self._away_until:
            return
        try:
            work(self._client)
        except redis.RedisError as error:
            self._stay_away(error)

    def _stay_away(self, error: redis.RedisError) -> None:
        with self._lock:
            self._away_until = time.monotonic() + _RETRY_AFTER_S
        log.warning("crm_meter_unreachable", code=type(error).__name__)
