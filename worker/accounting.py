"""Counts what became of every message, and tells people when an hour does not balance or work stands too long in a stage."""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from store.accounting import (
    account_for,
    forget_old_hours,
    list_tenants_to_count,
    list_unbalanced,
    list_unsettled_hours,
)
from store.alert_episodes import keep_episodes
from store.db import Connection, StoreError
from store.stage_ages import list_stage_ages
from worker.deps import Deps
from worker.metrics import ACCOUNT_MISSING, ACCOUNT_ROUND, STAGE_LATE, STAGE_OLDEST_SECONDS

log = structlog.get_logger()

IMBALANCE, STUCK = "accounting_imbalance", "work_stuck"
FRESH_HOURS = 2
UNSETTLED_PER_ROUND = 24
# Settled hours are verified in turn, so that what is lost later is found as well: a week in 28 rounds.
VERIFIED_AT_ONCE_H, VERIFIED_DAYS = 6, 7
# With more tenants than one round has time for, the next begins with those that were left.
ROUND_S = 20.0
HOUR = timedelta(hours=1)


def count_messages(deps: Deps, *, now: datetime) -> None:
    """One round over all tenants, as far as its time goes. Raises: StoreError."""
    give_up_at = time.monotonic() + ROUND_S
    with deps.database.system_transaction() as conn:
        tenants = list_tenants_to_count(conn)
        forget_old_hours(conn)
    missing, is_whole = 0, True
    for tenant_id in tenants:
        if time.monotonic() > give_up_at:
            is_whole = False
            break
        try:
            missing += count_tenant(deps, tenant_id, now=now)
        except StoreError as error:  # another tenant's figures don't wait for this one's
            is_whole = False
            log.warning("not_counted", code=error.code, tenant_id=tenant_id)
    if is_whole:
        ACCOUNT_MISSING.set(missing)
        ACCOUNT_ROUND.set_to_current_time()


@dataclass(frozen=True)
class Window:
    """Whole hours, the last one not included."""

    since: datetime
    until: datetime


def windows(now: datetime) -> tuple[Window, Window]:
    """What a round counts of every tenant: the hours of now, and a part of the last week that is another one each minute."""
    this_hour = now.replace(minute=0, second=0, microsecond=0)
    fresh = Window(this_hour - (FRESH_HOURS - 1) * HOUR, this_hour + HOUR)
    parts = VERIFIED_DAYS * 24 // VERIFIED_AT_ONCE_H
    part = int(now.timestamp()) // 60 % parts
    until = fresh.since - part * VERIFIED_AT_ONCE_H * HOUR
    return fresh, Window(until - VERIFIED_AT_ONCE_H * HOUR, until)


def count_tenant(deps: Deps, tenant_id: int, *, now: datetime) -> int:
    """Count one tenant's hours and keep its alerts; returns how many messages can't be accounted for. Raises: StoreError."""
    fresh, verified = windows(now)
    with deps.database.tenant_transaction(tenant_id) as conn:
        unsettled = list_unsettled_hours(conn, tenant_id, before=fresh.since, limit=UNSETTLED_PER_ROUND)
        for window in (fresh, verified, *(Window(hour, hour + HOUR) for hour in unsettled)):
            account_for(conn, tenant_id, since=window.since, until=window.until)
        return _tell(conn, tenant_id, now=now)


def _tell(conn: Connection, tenant_id: int, *, now: datetime) -> int:
    unbalanced = list_unbalanced(conn, tenant_id)
    wrong: dict[str, dict[str, Any]] = {
        f"{one.hour:%Y-%m-%dT%H}": {"hour": one.hour.isoformat(), "messages": one.unaccounted, **one.losses}
        for one in unbalanced
    }
    for about in keep_episodes(conn, tenant_id, kind=IMBALANCE, going_on=wrong, now=now):
        log.error("accounting_imbalance", tenant_id=tenant_id, **wrong[about])
    stuck: dict[str, dict[str, Any]] = {
        age.stage: {"stage": age.stage, "messages": age.late, "limit_s": age.limit_s, "because": age.because}
        for age in list_stage_ages(conn, tenant_id)
        if age.late
    }
    for stage in keep_episodes(conn, tenant_id, kind=STUCK, going_on=stuck, now=now):
        log.error("work_stuck", tenant_id=tenant_id, **stuck[stage])
    return sum(one.unaccounted for one in unbalanced)


def measure_stages(conn: Connection) -> None:
    """Gauges of what stands in each stage, all tenants together. Needs the system scope."""
    for age in list_stage_ages(conn):
        STAGE_OLDEST_SECONDS.labels(age.stage).set(age.oldest_s)
        STAGE_LATE.labels(age.stage).set(age.late)
