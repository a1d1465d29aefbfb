"""A customer's mood after one message: told once per episode, taken back when a correction undoes it."""

from datetime import datetime, timedelta
from typing import Any

from config.tenant import TenantConfig
from routing.churn import Episode, find_episodes, find_news
from store.alerts import NewAlert, raise_alert, reopen_alert, resolve_alert, see_again
from store.churn import ChurnAlert, describe_messages, is_high_value, list_churn_alerts, list_labelled
from store.db import Connection

# What comes later than this after the customer wrote it is history: it alarms nobody.
FRESH = timedelta(hours=48)


def review_mood(
    conn: Connection,
    tenant_id: int,
    *,
    tenant: TenantConfig,
    customer_id: str,
    now: datetime,
    may_raise: bool,
    may_reopen: bool = False,
    has_alerts: bool = True,
) -> list[str]:
    """Bring the customer's churn alerts in line with the labels that count; returns ids of new ones.

    may_raise: False after a correction or a second look, which never raise one. may_reopen: True after a correction, which may
    undo an earlier one that had taken an alert back. has_alerts: False when the customer has none. The caller has
    locked the conversation and the customer.
    """
    if not tenant.churn.enabled:
        return []
    within = timedelta(days=tenant.churn.within_days)
    # An episode that began before what is looked at is known by the messages that are still in sight.
    since = now - 2 * within - FRESH
    alerts = list_churn_alerts(conn, customer_id, since=since) if has_alerts else []
    if not alerts and not may_raise:
        return []
    labelled = list_labelled(conn, customer_id, since=since)
    window = timedelta(seconds=tenant.thresholds.debounce_s)
    episodes = find_episodes(labelled, now=now, within=within, burst_window=window)
    in_sight = {one.id for one in labelled}
    for alert in alerts:
        may_open = may_raise or may_reopen
        _keep_true(conn, alert, episodes, in_sight=in_sight, customer_id=customer_id, may_reopen=may_open)
    if not may_raise:
        return []
    news = find_news(episodes, known=[alert.message_ids for alert in alerts], now=now, fresh=FRESH)
    raised = [_raise(conn, tenant_id, episode, customer_id=customer_id) for episode in news]
    return [alert_id for alert_id in raised if alert_id]


def _keep_true(
    conn: Connection,
    alert: ChurnAlert,
    episodes: list[Episode],
    *,
    in_sight: set[str],
    customer_id: str,
    may_reopen: bool,
) -> None:
    """An alert whose episode has grown says so; one whose episode is none any more is taken back."""
    now_is = next((one for one in episodes if not alert.message_ids.isdisjoint(_ids(one))), None)
    if now_is is None:
        if alert.is_open and alert.message_ids & in_sight:
            resolve_alert(conn, alert.id)
        return
    if frozenset(_ids(now_is)) != alert.message_ids:
        see_again(conn, alert.id, details=_details(conn, now_is, high_value=is_high_value(conn, customer_id)))
    if may_reopen and not alert.is_open:
        reopen_alert(conn, alert.id)


def _ids(episode: Episode) -> list[str]:
    return [one.id for one in episode.messages]


def _details(conn: Connection, episode: Episode, *, high_value: bool) -> dict[str, Any]:
    messages = describe_messages(conn, _ids(episode))
    return {"messages": messages, "count": len(messages), "high_value": high_value}


def _raise(conn: Connection, tenant_id: int, episode: Episode, *, customer_id: str) -> str | None:
    high_value = is_high_value(conn, customer_id)
    return raise_alert(
        conn,
        tenant_id,
        NewAlert(
            kind="churn",
            key=f"churn:{episode.first_id}",
            severity="critical" if high_value else None,
            customer_id=customer_id,
            conversation_id=episode.messages[-1].conversation_id,
            message_id=episode.messages[-1].id,
            details=_details(conn, episode, high_value=high_value),
        ),
    )
