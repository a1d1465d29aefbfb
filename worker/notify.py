"""Tells people of alerts where they look: a round plans who is to be told of what, and sends what is due."""

from datetime import datetime

import structlog

from channels.alert_services import AlertSendError, send_alert
from config.alerting import SEVERITIES
from routing.alerts import KINDS, digest, end_of_quiet, is_at_least, sentence
from store.alert_deliveries import (
    Claimed,
    Unannounced,
    add_deliveries,
    claim_target,
    release_target,
    settle_deliveries,
    take_unannounced,
)
from store.alert_targets import StoredTarget, list_targets
from store.db import act_for_tenant
from store.secrets import SecretError
from store.spend import end_provider_alerts, list_paused_tenants
from store.tenants import get_tenant_config
from worker.deps import Deps
from worker.metrics import ALERT_DELIVERIES, ALERTS

log = structlog.get_logger()

ANNOUNCED_PER_ROUND, TARGETS_PER_ROUND, AT_ONCE, PAUSED_PER_ROUND = 500, 20, 500, 50
# More than this many for one target at once are one message.
DIGEST_FROM = 4


def notify(deps: Deps, *, now: datetime) -> None:
    """One round; several workers may do one at once. Raises: StoreError."""
    with deps.database.system_transaction() as conn:
        for tenant_id in list_paused_tenants(conn, limit=PAUSED_PER_ROUND):
            act_for_tenant(conn, tenant_id)
            end_provider_alerts(conn, tenant_id)
    announce(deps, now=now)
    for _ in range(TARGETS_PER_ROUND):
        if not serve_target(deps):
            return


def announce(deps: Deps, *, now: datetime) -> int:
    """Plan deliveries of new alerts to the targets that want them; returns how many alerts are new."""
    with deps.database.system_transaction() as conn:
        alerts = take_unannounced(conn, limit=ANNOUNCED_PER_ROUND)
        if not alerts:
            return 0
        targets = list_targets(conn, sorted({alert.tenant_id for alert in alerts}))
        zones = {
            tenant_id: get_tenant_config(conn, tenant_id).hours.time_zone
            for tenant_id in {one.tenant_id for one in targets}
        }
        due = [
            (alert, target, _not_before(alert, target, zone=zones[target.tenant_id], now=now))
            for alert in alerts
            for target in targets
            if target.tenant_id == alert.tenant_id and _wants(target, alert)
        ]
        add_deliveries(conn, due)
    for alert in alerts:
        ALERTS.labels(alert.kind if alert.kind in KINDS else "other").inc()
    return len(alerts)


def _wants(target: StoredTarget, alert: Unannounced) -> bool:
    kinds = target.config.get("kinds") or ()
    severity = alert.severity
    return (not kinds or alert.kind in kinds) and is_at_least(
        severity,  # pyright: ignore[reportArgumentType] -- the column holds nothing else
        target.config.get("min_severity", "warning"),
    )


def _not_before(alert: Unannounced, target: StoredTarget, *, zone: str, now: datetime) -> datetime:
    until = end_of_quiet(
        now,
        quiet_hours=target.config.get("quiet_hours"),
        zone=zone,
        severity=alert.severity,  # pyright: ignore[reportArgumentType]
    )
    return until or now


def serve_target(deps: Deps) -> bool:
    """Send what is due for one target, no transaction open meanwhile; False when nothing is due."""
    with deps.database.system_transaction() as conn:
        claimed = claim_target(conn, limit=AT_ONCE)
    if claimed is None:
        return False
    target, deliveries = claimed
    sent = False
    for batch in _batches(deliveries):
        error = _send(deps, target, batch)
        sent = sent or error is None
        ALERT_DELIVERIES.labels("sent" if error is None else "failed").inc(len(batch))
        with deps.database.system_transaction() as conn:
            settle_deliveries(
                conn,
                [one.delivery_id for one in batch],
                error=error.code if error else None,
                permanent=bool(error and error.permanent),
            )
        if error:
            log.warning("alert_not_sent", code=error.code, tenant_id=target.tenant_id, target_id=target.id)
    with deps.database.system_transaction() as conn:
        release_target(conn, target.id, sent=sent)
    return True


def _batches(deliveries: list[Claimed]) -> list[list[Claimed]]:
    if len(deliveries) >= DIGEST_FROM:
        return [deliveries]
    return [[one] for one in deliveries]


def _send(deps: Deps, target: StoredTarget, batch: list[Claimed]) -> AlertSendError | None:
    title, body, severity = _words(batch, console_url=deps.settings.console_url)
    try:
        send_alert(
            target.open_url(deps.keyring),
            title=title,
            body=body,
            severity=severity,
            allow_private=deps.settings.allow_private_urls,
        )
    except SecretError:
        return AlertSendError("unreadable_secret", permanent=True)
    except AlertSendError as error:
        return error
    return None


def _words(batch: list[Claimed], *, console_url: str | None) -> tuple[str, str, str]:
    """(title, body, severity). Figures and our own words only."""
    # In a digest the first lines are what people read.
    batch = sorted(batch, key=lambda one: SEVERITIES.index(one.severity), reverse=True)  # pyright: ignore[reportArgumentType]
    told = [sentence(one.kind, one.details) for one in batch]
    severity = max((one.severity for one in batch), key=("info", "warning", "critical").index)
    if len(batch) == 1:
        link = (
            f"\n{console_url}/alerts/{batch[0].alert_id}"
            if console_url
            else f"\nearshot alert show {batch[0].alert_id}"
        )
        return f"Earshot: {told[0].partition(':')[0]}", told[0] + link, severity
    title, body = digest(told)
    return title, body + (f"\n{console_url}/alerts" if console_url else "\nearshot alert list"), severity
