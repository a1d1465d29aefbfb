"""Looks at every tenant's topics each few minutes: counts what is new, compares with the last two weeks, tells people once."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import structlog

from config.tenant import TenantConfig
from routing.trends import COOL_DOWN, HOUR, JOIN_WITHIN, LOOK_BACK, OVERALL, Rise, Series, describe, judge
from store.alerts import NewAlert, raise_alert, see_again
from store.db import Connection, StoreError
from store.tenants import list_tenants
from store.topic_counts import forget_old_hours, list_topic_hours, recount_hours
from store.trend_episodes import (
    begin_episode,
    end_episodes,
    find_recent_trend,
    list_ends,
    list_open_episodes,
    lock_trends,
)
from worker.deps import Deps

log = structlog.get_logger()

# Counted at every look; the whole base a few times a day, for corrections, sweeps and what comes late.
RECENT = timedelta(hours=6)
KEEP = timedelta(days=90)
CHUNK = timedelta(days=1)


def watch_trends(deps: Deps, *, now: datetime) -> None:
    """One look at all tenants. One that fails is left to the next look. Raises: StoreError when there is no list of them."""
    _for_all(deps, lambda tenant_id: watch_tenant(deps, tenant_id, now=now))


def recount_base(deps: Deps, *, now: datetime) -> None:
    """Count all tenants' last two weeks anew, day by day. Raises: StoreError."""
    _for_all(deps, lambda tenant_id: recount(deps, tenant_id, span=LOOK_BACK + CHUNK, now=now))


def _for_all(deps: Deps, work: Callable[[int], object]) -> None:
    with deps.database.system_transaction() as conn:
        tenants = list_tenants(conn)
    for tenant in tenants:
        try:
            work(tenant.id)
        except StoreError as error:
            log.warning("trends_left_to_next_look", tenant_id=tenant.id, code=error.code)


def recount(deps: Deps, tenant_id: int, *, span: timedelta, now: datetime) -> int:
    """Count the tenant's hours of the last `span` anew, each day in a transaction of its own; returns how many counts changed."""
    end = _hour(now) + HOUR
    begin, changed = _hour(now - span), 0
    while begin < end:
        until = min(begin + CHUNK, end)
        with deps.database.tenant_transaction(tenant_id) as conn:
            changed += recount_hours(conn, tenant_id, begin=begin, end=until)
        begin = until
    with deps.database.tenant_transaction(tenant_id) as conn:
        forget_old_hours(conn, tenant_id, before=now - KEEP)
    return changed


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def watch_tenant(deps: Deps, tenant_id: int, *, now: datetime) -> str | None:
    """Count what is recent, then judge; returns the id of a new alert."""
    tenant = deps.tenants.get(tenant_id)
    if not tenant.trends.enabled:
        return None
    recount(deps, tenant_id, span=RECENT, now=now)
    with deps.database.tenant_transaction(tenant_id) as conn:
        if not lock_trends(conn, tenant_id):
            return None
        return judge_tenant(conn, tenant_id, tenant=tenant, now=now)


def judge_tenant(conn: Connection, tenant_id: int, *, tenant: TenantConfig, now: datetime) -> str | None:
    """Compare the tenant's counts with their base; end, begin and tell of episodes. Returns the id of a new alert."""
    first, last = _hour(now) - LOOK_BACK, _hour(now)
    counts = list_topic_hours(conn, tenant_id, begin=first, end=last)
    series = {topic: Series(hours, first=first, last=last) for topic, hours in counts.items()}
    series.setdefault(OVERALL, Series({}, first=first, last=last))
    verdict = judge(
        series,
        episodes=list_open_episodes(conn, tenant_id),
        ended_at=list_ends(conn, tenant_id, since=now - COOL_DOWN),
        now=now,
        ignore=tenant.trends.ignore,
    )
    if verdict.ended:
        end_episodes(conn, tenant_id, list(verdict.ended), at=now)
    return _tell(conn, tenant_id, verdict.rises, now=now) if verdict.rises else None


def _tell(conn: Connection, tenant_id: int, rises: tuple[Rise, ...], *, now: datetime) -> str | None:
    """All that rise together are one alert, also those that follow within two days."""
    figures = {rise.topic: _figures(rise) for rise in rises}
    known = find_recent_trend(conn, tenant_id, since=now - JOIN_WITHIN)
    if known:
        details = {**known.details, "topics": {**known.details["topics"], **figures}}
        see_again(conn, known.alert_id, details=details)
        alert_id, is_new = known.alert_id, False
    else:
        details = {"sentence": describe(rises), "topics": figures}
        key = f"trend:{rises[0].topic or 'all'}:{_hour(now):%Y%m%dT%H}"
        raised = raise_alert(conn, tenant_id, NewAlert(kind="trend", key=key, details=details))
        if raised is None:  # the same look was done already
            return None
        alert_id, is_new = raised, True
    for rise in rises:
        begin_episode(conn, tenant_id, topic=rise.topic, at=now, base_share=rise.base_share, alert_id=alert_id)
    return alert_id if is_new else None


def _figures(rise: Rise) -> dict[str, Any]:
    return {
        "window_h": rise.window_h,
        "window": asdict(rise.window),
        "share": round(rise.window.share, 5),
        "base": asdict(rise.base),
        "base_share": round(rise.base_share, 5),
        "chance": rise.chance,
    }
