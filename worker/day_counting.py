"""Keeps the counts of labels by day equal to the messages: looks each minute for days that have changed, and counts those anew."""

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import structlog

from store.day_watch import (
    DayWatch,
    find_day_watch,
    find_first_day,
    list_due_days,
    list_touched_days,
    lock_days,
    set_day_watch,
)
from store.db import StoreError
from store.label_days import mark_days, recount_day, remove_days
from store.tenants import list_tenants
from worker.deps import Deps

log = structlog.get_logger()

KEEP = timedelta(days=400)
# A transaction that was open at the last look may have written before it.
OVERLAP = timedelta(minutes=10)
# Counting takes about 0.01 ms a message: so a day is counted for about a thousandth of the time.
PAUSE_S_A_MESSAGE = 0.01
# Against what no look can notice, such as rows that an operator removed.
COUNT_AGAIN_AFTER = timedelta(days=7)
LONGEST_LOOK_S = 20.0


def count_days(deps: Deps, *, now: datetime, clock: Callable[[], float] = time.monotonic) -> None:
    """One look at all tenants. One that fails is left to the next look. Raises: StoreError when there is no list of them."""
    with deps.database.system_transaction() as conn:
        tenants = list_tenants(conn)
    for tenant in tenants:
        try:
            count_tenant(deps, tenant.id, now=now, clock=clock)
        except StoreError as error:
            log.warning("days_left_to_next_look", tenant_id=tenant.id, code=error.code)


def count_tenant(deps: Deps, tenant_id: int, *, now: datetime, clock: Callable[[], float] = time.monotonic) -> int:
    """Count the tenant's days that have changed, newest first, for at most LONGEST_LOOK_S; returns how many were counted."""
    zone = deps.tenants.get(tenant_id).hours.time_zone
    give_up_at = clock() + LONGEST_LOOK_S
    with deps.database.tenant_transaction(tenant_id) as conn:
        if not lock_days(conn, tenant_id):
            return 0
        watch = find_day_watch(conn, tenant_id)
        today = now.astimezone(ZoneInfo(zone)).date()
        if watch is None or watch.time_zone != zone:
            # Days that were cut elsewhere would count some messages twice.
            remove_days(conn, tenant_id, before=date.max)
            first = find_first_day(conn, tenant_id, time_zone=zone)
            days = _days(max(first, today - KEEP), today) if first else []
        else:
            days = list_touched_days(conn, tenant_id, since=watch.looked_at - OVERLAP, time_zone=zone)
        mark_days(conn, tenant_id, [day for day in days if day > today - KEEP])
        remove_days(conn, tenant_id, before=today - KEEP)
        set_day_watch(conn, tenant_id, DayWatch(zone, now))
        due = list_due_days(
            conn, tenant_id, now=now, pause_s_a_message=PAUSE_S_A_MESSAGE, again_before=now - COUNT_AGAIN_AFTER
        )
    counted = 0
    for day in due:
        if clock() > give_up_at:
            break
        begin, end = (
            datetime.combine(one, datetime.min.time(), ZoneInfo(zone)).astimezone(UTC)
            for one in (day, day + timedelta(days=1))
        )
        with deps.database.tenant_transaction(tenant_id) as conn:
            if not lock_days(conn, tenant_id):
                break
            recount_day(conn, tenant_id, day, begin=begin, end=end)
        counted += 1
    return counted


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]
