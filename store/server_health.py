"""What an operator should know of the database itself: its schema, roles, durability, room, clock, partitions and sealed secrets."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from store.db import Connection
from store.health import Finding
from store.key_rotation import SEALED, count_keys_of
from store.migrate import GROUP_ROLE, list_migrations

# Each of them off loses acknowledged messages: the first two when the server dies, the third when the machine does.
DURABLE = ("synchronous_commit", "fsync", "full_page_writes")
# Of max_connections; what is left is for people, migrations and the next worker.
CONNECTIONS_SHARE = 0.85
CLOCK_SKEW_S = 2.0
MIGRATE = "Run `earshot migrate`."
WAL_HELD_BYTES = 4 * 2**30


def list_server_findings(conn: Connection, *, key_ids: Collection[str], now: datetime) -> list[Finding]:
    """Everything that is wrong. key_ids: of the keys at hand, newest first. now: by this machine's clock. Needs the system scope."""
    return [
        *_roles(conn),
        *_durability(conn),
        *_room(conn),
        *_wal(conn),
        *_clock(conn, now=now),
        *_partitions(conn, now=now),
        *_keys(conn, key_ids=list(key_ids)),
    ]


def is_migrated(conn: Connection) -> bool:
    """Whether there is a schema at all."""
    row = conn.execute("SELECT to_regclass('schema_migration') IS NOT NULL").fetchone()
    return bool(row and row[0])


def list_schema_findings(conn: Connection) -> list[Finding]:
    """Whether the schema is this release's. Only the owner may look; for anybody else there is nothing to say."""
    row = conn.execute("SELECT has_table_privilege('schema_migration', 'SELECT')").fetchone()
    if not row or not row[0]:
        return []
    done = dict(conn.execute("SELECT version, name FROM schema_migration").fetchall())
    known = {migration.version for migration in list_migrations()}
    pending = sorted(known - done.keys())
    findings: list[Finding] = []
    if pending:
        problem = f"{len(pending)} migrations are not applied, the first is {pending[0]:04}"
        findings.append(Finding("database", problem, MIGRATE))
    if done.keys() - known:
        problem = f"its schema is newer than this release: migration {max(done):04} is unknown here"
        findings.append(Finding("database", problem, "Run the release that migrated it, or a newer one."))
    return findings


def _roles(conn: Connection) -> list[Finding]:
    rows = conn.execute(
        """
        SELECT r.rolname, r.rolsuper, r.rolbypassrls,
               EXISTS (SELECT FROM pg_class AS c WHERE c.relowner = r.oid AND c.relnamespace = 'public'::regnamespace)
        FROM pg_roles AS r JOIN pg_auth_members AS m ON m.member = r.oid JOIN pg_roles AS g ON g.oid = m.roleid
        WHERE g.rolname = %s AND r.rolcanlogin AND has_database_privilege(r.oid, current_database(), 'CONNECT')
        """,
        (GROUP_ROLE,),
    ).fetchall()
    if not rows:
        return [Finding("database", "the restricted role of the processes is missing", "Run `earshot migrate`.")]
    findings: list[Finding] = []
    for name, *powers in rows:
        words = ("is a superuser", "passes row-level security by", "owns tables")
        told = [word for word, has in zip(words, powers, strict=True) if has]
        if told:
            problem = f"the processes' role {name} {' and '.join(told)}, so that tenants are not kept apart"
            fix = f"Run `earshot migrate`, which takes it back; tables: `REASSIGN OWNED BY {name} TO` their owner."
            findings.append(Finding("database", problem, fix))
    return findings


def _durability(conn: Connection) -> list[Finding]:
    findings: list[Finding] = []
    for name in DURABLE:
        # What the server does for everybody: our own sessions ask for synchronous_commit themselves.
        row = conn.execute(
            "SELECT coalesce(nullif(reset_val, ''), setting) FROM pg_settings WHERE name = %s", (name,)
        ).fetchone()
        if row and row[0] == "off":
            fix = f"`ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf();`"
            findings.append(Finding("database", f"{name} is off, so that a crash loses acknowledged messages", fix))
    return findings


def _room(conn: Connection) -> list[Finding]:
    row = conn.execute(
        """
        SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
               current_setting('max_connections')::int
        """
    ).fetchone()
    assert row is not None
    used, most = row
    if used < most * CONNECTIONS_SHARE:
        return []
    fix = "Raise max_connections, or lower DATABASE_POOL_SIZE or the number of workers."
    return [Finding("database", f"{used} of {most} connections are taken", fix)]


def _wal(conn: Connection) -> list[Finding]:
    findings: list[Finding] = []
    for name, held in conn.execute(
        """
        SELECT slot_name, pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint
        FROM pg_replication_slots
        WHERE NOT pg_is_in_recovery() AND pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) > %s
        """,
        (WAL_HELD_BYTES,),
    ).fetchall():
        problem = f"the replication slot {name} holds back {held / 2**30:.0f} GiB of WAL, which fills the disk"
        fix = f"Bring its replica back, or `SELECT pg_drop_replication_slot('{name}');`"
        findings.append(Finding("database", problem, fix))
    row = conn.execute(
        "SELECT failed_count, last_failed_time > coalesce(last_archived_time, '-infinity') FROM pg_stat_archiver"
    ).fetchone()
    if row and row[1]:
        problem = "WAL is not archived: the last try failed, so that backups end there and the disk fills"
        findings.append(Finding("database", problem, "See archive_command's error in the server's log."))
    return findings


def measure_clock_skew(conn: Connection, *, now: datetime | None = None) -> float:
    """Seconds by which this machine's clock is ahead of the database's. now: by this machine's clock; None: ask it."""
    row = conn.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    return ((now or datetime.now(UTC)) - row[0]).total_seconds()


def _clock(conn: Connection, *, now: datetime) -> list[Finding]:
    skew_s = measure_clock_skew(conn, now=now)
    # The question itself takes a moment, so only what is clearly more counts.
    if abs(skew_s) < CLOCK_SKEW_S:
        return []
    problem = f"this machine's clock and the database's differ by {abs(skew_s):.0f} s"
    return [Finding("clock", problem, "Run a time service on both (`timedatectl set-ntp true`).")]


def _partitions(conn: Connection, *, now: datetime) -> list[Finding]:
    findings: list[Finding] = []
    month = (now.astimezone(UTC).replace(day=1) + timedelta(days=32)).strftime("%Y%m")
    for parent in ("message", "message_raw", "message_analysis"):
        row = conn.execute("SELECT to_regclass(%s) IS NULL", (f"{parent}_{month}",)).fetchone()
        if row and row[0]:
            problem = f"next month's partition of {parent} is not there"
            fix = "Is beat running? `earshot migrate` makes it as well."
            findings.append(Finding("database", problem, fix))
        if _holds_rows(conn, f"{parent}_default"):
            problem = f"messages of a month without a partition lie in {parent}_default"
            fix = "They are read, kept and deleted like all others, only slower. See to it that beat runs."
            findings.append(Finding("database", problem, fix))
    return findings


def _holds_rows(conn: Connection, partition: str) -> bool:
    """By its size: whose rows they are, this role does not see."""
    row = conn.execute("SELECT pg_relation_size(to_regclass(%s)) > 0", (partition,)).fetchone()
    return bool(row and row[0])


def _keys(conn: Connection, *, key_ids: list[str]) -> list[Finding]:
    used: dict[str, set[str]] = {}
    for sealed in SEALED:
        for key_id in count_keys_of(conn, sealed):
            used.setdefault(key_id, set()).add(sealed.table)
    findings: list[Finding] = []
    for key_id, tables in sorted(used.items()):
        where = ", ".join(sorted(tables))
        if key_id not in key_ids:
            problem = f"secrets in {where} are sealed with the key {key_id}, which EARSHOT_KEYS does not hold"
            findings.append(
                Finding("keys", problem, f"Put {key_id} back into EARSHOT_KEYS, or set those secrets anew.")
            )
        elif key_id != key_ids[0]:
            problem = f"secrets in {where} are still sealed with the old key {key_id}"
            findings.append(Finding("keys", problem, "Run `earshot rotate-keys`, then take the old key out."))
    return findings
