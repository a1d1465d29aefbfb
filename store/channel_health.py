"""What is known of each channel account's health: its last webhook and usual gap, its token, its subscription; and the alerts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from channels.base import AccountState, RefreshedToken
from routing.alerts import kind_of
from store.db import Connection
from store.secrets import Keyring

# A shop that is silent every night and every Sunday shows that within two weeks.
HISTORY_DAYS = 14
# Less says nothing about what is usual.
MIN_HISTORY_DAYS, MIN_ACTIVE_HOURS = 3, 20
GAP_MARGIN = 1.5
MIN_GAP_S = 3600
INSPECT_EVERY_H, REFRESH_EVERY_D, REFRESH_AGAIN_H = 24, 30, 6
EXPIRING_WITHIN_D = 10
# Sends are stopped for these because of the token: they go on when it is alive again.
_TOKEN_CODES = ("graph_190", "graph_102", "http_401", "token_unusable")


def watch_account(conn: Connection, tenant_id: int, channel_account_id: int, *, has_new_token: bool) -> None:
    """Begin to watch an account that was applied; a new token's history begins anew. Needs the system scope."""
    conn.execute(
        """
        INSERT INTO channel_health (channel_account_id, tenant_id)
        VALUES (%s, %s)
        ON CONFLICT (channel_account_id) DO UPDATE SET next_inspection_at = now()
        """,
        (channel_account_id, tenant_id),
    )
    if has_new_token:
        conn.execute(
            """
            UPDATE channel_health
            SET token_state = 'unknown', token_since = now(), token_expires_at = NULL, error_code = NULL,
                next_refresh_at = now() + interval '25 hours'
            WHERE channel_account_id = %s
            """,
            (channel_account_id,),
        )


def count_webhooks(conn: Connection, counts: Mapping[tuple[str, str], int]) -> None:
    """Add webhooks by (kind, account id) to this hour. Needs the system scope."""
    conn.execute(
        """
        WITH given AS (
            SELECT a.id, a.tenant_id, given.webhooks
            FROM unnest(%s::text[], %s::text[], %s::int[]) AS given (kind, account_id, webhooks)
            JOIN channel_account AS a ON a.kind = given.kind AND a.account_id = given.account_id
        ), seen AS (
            INSERT INTO channel_health AS h (channel_account_id, tenant_id, last_webhook_at)
            SELECT id, tenant_id, now() FROM given ORDER BY id
            ON CONFLICT (channel_account_id) DO UPDATE SET last_webhook_at = greatest(h.last_webhook_at, now())
        )
        INSERT INTO channel_activity AS c (channel_account_id, tenant_id, hour, webhooks)
        SELECT id, tenant_id, date_trunc('hour', now()), webhooks FROM given ORDER BY id
        ON CONFLICT (channel_account_id, hour) DO UPDATE SET webhooks = c.webhooks + EXCLUDED.webhooks
        """,
        ([kind for kind, _ in counts], [account_id for _, account_id in counts], list(counts.values())),
    )


def learn_usual_gaps(conn: Connection) -> None:
    """The longest silence of the last two weeks and a half more, at least an hour; None while there is too little to judge by.

    Needs the system scope.
    """
    conn.execute(
        """
        WITH active AS (
            SELECT channel_account_id, hour, hour - lag(hour) OVER (PARTITION BY channel_account_id ORDER BY hour) AS gap
            FROM channel_activity
            WHERE hour > now() - make_interval(days => %s)
        ), usual AS (
            SELECT channel_account_id, extract(epoch FROM max(gap)) * %s AS gap_s, min(hour) AS since, count(*) AS hours
            FROM active
            GROUP BY channel_account_id
        )
        UPDATE channel_health AS h
        SET usual_gap_s = CASE
            WHEN u.since < now() - make_interval(days => %s) AND u.hours >= %s THEN greatest(u.gap_s, %s)
        END
        FROM usual AS u
        WHERE u.channel_account_id = h.channel_account_id
        """,
        (HISTORY_DAYS, GAP_MARGIN, MIN_HISTORY_DAYS, MIN_ACTIVE_HOURS, MIN_GAP_S),
    )
    conn.execute("DELETE FROM channel_activity WHERE hour < now() - make_interval(days => %s)", (HISTORY_DAYS + 1,))


@dataclass(frozen=True)
class WatchedAccount:
    """An account whose turn has come."""

    channel_account_id: int
    tenant_id: int
    kind: str
    account_id: str


def take_due_inspections(conn: Connection, *, limit: int) -> list[WatchedAccount]:
    """Accounts to ask the channel about: each once a day, and at once when a send was refused because of the token.

    Oldest first; nobody else gets them meanwhile. Needs the system scope.
    """
    rows = conn.execute(
        """
        WITH due AS (
            SELECT h.channel_account_id
            FROM channel_health AS h JOIN channel_account AS a ON a.id = h.channel_account_id
            WHERE h.next_inspection_at <= now()
               OR (h.token_state <> 'dead' AND a.sends_blocked_because = ANY(%s))
            ORDER BY h.next_inspection_at
            LIMIT %s
            FOR UPDATE OF h SKIP LOCKED
        )
        UPDATE channel_health AS h
        -- A minute more or less for each, so that a thousand accounts don't come at once for ever.
        SET next_inspection_at = now() + make_interval(hours => %s, mins => (h.channel_account_id %% 60)::int)
        FROM due JOIN channel_account AS a ON a.id = due.channel_account_id
        WHERE h.channel_account_id = due.channel_account_id
        RETURNING a.id, a.tenant_id, a.kind, a.account_id
        """,
        (list(_TOKEN_CODES), limit, INSPECT_EVERY_H),
    ).fetchall()
    return [WatchedAccount(*row) for row in rows]


def store_inspection(conn: Connection, account: WatchedAccount, state: AccountState) -> None:
    """What the channel says. A token that lives again lets its sends go on. Needs the system scope."""
    conn.execute(
        """
        UPDATE channel_health
        SET token_state = CASE WHEN %(token)s = 'unknown' THEN token_state ELSE %(token)s END,
            subscribed = coalesce(%(subscribed)s, subscribed), error_code = %(error_code)s
        WHERE channel_account_id = %(id)s
        """,
        {
            "token": state.token,
            "subscribed": state.subscribed,
            "error_code": state.error_code,
            "id": account.channel_account_id,
        },
    )
    if state.token == "alive":  # noqa: S105 -- a state, not a password
        conn.execute(
            "UPDATE channel_account SET sends_blocked_because = NULL WHERE id = %s AND sends_blocked_because = ANY(%s)",
            (account.channel_account_id, list(_TOKEN_CODES)),
        )


def note_inspection(conn: Connection, tenant_id: int, *, kind: str, account_id: str, state: AccountState) -> None:
    """As store_inspection, for an account that a person had looked at. Needs the system scope."""
    row = conn.execute(
        "SELECT id FROM channel_account WHERE tenant_id = %s AND kind = %s AND account_id = %s",
        (tenant_id, kind, account_id),
    ).fetchone()
    if row is not None:
        store_inspection(conn, WatchedAccount(row[0], tenant_id, kind, account_id), state)


def take_due_refreshes(conn: Connection, *, limit: int) -> list[WatchedAccount]:
    """Instagram Login accounts whose token is to be refreshed; each comes again in some hours unless that is done.

    Needs the system scope.
    """
    rows = conn.execute(
        """
        WITH due AS (
            SELECT h.channel_account_id
            FROM channel_health AS h JOIN channel_account AS a ON a.id = h.channel_account_id
            WHERE h.next_refresh_at <= now() AND h.token_state <> 'dead'
              AND a.kind = 'instagram' AND a.login IS DISTINCT FROM 'facebook'
            ORDER BY h.next_refresh_at
            LIMIT %s
            FOR UPDATE OF h SKIP LOCKED
        )
        UPDATE channel_health AS h
        SET next_refresh_at = now() + make_interval(hours => %s)
        FROM due JOIN channel_account AS a ON a.id = due.channel_account_id
        WHERE h.channel_account_id = due.channel_account_id
        RETURNING a.id, a.tenant_id, a.kind, a.account_id
        """,
        (limit, REFRESH_AGAIN_H),
    ).fetchall()
    return [WatchedAccount(*row) for row in rows]


def store_refreshed_token(
    conn: Connection, account: WatchedAccount, token: RefreshedToken, *, replaces: str, keyring: Keyring
) -> bool:
    """Keep a new token, encrypted; False when an admin has set another one meanwhile. Needs the system scope.

    replaces: the token that was refreshed.
    """
    row = conn.execute(
        "SELECT access_token FROM channel_account WHERE id = %s FOR UPDATE", (account.channel_account_id,)
    ).fetchone()
    if row is None:
        return False
    tenant_id, table, column = account.tenant_id, "channel_account", "access_token"
    if keyring.decrypt(row[0], tenant_id=tenant_id, table=table, column=column).decode() != replaces:
        return False
    sealed = keyring.encrypt(token.access_token.encode(), tenant_id=tenant_id, table=table, column=column)
    conn.execute("UPDATE channel_account SET access_token = %s WHERE id = %s", (sealed, account.channel_account_id))
    conn.execute(
        """
        UPDATE channel_health
        SET token_state = 'alive', token_since = now(), token_expires_at = now() + make_interval(secs => %s),
            next_refresh_at = now() + make_interval(days => %s), error_code = NULL
        WHERE channel_account_id = %s
        """,
        (token.lifetime_s, REFRESH_EVERY_D, account.channel_account_id),
    )
    return True


@dataclass(frozen=True)
class Unwell:
    """Something wrong with one account. since: when it began, as far as that is known."""

    channel_account_id: int
    tenant_id: int
    tenant: str
    kind: str
    account_id: str
    problem: str
    since: datetime


def list_unwell(conn: Connection) -> list[Unwell]:
    """Accounts with a problem ("channel_silent", "webhooks_disabled", "token_dead", "token_expiring", "sends_blocked"), by tenant.

    When every judged account is silent at once, and there are several, the fault is more likely on our side: one row for
    each would hide that, so they are left out (see `all_are_silent`). Needs the system scope.
    """
    rows = conn.execute(
        """
        SELECT a.id, a.tenant_id, t.slug, a.kind, a.account_id, p.problem, p.since
        FROM channel_health AS h
        JOIN channel_account AS a ON a.id = h.channel_account_id
        JOIN tenant AS t ON t.id = a.tenant_id
        CROSS JOIN LATERAL (
            SELECT 'channel_silent' AS problem, h.last_webhook_at AS since
            WHERE h.last_webhook_at < now() - make_interval(secs => h.usual_gap_s)
            UNION ALL
            SELECT 'webhooks_disabled', h.token_since WHERE NOT h.subscribed
            UNION ALL
            SELECT 'token_dead', h.token_since WHERE h.token_state = 'dead'
            UNION ALL
            SELECT 'token_expiring', h.token_expires_at
            WHERE h.token_state <> 'dead' AND h.token_expires_at < now() + make_interval(days => %s)
            UNION ALL
            SELECT 'sends_blocked', coalesce(a.sends_blocked_at, h.token_since) WHERE a.sends_blocked_because IS NOT NULL AND h.token_state <> 'dead'
        ) AS p
        ORDER BY t.slug, a.kind, a.account_id, p.problem
        """,
        (EXPIRING_WITHIN_D,),
    ).fetchall()
    unwell = [Unwell(*row) for row in rows]
    if all_are_silent(conn):
        return [one for one in unwell if one.problem != "channel_silent"]
    return unwell


def all_are_silent(conn: Connection) -> bool:
    """Whether several accounts are judged and no webhook comes to any of them. Needs the system scope."""
    row = conn.execute(
        """
        SELECT count(*) > 1 AND bool_and(last_webhook_at < now() - make_interval(secs => usual_gap_s))
        FROM channel_health
        WHERE usual_gap_s IS NOT NULL
        """
    ).fetchone()
    return bool(row and row[0])


def count_accounts(conn: Connection) -> int:
    """How many accounts there are. Needs the system scope."""
    row = conn.execute("SELECT count(*) FROM channel_account").fetchone()
    return row[0] if row else 0


def update_alerts(conn: Connection, unwell: list[Unwell]) -> list[Unwell]:
    """One alert per account, problem and episode; what is well again is resolved. Returns what is new. Needs the system scope."""
    keys = [f"{one.problem}:{one.channel_account_id}:{one.since:%Y%m%dT%H%M%S}" for one in unwell]
    rows = conn.execute(
        """
        INSERT INTO alert (tenant_id, kind, key, severity, details)
        SELECT tenant_id, problem, key, severity, jsonb_build_object('channel', channel, 'account_id', account_id, 'since', since)
        FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[])
            AS given (tenant_id, problem, key, severity, channel, account_id, since)
        ON CONFLICT (tenant_id, key) DO UPDATE SET resolved_at = NULL WHERE alert.resolved_at IS NOT NULL
        RETURNING key
        """,
        (
            [one.tenant_id for one in unwell],
            [one.problem for one in unwell],
            keys,
            [kind_of(one.problem).severity for one in unwell],
            [one.kind for one in unwell],
            [one.account_id for one in unwell],
            [one.since for one in unwell],
        ),
    ).fetchall()
    conn.execute(
        """
        UPDATE alert
        SET resolved_at = now()
        WHERE resolved_at IS NULL AND NOT (key = ANY(%s))
          AND kind IN ('channel_silent', 'webhooks_disabled', 'token_dead', 'token_expiring', 'sends_blocked')
        """,
        (keys,),
    )
    new = {row[0] for row in rows}
    return [one for one, key in zip(unwell, keys, strict=True) if key in new]
