"""Programs of a tenant that are told of events: where they are, what they want, and their secrets."""

from dataclasses import dataclass, field
from datetime import datetime

from channels.signed_webhooks import new_secret
from config.webhook_subscriptions import MAX_SUBSCRIPTIONS, SubscriptionError, WantedSubscription
from store.audit_log import note_deed
from store.conversation_events import Actor
from store.db import Connection
from store.secrets import Keyring

# Receivers have so long to change over to a new secret.
OLD_SECRET_H = 24
COUNTED_UP_TO = 10_000
_TABLE = "webhook_subscription"


@dataclass(frozen=True)
class Subscription:
    """One subscription as people see it. host: of its address, which itself is a secret. failures: in a row.

    waiting: what is still to be told, counted up to COUNTED_UP_TO + 1. rests_until: nothing is sent before.
    """

    id: str
    tenant_id: int
    description: str
    host: str
    kinds: tuple[str, ...]
    include_text: bool
    state: str
    paused_because: str | None
    created_at: datetime
    failures: int
    failing_since: datetime | None
    delivered_at: datetime | None
    rests_until: datetime | None
    old_secret_until: datetime | None
    waiting: int
    url: bytes = field(repr=False)

    def open_url(self, keyring: Keyring) -> str:
        """Its address. Raises: SecretError."""
        return open_part(keyring, self.url, tenant_id=self.tenant_id, subscription_id=self.id, part="url")


def seal_part(keyring: Keyring, text: str, *, tenant_id: int, subscription_id: str, part: str) -> bytes:
    """A part of a subscription that is stored encrypted: `url` or `secret`. It opens in the same row only."""
    column = f"{part}:{subscription_id}"
    return keyring.encrypt(text.encode(), tenant_id=tenant_id, table=_TABLE, column=column)


def open_part(keyring: Keyring, sealed: bytes, *, tenant_id: int, subscription_id: str, part: str) -> str:
    """What `seal_part` sealed. Raises: SecretError."""
    column = f"{part}:{subscription_id}"
    return keyring.decrypt(sealed, tenant_id=tenant_id, table=_TABLE, column=column).decode()


def add_subscription(
    conn: Connection, tenant_id: int, wanted: WantedSubscription, *, keyring: Keyring, by: Actor | None
) -> tuple[str, str]:
    """(id, secret); the secret can't be shown again. Raises: SubscriptionError when the tenant has as many as it may."""
    conn.execute("SELECT pg_advisory_xact_lock(hashtext('earshot webhook subscription'), %s)", (tenant_id,))
    row = conn.execute(
        "SELECT uuidv7()::text, count(*) FROM webhook_subscription WHERE tenant_id = %s AND state <> 'removed'",
        (tenant_id,),
    ).fetchone()
    assert row is not None
    subscription_id, count = row
    if count >= MAX_SUBSCRIPTIONS:
        raise SubscriptionError("webhooks", f"are at most {MAX_SUBSCRIPTIONS} for a tenant: remove one first")
    secret = new_secret()
    url, sealed = (
        seal_part(keyring, text, tenant_id=tenant_id, subscription_id=subscription_id, part=part)
        for part, text in (("url", wanted.url), ("secret", secret))
    )
    conn.execute(
        """
        INSERT INTO webhook_subscription (id, tenant_id, description, url, host, kinds, include_text, secret)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
        """,
        (
            subscription_id,
            tenant_id,
            wanted.description,
            url,
            wanted.host,
            list(wanted.kinds),
            wanted.include_text,
            sealed,
        ),
    )
    note_deed(conn, tenant_id, by=by, deed="webhook_added", subject=subscription_id, details=_told(wanted))
    return subscription_id, secret


def _told(wanted: WantedSubscription) -> dict[str, object]:
    """For the audit log: the host, not the address, which may be a secret."""
    return {"host": wanted.host, "kinds": list(wanted.kinds), "include_text": wanted.include_text}


def list_subscriptions(conn: Connection, tenant_id: int) -> list[Subscription]:
    """All of the tenant's, oldest first."""
    return _read(conn, tenant_id, None)


def find_subscription(conn: Connection, tenant_id: int, subscription_id: str) -> Subscription | None:
    """One of the tenant's."""
    found = _read(conn, tenant_id, subscription_id)
    return found[0] if found else None


def _read(conn: Connection, tenant_id: int, subscription_id: str | None) -> list[Subscription]:
    rows = conn.execute(
        """
        SELECT s.id::text, s.tenant_id, s.description, s.host, s.kinds, s.include_text, s.state, s.paused_because, s.created_at,
               s.failures, s.failing_since, s.delivered_at,
               CASE WHEN s.rests_until > now() THEN s.rests_until END,
               CASE WHEN s.old_secret_until > now() THEN s.old_secret_until END,
               (
                   SELECT count(*)
                   FROM (
                       SELECT FROM webhook_delivery AS d WHERE d.subscription_id = s.id AND d.state = 'pending' LIMIT %s
                   ) AS one
               ),
               s.url
        FROM webhook_subscription AS s
        WHERE s.tenant_id = %s AND s.state <> 'removed' AND (%s::uuid IS NULL OR s.id = %s::uuid)
        ORDER BY s.id
        """,
        (COUNTED_UP_TO + 1, tenant_id, subscription_id, subscription_id),
    ).fetchall()
    return [
        Subscription(*row[:4], kinds=tuple(row[4]), **dict(zip(_AFTER_KINDS, row[5:], strict=True))) for row in rows
    ]


_AFTER_KINDS = (
    "include_text",
    "state",
    "paused_because",
    "created_at",
    "failures",
    "failing_since",
    "delivered_at",
    "rests_until",
    "old_secret_until",
    "waiting",
    "url",
)


def change_subscription(
    conn: Connection,
    tenant_id: int,
    subscription_id: str,
    wanted: WantedSubscription,
    *,
    keyring: Keyring,
    by: Actor | None,
) -> bool:
    """Make it what is wanted; what waits already leaves as it is from now on. False when there is none.

    Another address starts without the failures of the one before.
    """
    found = find_subscription(conn, tenant_id, subscription_id)
    if found is None:
        return False
    moved = found.open_url(keyring) != wanted.url
    url = seal_part(keyring, wanted.url, tenant_id=tenant_id, subscription_id=subscription_id, part="url")
    conn.execute(
        """
        UPDATE webhook_subscription
        SET url = CASE WHEN %(moved)s THEN %(url)s ELSE url END, host = %(host)s, kinds = %(kinds)s,
            description = %(description)s, include_text = %(include_text)s,
            failures = CASE WHEN %(moved)s THEN 0 ELSE failures END,
            failing_since = CASE WHEN %(moved)s THEN NULL ELSE failing_since END,
            rests_until = CASE WHEN %(moved)s THEN '-infinity' ELSE rests_until END
        WHERE tenant_id = %(tenant)s AND id = %(id)s
        """,
        {
            "moved": moved,
            "url": url,
            "host": wanted.host,
            "kinds": list(wanted.kinds),
            "description": wanted.description,
            "include_text": wanted.include_text,
            "tenant": tenant_id,
            "id": subscription_id,
        },
    )
    note_deed(
        conn,
        tenant_id,
        by=by,
        deed="webhook_changed",
        subject=subscription_id,
        details={**_told(wanted), "url_changed": moved},
    )
    return True


def rotate_secret(
    conn: Connection, tenant_id: int, subscription_id: str, *, keyring: Keyring, by: Actor | None
) -> str | None:
    """A new secret, which can't be shown again; the old one signs beside it for a day. None when there is no subscription.

    Of two rotations within a day the newer one's old secret counts: the one before it ends at once.
    """
    secret = new_secret()
    sealed = seal_part(keyring, secret, tenant_id=tenant_id, subscription_id=subscription_id, part="secret")
    changed = conn.execute(
        """
        UPDATE webhook_subscription
        SET secret = %s, old_secret = secret, old_secret_until = now() + make_interval(hours => %s)
        WHERE tenant_id = %s AND id = %s AND state <> 'removed'
        """,
        (sealed, OLD_SECRET_H, tenant_id, subscription_id),
    ).rowcount
    if not changed:
        return None
    note_deed(conn, tenant_id, by=by, deed="webhook_secret_rotated", subject=subscription_id)
    return secret


def pause_subscription(conn: Connection, tenant_id: int, subscription_id: str, *, by: Actor | None) -> bool:
    """Nothing is sent and nothing more is noted for it. False when it is not active."""
    paused = conn.execute(
        """
        UPDATE webhook_subscription
        SET state = 'paused', paused_because = 'by_hand'
        WHERE tenant_id = %s AND id = %s AND state = 'active'
        """,
        (tenant_id, subscription_id),
    ).rowcount
    if paused:
        note_deed(conn, tenant_id, by=by, deed="webhook_paused", subject=subscription_id)
    return paused == 1


def resume_subscription(conn: Connection, tenant_id: int, subscription_id: str, *, by: Actor | None) -> bool:
    """It is told again, at first what still waits; the alert about it is over. False when it is active already, or there is none."""
    resumed = conn.execute(
        """
        UPDATE webhook_subscription
        SET state = 'active', paused_because = NULL, failures = 0, failing_since = NULL, rests_until = '-infinity'
        WHERE tenant_id = %s AND id = %s AND state IN ('paused', 'gone')
        """,
        (tenant_id, subscription_id),
    ).rowcount
    if resumed:
        _end_alert(conn, tenant_id, subscription_id)
        note_deed(conn, tenant_id, by=by, deed="webhook_resumed", subject=subscription_id)
    return resumed == 1


def remove_subscription(conn: Connection, tenant_id: int, subscription_id: str, *, by: Actor | None) -> bool:
    """It is told nothing any more; what waited for it goes with the next upkeep. False when there is none."""
    removed = conn.execute(
        """
        UPDATE webhook_subscription
        SET state = 'removed', url = '', host = '', description = '', secret = '', old_secret = NULL, old_secret_until = NULL
        WHERE tenant_id = %s AND id = %s AND state <> 'removed'
        """,
        (tenant_id, subscription_id),
    ).rowcount
    if removed:
        _end_alert(conn, tenant_id, subscription_id)
        note_deed(conn, tenant_id, by=by, deed="webhook_removed", subject=subscription_id)
    return removed == 1


def _end_alert(conn: Connection, tenant_id: int, subscription_id: str) -> None:
    conn.execute(
        """
        UPDATE alert
        SET resolved_at = now(), snoozed_until = NULL
        WHERE tenant_id = %s AND kind = 'webhook_paused' AND resolved_at IS NULL AND details ->> 'subscription_id' = %s
        """,
        (tenant_id, subscription_id),
    )
