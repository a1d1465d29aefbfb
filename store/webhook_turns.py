"""Webhooks on their way: whose turn it is, which event is next, and what became of it.

One worker at a time serves a subscription. Only its lease says so: a row is `pending` until it is settled, so that a worker that dies
between the call and the note leaves it to be sent again under the same id.
"""

from dataclasses import dataclass, field
from datetime import datetime

from routing.webhook_schedule import MAX_TRIES
from store.db import Connection

# Longer than a turn and its last call together.
BUSY_S = 60
RUNG_S = 15
# So many servers of one tenant may let us wait at once.
BUSY_PER_TENANT = 3
FAILS_FOR_DAYS = 5
# From so many failures in a row on it was the endpoint: when it is back, what has been tried in vain leaves first.
OUTAGE_FROM = 3
# At most so often a subscription's row says when something last arrived.
NOTED_EVERY_S = 10


def take_due(conn: Connection, *, limit: int) -> list[tuple[int, str]]:
    """(tenant id, subscription id) of those with something to send now that no worker serves, whoever waits longest first.

    Each is left alone for RUNG_S, or until its worker begins. Needs the system scope.
    """
    return conn.execute(
        """
        WITH due AS (
            SELECT s.id
            FROM webhook_subscription AS s
            WHERE s.state = 'active' AND s.rests_until <= now() AND s.busy_until <= now() AND s.rung_until <= now()
              AND EXISTS (
                  SELECT FROM webhook_delivery AS d
                  WHERE d.subscription_id = s.id AND d.state = 'pending' AND d.next_at <= now() AND d.tries < %s
              )
            ORDER BY s.served_at, s.id
            LIMIT %s
            FOR UPDATE SKIP LOCKED
        )
        UPDATE webhook_subscription AS s
        SET rung_until = now() + make_interval(secs => %s)
        FROM due
        WHERE s.id = due.id
        RETURNING s.tenant_id, s.id::text
        """,
        (MAX_TRIES, limit, RUNG_S),
    ).fetchall()


@dataclass(frozen=True)
class Turn:
    """A worker's right to serve one subscription. token: whoever holds another one has lost it."""

    tenant_id: int
    subscription_id: str
    token: str


def begin_turn(conn: Connection, tenant_id: int, subscription_id: str) -> Turn | None:
    """None when another worker serves it, it rests, or other endpoints of the tenant hold as many workers as they may."""
    row = conn.execute(
        """
        UPDATE webhook_subscription AS s
        SET turn = gen_random_uuid(), busy_until = now() + make_interval(secs => %s), rung_until = '-infinity', served_at = now()
        WHERE s.tenant_id = %s AND s.id = %s AND s.state = 'active' AND s.busy_until <= now() AND s.rests_until <= now()
          AND (
              SELECT count(*) FROM webhook_subscription AS o WHERE o.tenant_id = s.tenant_id AND o.busy_until > now()
          ) < %s
        RETURNING s.turn::text
        """,
        (BUSY_S, tenant_id, subscription_id, BUSY_PER_TENANT),
    ).fetchone()
    return Turn(tenant_id, subscription_id, row[0]) if row else None


def end_turn(conn: Connection, turn: Turn) -> None:
    """Others may serve it."""
    conn.execute(
        "UPDATE webhook_subscription SET busy_until = '-infinity' WHERE tenant_id = %s AND id = %s AND turn = %s",
        (turn.tenant_id, turn.subscription_id, turn.token),
    )


def unring(conn: Connection, tenant_id: int, subscription_id: str) -> None:
    """The worker that was asked had no hand free: another may be asked at once."""
    conn.execute(
        "UPDATE webhook_subscription SET rung_until = '-infinity' WHERE tenant_id = %s AND id = %s",
        (tenant_id, subscription_id),
    )


@dataclass(frozen=True)
class Endpoint:
    """Where a turn sends, as it is at this moment. url, secret, old_secret: encrypted; old_secret None when there is none any more."""

    include_text: bool
    failures: int
    url: bytes = field(repr=False)
    secret: bytes = field(repr=False)
    old_secret: bytes | None = field(repr=False)


@dataclass(frozen=True)
class Claimed:
    """One event that is to be told now. tries: with this one. at: the time of this try."""

    id: str
    kind: str
    subject_id: str
    happened_at: datetime
    tries: int
    at: datetime


def claim_next(conn: Connection, turn: Turn) -> tuple[Endpoint, Claimed] | None:
    """The oldest event that is due, its try counted; None when there is none, or the turn is over."""
    row = conn.execute(
        """
        SELECT include_text, failures, url, secret, CASE WHEN old_secret_until > now() THEN old_secret END
        FROM webhook_subscription
        WHERE tenant_id = %s AND id = %s AND turn = %s AND state = 'active' AND busy_until > now() AND rests_until <= now()
        """,
        (turn.tenant_id, turn.subscription_id, turn.token),
    ).fetchone()
    if row is None:
        return None
    endpoint = Endpoint(*row)
    row = conn.execute(
        """
        UPDATE webhook_delivery AS d
        SET tries = tries + 1, tried_at = now(),
            -- Should the worker die in the last try, nobody waits for days.
            give_up_at = CASE WHEN tries + 1 >= %s THEN now() + make_interval(secs => %s) ELSE give_up_at END
        FROM (
            SELECT id
            FROM webhook_delivery
            WHERE tenant_id = %s AND subscription_id = %s AND state = 'pending' AND next_at <= now() AND tries < %s
            ORDER BY id
            LIMIT 1
            FOR UPDATE
        ) AS first
        WHERE d.id = first.id
        RETURNING d.id::text, d.kind, d.subject_id::text, d.created_at, d.tries, d.tried_at
        """,
        (MAX_TRIES, 2 * BUSY_S, turn.tenant_id, turn.subscription_id, MAX_TRIES),
    ).fetchone()
    return (endpoint, Claimed(*row)) if row else None


def settle_delivered(conn: Connection, turn: Turn, delivery_id: str, *, status: int, after_failures: int) -> None:
    """The far side has it. after_failures: of the endpoint until now."""
    conn.execute(
        """
        UPDATE webhook_delivery
        SET state = 'delivered', status = %s, error_code = NULL, settled_at = now()
        WHERE tenant_id = %s AND id = %s AND state IN ('pending', 'failed')
        """,
        (status, turn.tenant_id, delivery_id),
    )
    conn.execute(
        """
        UPDATE webhook_subscription
        SET delivered_at = now(), failures = 0, failing_since = NULL
        WHERE tenant_id = %s AND id = %s
          AND (failures > 0 OR coalesce(delivered_at, '-infinity') < now() - make_interval(secs => %s))
        """,
        (turn.tenant_id, turn.subscription_id, NOTED_EVERY_S),
    )
    if after_failures >= OUTAGE_FROM:
        conn.execute(
            """
            UPDATE webhook_delivery
            SET next_at = now()
            WHERE tenant_id = %s AND subscription_id = %s AND state = 'pending' AND next_at > now()
            """,
            (turn.tenant_id, turn.subscription_id),
        )


def settle_dropped(conn: Connection, turn: Turn, delivery_id: str) -> None:
    """What it was about is gone: there is nothing to tell."""
    conn.execute(
        """
        UPDATE webhook_delivery
        SET state = 'dropped', error_code = 'erased', settled_at = now()
        WHERE tenant_id = %s AND id = %s AND state = 'pending'
        """,
        (turn.tenant_id, delivery_id),
    )


@dataclass(frozen=True)
class Failure:
    """Why the far side does not have it. status: of its answer, None without one. wait_s: until the next try, None: given up.

    rest_s: for which nothing is sent there.
    """

    code: str
    status: int | None
    wait_s: float | None
    rest_s: float


def settle_failed(conn: Connection, turn: Turn, delivery_id: str, failure: Failure) -> datetime | None:
    """Try again later, or give it up. Since when the endpoint has failed, if that is so long that it was paused now; else None."""
    conn.execute(
        """
        UPDATE webhook_delivery
        SET state = CASE WHEN %(wait)s::float8 IS NULL THEN 'failed' ELSE 'pending' END,
            status = %(status)s, error_code = %(code)s,
            next_at = now() + make_interval(secs => coalesce(%(wait)s::float8, 0)),
            settled_at = CASE WHEN %(wait)s::float8 IS NULL THEN now() END
        WHERE tenant_id = %(tenant)s AND id = %(id)s AND state = 'pending'
        """,
        {
            "wait": failure.wait_s,
            "status": failure.status,
            "code": failure.code,
            "tenant": turn.tenant_id,
            "id": delivery_id,
        },
    )
    row = conn.execute(
        """
        UPDATE webhook_subscription
        SET failures = failures + 1, failed_at = now(), failing_since = coalesce(failing_since, now()),
            rests_until = now() + make_interval(secs => %(rest)s),
            state = CASE
                WHEN state = 'active' AND failing_since < now() - make_interval(days => %(days)s) THEN 'paused'
                ELSE state
            END,
            paused_because = CASE
                WHEN state = 'active' AND failing_since < now() - make_interval(days => %(days)s) THEN 'failing'
                ELSE paused_because
            END
        WHERE tenant_id = %(tenant)s AND id = %(id)s
        RETURNING CASE WHEN paused_because = 'failing' THEN failing_since END
        """,
        {
            "rest": failure.rest_s,
            "days": FAILS_FOR_DAYS,
            "tenant": turn.tenant_id,
            "id": turn.subscription_id,
        },
    ).fetchone()
    return row[0] if row else None


def switch_off(conn: Connection, turn: Turn) -> None:
    """The far side says that it wants no more, for good."""
    conn.execute(
        """
        UPDATE webhook_subscription
        SET state = 'gone', paused_because = 'gone'
        WHERE tenant_id = %s AND id = %s AND state = 'active'
        """,
        (turn.tenant_id, turn.subscription_id),
    )


def find_host(conn: Connection, turn: Turn) -> str:
    """Where it leads, for an alert."""
    row = conn.execute(
        "SELECT host FROM webhook_subscription WHERE tenant_id = %s AND id = %s", (turn.tenant_id, turn.subscription_id)
    ).fetchone()
    return row[0] if row else ""
