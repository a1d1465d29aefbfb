"""A tenant's CRM connection: credentials, access token, whose turn it is, and why it rests."""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime

from psycopg.types.json import Jsonb

from config.crm import CrmConfig, CrmSettings
from crm_sync.record_pages import record_url
from store.alerts import NewAlert, raise_alert, resolve_kind
from store.crm_links import forget_values
from store.db import Connection
from store.secrets import Keyring

FLUSH_LEASE_S = 15


@dataclass(frozen=True)
class CrmConnection:
    """settings: the tenant's choices without credentials. paused_because: None while it works."""

    kind: str
    credentials: dict[str, str] = field(repr=False)
    settings: CrmSettings
    account_id: str | None
    provisioned: bool
    tries: int
    paused_because: str | None


def apply_connection(conn: Connection, tenant_id: int, crm: CrmConfig | None, *, keyring: Keyring) -> None:
    """Store what the tenant file says. Applying lifts a pause: the admin has just acted."""
    if crm is None:
        conn.execute("DELETE FROM crm_connection WHERE tenant_id = %s", (tenant_id,))
        forget_values(conn, tenant_id)
        return
    credentials = crm.credentials()
    plain = json.dumps(credentials, sort_keys=True).encode()
    settings = crm.settings().model_dump(mode="json")
    before = conn.execute(
        "SELECT kind, config, applied_hash FROM crm_connection WHERE tenant_id = %s", (tenant_id,)
    ).fetchone()
    applied_hash = hashlib.sha256(plain).hexdigest()
    sealed = keyring.encrypt(plain, tenant_id=tenant_id, table="crm_connection", column="credentials")
    # The same credentials as last time may have led to a newer refresh token, which must not be overwritten by the old one.
    conn.execute(
        """
        INSERT INTO crm_connection AS c (tenant_id, kind, credentials, config, applied_hash, site)
        VALUES (%s, %s, %s, %s, %s, %s)
        ON CONFLICT (tenant_id) DO UPDATE SET
            kind = EXCLUDED.kind, config = EXCLUDED.config, applied_hash = EXCLUDED.applied_hash, site = EXCLUDED.site,
            credentials = CASE WHEN c.applied_hash = EXCLUDED.applied_hash THEN c.credentials ELSE EXCLUDED.credentials END,
            access_token = CASE WHEN c.applied_hash = EXCLUDED.applied_hash THEN c.access_token END,
            account_id = CASE WHEN c.kind = EXCLUDED.kind THEN c.account_id END,
            provisioned_at = NULL, paused_because = NULL, paused_at = NULL, held_until = NULL, held_because = NULL, tries = 0,
            cards_held_until = NULL, bulk_held_until = NULL
        """,
        (tenant_id, crm.kind, sealed, Jsonb(settings), applied_hash, crm.domain or crm.dc),
    )
    resolve_kind(conn, tenant_id, "crm_paused")
    if before and before[0] != crm.kind:
        _leave_account(conn, tenant_id)
    elif before and any(before[1].get(name) != settings[name] for name in ("high_value", "tier_field", "value_field")):
        forget_values(conn, tenant_id)


def _leave_account(conn: Connection, tenant_id: int) -> None:
    """Another CRM or another account there: records are looked for anew, and every card is written."""
    conn.execute("DELETE FROM crm_link WHERE tenant_id = %s", (tenant_id,))
    conn.execute(
        "UPDATE crm_erasure SET state = 'failed', error_code = 'crm_changed' WHERE tenant_id = %s AND state = 'pending'",
        (tenant_id,),
    )
    forget_values(conn, tenant_id)
    conn.execute(
        "UPDATE crm_state SET written_hash = NULL, version = version + 1, is_bulk = true, because = 'backfill' WHERE tenant_id = %s",
        (tenant_id,),
    )
    conn.execute(
        """
        INSERT INTO crm_search (customer_id, tenant_id) SELECT customer_id, tenant_id FROM crm_state WHERE tenant_id = %s
        ON CONFLICT (customer_id) DO UPDATE SET next_at = now(), candidates = '[]', outcome = 'waiting'
        """,
        (tenant_id,),
    )


def find_connection(conn: Connection, tenant_id: int, *, keyring: Keyring) -> CrmConnection | None:
    """The tenant's CRM connection with its credentials, or None when it has none."""
    row = conn.execute(
        """
        SELECT kind, credentials, config, account_id, provisioned_at IS NOT NULL, tries, paused_because
        FROM crm_connection
        WHERE tenant_id = %s
        """,
        (tenant_id,),
    ).fetchone()
    if row is None:
        return None
    kind, sealed, settings, account_id, provisioned, tries, paused_because = row
    opened = keyring.decrypt(sealed, tenant_id=tenant_id, table="crm_connection", column="credentials")
    return CrmConnection(
        kind=kind,
        credentials=json.loads(opened),
        settings=CrmSettings.model_validate(settings),
        account_id=account_id,
        provisioned=provisioned,
        tries=tries,
        paused_because=paused_because,
    )


def find_crm_settings(conn: Connection, tenant_id: int) -> CrmSettings | None:
    """The tenant's choices without credentials; None without a CRM."""
    row = conn.execute("SELECT config FROM crm_connection WHERE tenant_id = %s", (tenant_id,)).fetchone()
    return CrmSettings.model_validate(row[0]) if row else None


@dataclass(frozen=True)
class CrmAccount:
    """Whose records they are. account_id: as a check told. site: `domain` or `dc` of the tenant file."""

    kind: str
    account_id: str | None
    site: str | None

    def url_of(self, record_id: str) -> str | None:
        """The page where a person sees the record; None where it is not known."""
        return record_url(self.kind, account_id=self.account_id, site=self.site, record_id=record_id)


def find_account(conn: Connection, tenant_id: int) -> CrmAccount | None:
    """The tenant's account without its credentials; None when it has no CRM."""
    row = conn.execute(
        "SELECT kind, account_id, site FROM crm_connection WHERE tenant_id = %s", (tenant_id,)
    ).fetchone()
    return CrmAccount(*row) if row else None


def has_crm(conn: Connection, tenant_id: int) -> bool:
    """Whether the tenant has a CRM connection, paused or not."""
    return conn.execute("SELECT FROM crm_connection WHERE tenant_id = %s", (tenant_id,)).fetchone() is not None


def list_tenants_with_work(conn: Connection) -> list[int]:
    """Tenants whose CRM has something due, is neither paused nor resting, and is nobody's turn. Needs the system scope."""
    rows = conn.execute(
        """
        SELECT c.tenant_id
        FROM crm_connection AS c
        WHERE c.paused_because IS NULL AND coalesce(c.held_until, '-infinity') <= now()
          AND coalesce(c.flush_lease_until, '-infinity') < now()
          AND (
              EXISTS (
                  SELECT FROM crm_state AS s JOIN crm_link AS l ON l.customer_id = s.customer_id
                  WHERE s.tenant_id = c.tenant_id AND s.version > s.written_version AND s.next_at <= now()
                    AND coalesce(c.cards_held_until, '-infinity') <= now()
                    AND (NOT s.is_bulk OR coalesce(c.bulk_held_until, '-infinity') <= now())
              )
              OR EXISTS (
                  SELECT FROM crm_event AS e JOIN crm_link AS l ON l.customer_id = e.customer_id
                  WHERE e.tenant_id = c.tenant_id AND e.state = 'pending' AND e.next_at <= now()
                    AND NOT EXISTS (
                        SELECT FROM crm_erasure AS r
                        WHERE r.tenant_id = e.tenant_id AND r.state = 'pending'
                          AND r.events @> jsonb_build_array(jsonb_build_object('key', e.key))
                    )
              )
              OR EXISTS (SELECT FROM crm_search AS q WHERE q.tenant_id = c.tenant_id AND q.next_at <= now())
              OR EXISTS (
                  SELECT FROM crm_erasure AS r WHERE r.tenant_id = c.tenant_id AND r.state = 'pending' AND r.next_at <= now()
              )
          )
        """,
        prepare=True,  # to plan it takes longer than to run it, and it runs all the time
    ).fetchall()
    return [row[0] for row in rows]


def list_unchecked_tenants(conn: Connection) -> list[int]:
    """Tenants whose CRM is written to and was never asked whose account it is. Needs the system scope."""
    rows = conn.execute(
        """
        SELECT tenant_id
        FROM crm_connection
        WHERE account_id IS NULL AND checked_at IS NULL AND provisioned_at IS NOT NULL AND paused_because IS NULL
        """
    ).fetchall()
    return [row[0] for row in rows]


def list_tenants_with_values(conn: Connection) -> list[int]:
    """Tenants who map a field of their CRM to value or tier. Needs the system scope."""
    rows = conn.execute(
        """
        SELECT tenant_id FROM crm_connection
        WHERE paused_because IS NULL AND coalesce(held_until, '-infinity') <= now()
          AND (config ->> 'high_value' IS NOT NULL OR config ->> 'tier_field' IS NOT NULL OR config ->> 'value_field' IS NOT NULL)
        """
    ).fetchall()
    return [row[0] for row in rows]


def list_paused_tenants(conn: Connection, *, longer_than_s: float) -> list[int]:
    """Tenants whose connection has been paused, and not been tried again, for so long. Needs the system scope."""
    rows = conn.execute(
        """
        SELECT tenant_id FROM crm_connection
        WHERE paused_because IS NOT NULL AND greatest(paused_at, checked_at) < now() - make_interval(secs => %s)
        """,
        (longer_than_s,),
    ).fetchall()
    return [row[0] for row in rows]


def take_turn(conn: Connection, tenant_id: int) -> str | None:
    """The right to speak to the tenant's CRM for FLUSH_LEASE_S, as a token; None when another worker has it, or the CRM rests."""
    row = conn.execute(
        """
        UPDATE crm_connection
        SET flush_token = gen_random_uuid(), flush_lease_until = clock_timestamp() + make_interval(secs => %s)
        WHERE tenant_id = %s AND paused_because IS NULL AND coalesce(held_until, '-infinity') <= clock_timestamp()
          AND coalesce(flush_lease_until, '-infinity') < clock_timestamp()
        RETURNING flush_token::text
        """,
        (FLUSH_LEASE_S, tenant_id),
    ).fetchone()
    return row[0] if row else None


def renew_turns(conn: Connection, tokens: list[str]) -> None:
    """Prolong the turns of workers that are still at it. Needs the system scope."""
    conn.execute(
        "UPDATE crm_connection SET flush_lease_until = clock_timestamp() + make_interval(secs => %s) WHERE flush_token = ANY(%s::uuid[])",
        (FLUSH_LEASE_S, tokens),
    )


def has_turn(conn: Connection, tenant_id: int, *, token: str) -> bool:
    """Whether it is still this worker's turn; the row is locked until the transaction ends."""
    row = conn.execute(
        """
        SELECT FROM crm_connection
        WHERE tenant_id = %s AND flush_token = %s AND flush_lease_until >= clock_timestamp()
        FOR UPDATE
        """,
        (tenant_id, token),
    ).fetchone()
    return row is not None


def end_turn(conn: Connection, tenant_id: int, *, token: str) -> None:
    """Let the next worker have it."""
    conn.execute(
        "UPDATE crm_connection SET flush_token = NULL, flush_lease_until = NULL WHERE tenant_id = %s AND flush_token = %s",
        (tenant_id, token),
    )


def note_success(conn: Connection, tenant_id: int) -> None:
    """The CRM answered: the next trouble is waited out from the start."""
    conn.execute(
        "UPDATE crm_connection SET tries = 0, held_until = NULL, held_because = NULL WHERE tenant_id = %s AND tries > 0",
        (tenant_id,),
    )


def hold(conn: Connection, tenant_id: int, *, seconds: float, because: str) -> None:
    """Ask the CRM nothing for so long. Nothing is lost: rows stay due."""
    conn.execute(
        """
        UPDATE crm_connection
        SET tries = tries + 1, held_until = now() + make_interval(secs => %s), held_because = %s
        WHERE tenant_id = %s
        """,
        (seconds, because, tenant_id),
    )


def hold_cards(conn: Connection, tenant_id: int, *, seconds: float, is_bulk: bool) -> None:
    """The day's budget for cards, or for those that may wait, is used up: write none for so long."""
    conn.execute(
        """
        UPDATE crm_connection
        SET bulk_held_until = now() + make_interval(secs => %(seconds)s),
            cards_held_until = CASE WHEN %(bulk)s THEN cards_held_until ELSE now() + make_interval(secs => %(seconds)s) END
        WHERE tenant_id = %(tenant)s
        """,
        {"seconds": seconds, "bulk": is_bulk, "tenant": tenant_id},
    )


def hold_longer(conn: Connection, tenant_id: int, *, seconds: float) -> None:
    """A CRM that did not work rests this much longer; it was not asked, so that this is no further try."""
    conn.execute(
        "UPDATE crm_connection SET held_until = now() + make_interval(secs => %s) WHERE tenant_id = %s AND tries > 0",
        (seconds, tenant_id),
    )


def pause(conn: Connection, tenant_id: int, *, because: str) -> datetime | None:
    """Stop calling a CRM whose credentials or scopes don't work. Nothing is lost: rows stay due until it is lifted.

    Returns since when, None when it was paused before.
    """
    row = conn.execute(
        """
        UPDATE crm_connection SET paused_because = %s, paused_at = now(), checked_at = now()
        WHERE tenant_id = %s AND paused_because IS NULL
        RETURNING paused_at
        """,
        (because, tenant_id),
    ).fetchone()
    return row[0] if row else None


def pause_and_tell(conn: Connection, tenant_id: int, kind: str, *, code: str) -> None:
    """Pause the connection; people are told once for each pause."""
    paused_at = pause(conn, tenant_id, because=code)
    if paused_at is not None:
        details = {"channel": kind, "code": code}
        raise_alert(
            conn, tenant_id, NewAlert(kind="crm_paused", key=f"crm_paused:{paused_at.isoformat()}", details=details)
        )


def note_check(
    conn: Connection, tenant_id: int, *, works: bool, account_id: str | None = None, because: str | None = None
) -> None:
    """What a check told. One that works lifts a pause, ends its alert, and everything that waited is due."""
    conn.execute(
        """
        UPDATE crm_connection
        SET checked_at = now(),
            paused_because = CASE WHEN %(works)s THEN NULL ELSE coalesce(%(because)s, paused_because) END,
            paused_at = CASE WHEN %(works)s THEN NULL ELSE coalesce(paused_at, now()) END,
            held_until = CASE WHEN %(works)s THEN NULL ELSE held_until END, tries = CASE WHEN %(works)s THEN 0 ELSE tries END
        WHERE tenant_id = %(tenant)s
        """,
        {"works": works, "because": because, "tenant": tenant_id},
    )
    note_account(conn, tenant_id, account_id)
    if works:
        resolve_kind(conn, tenant_id, "crm_paused")


def note_account(conn: Connection, tenant_id: int, account_id: str | None) -> None:
    """Whose account the CRM says it is; None when it did not say. In another one than before no record is the one we know."""
    if account_id is None:
        return
    row = conn.execute("SELECT account_id FROM crm_connection WHERE tenant_id = %s FOR UPDATE", (tenant_id,)).fetchone()
    if row is None or row[0] == account_id:
        return
    conn.execute("UPDATE crm_connection SET account_id = %s WHERE tenant_id = %s", (account_id, tenant_id))
    if row[0] is not None:
        _leave_account(conn, tenant_id)


def note_provisioned(conn: Connection, tenant_id: int, *, missing: tuple[str, ...]) -> None:
    """Our fields were made as far as we may. missing: what an administrator must make by hand, a line each."""
    conn.execute(
        "UPDATE crm_connection SET provisioned_at = now(), fields_missing = %s WHERE tenant_id = %s",
        (list(missing), tenant_id),
    )
