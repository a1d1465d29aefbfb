"""Subscriptions of tests, the rounds of workers, and a receiver's own check of signatures."""

import base64
import hashlib
import hmac
import time

from config.webhook_subscriptions import EVENT_KINDS, read_subscription
from store.alerts import NewAlert, raise_alert
from store.webhook_subscriptions import add_subscription
from worker.webhook_turns import serve_subscription, take_due_subscriptions


def subscribe(deps, tenant_id, url, *, kinds=EVENT_KINDS, include_text=False, description="Shop system"):
    """(id, secret) of a new subscription."""
    wanted = read_subscription(
        url=url, kinds=kinds, description=description, include_text=include_text, allow_private=True
    )
    with deps.database.tenant_transaction(tenant_id) as conn:
        return add_subscription(conn, tenant_id, wanted, keyring=deps.keyring, by=None)


def alarm(deps, tenant_id, number, **more):
    """An event that is quick to make; returns the alert's id."""
    with deps.database.tenant_transaction(tenant_id) as conn:
        return raise_alert(conn, tenant_id, NewAlert("churn", f"churn:{number}", {"count": 2}, **more))


def serve(deps):
    """What the beat and its workers do now, one after the other, until nothing is due."""
    turns = 0
    while due := take_due_subscriptions(deps):
        for tenant_id, subscription_id in due:
            serve_subscription(deps, tenant_id=tenant_id, subscription_id=subscription_id)
            turns += 1
    return turns


def pass_time(owner):
    """All pauses are over."""
    owner.execute(
        "UPDATE webhook_subscription SET rests_until = '-infinity', rung_until = '-infinity', busy_until = '-infinity'"
    )
    owner.execute("UPDATE webhook_delivery SET next_at = now() WHERE state = 'pending'")


def deliveries(owner, subscription_id):
    """(state, tries, status, error_code), oldest first."""
    return owner.execute(
        "SELECT state, tries, status, error_code FROM webhook_delivery WHERE subscription_id = %s ORDER BY id",
        (subscription_id,),
    ).fetchall()


def header(got, name):
    return {key.lower(): value for key, value in got.headers.items()}[name]


def is_signed(got, secret):
    """As https://www.standardwebhooks.com tells a receiver to check it; shares no code with what signs."""
    if abs(time.time() - int(header(got, "webhook-timestamp"))) > 300:
        return False
    signed = f"{header(got, 'webhook-id')}.{header(got, 'webhook-timestamp')}.".encode() + got.body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return any(hmac.compare_digest(one, expected) for one in header(got, "webhook-signature").split(" "))
