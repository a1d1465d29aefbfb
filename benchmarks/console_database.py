"""The two tenants that the console is measured with, in a database of their own or in one that was filled before."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from benchmarks.large_tenant import Size, count_rollups, fill_tenant, settle_tables
from config.tenant_file import parse_tenant_file
from devstack.data_dir import LOCK_FILE
from store.db import Database
from store.migrate import app_database_url, migrate
from store.secrets import Keyring
from store.tenants import apply_tenant, get_tenant_config
from store.webhook_subscriptions import WantedSubscription, add_subscription

PASSWORD = "test"  # noqa: S105 -- of a server that lives as long as this process
KEY = "k1:" + "QUFB" * 10 + "QUE="
AGENTS = 40
# The large one, and a neighbour whose rows lie between.
TENANTS = {"large": Size(1_000_000, 60_000, 25_000), "small": Size(100_000, 8_000, 3_000)}
_TENANT = """
slug = "{slug}"
name = "{slug} shop"
industry = "ecommerce"
[[channels]]
kind = "whatsapp"
account_id = "111000900{number}"
app_secret = "secret-{slug}"
verify_token = "verify-{slug}"
access_token = "access-{slug}"
[[channels]]
kind = "instagram"
account_id = "1784140000009000{number}"
app_secret = "secret-{slug}"
verify_token = "verify-{slug}"
access_token = "access-{slug}"
login = "instagram"
[actions.send_refund_form]
enabled = true
url = "https://{slug}.example/refund"
[actions.close_with_thanks]
enabled = true
[actions.send_nps_invite]
enabled = true
[[rules]]
name = "loud"
because = "Somebody is loud."
when = {{ sentiment = ["negative"] }}
then = {{ queue = "senior", priority = "P2" }}
[crm]
kind = "hubspot"
token = "crm-{slug}"
"""


@dataclass(frozen=True)
class Servers:
    """URLs of Postgres, as its owner and as the processes' role, and of Valkey."""

    owner_url: str
    app_url: str
    redis_url: str


@contextmanager
def own_servers(folder: Path, *, durable: bool = False) -> Generator[Servers]:
    """Postgres and Valkey until the block ends. durable: commits wait for the disk, as in the stack."""
    folder.chmod(0o711)  # the database's own account must be able to pass
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.servers", str(folder / "data"), *(["durable"] if durable else [])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdin is not None and server.stdout is not None
    try:
        owner_url, redis_url = json.loads(server.stdout.readline())
        yield Servers(owner_url, app_database_url(owner_url, PASSWORD), redis_url)
    finally:
        server.stdin.close()
        server.wait(60)


@contextmanager
def filled_servers(
    given: Servers | None, *, scale: float, say: Callable[[str], None], keep: Path | None = None
) -> Generator[Servers]:
    """The servers with both tenants; given: they run already, and are filled unless they were before. keep: a folder whose data is used
    again, and made anew when it is not of this scale or was not filled to its end.
    """
    if given:
        fill(given, scale=scale, say=say)
        yield given
        return
    if keep:
        mark, wanted = keep / "scale", f"{scale:g}"
        if not mark.exists() or mark.read_text(encoding="ascii") != wanted:
            shutil.rmtree(keep, ignore_errors=True)
        keep.mkdir(parents=True, exist_ok=True)
        with own_servers(keep) as servers:
            fill(servers, scale=scale, say=say)
            (keep / "data" / LOCK_FILE).touch()  # by which a data folder is known when it is used again
            mark.write_text(wanted, encoding="ascii")
            yield servers
        return
    with (
        tempfile.TemporaryDirectory(prefix="earshot-bench-", dir="/tmp") as folder,
        own_servers(Path(folder)) as servers,
    ):
        fill(servers, scale=scale, say=say)
        yield servers


def fill(servers: Servers, *, scale: float, say: Callable[[str], None]) -> None:
    """Both tenants with people, rows and rollups; a database that has them is only brought to the current schema."""
    keyring = Keyring.parse(KEY)
    migrate(servers.owner_url, app_password=PASSWORD, keyring=keyring)
    database = Database(servers.app_url, pool_size=2, wait_s=30)
    try:
        for number, (slug, size) in enumerate(TENANTS.items(), start=1):
            with psycopg.connect(servers.owner_url, autocommit=True) as owner:
                if owner.execute("SELECT FROM tenant WHERE slug = %s", (slug,)).fetchone() is not None:
                    continue
            text = _TENANT.format(slug=slug, number=number)
            with database.system_transaction() as conn:
                tenant_id = apply_tenant(conn, parse_tenant_file(text, source=slug, environ={}), keyring=keyring)
            with database.tenant_transaction(tenant_id) as conn:
                config = get_tenant_config(conn, tenant_id)
                hook = WantedSubscription(
                    "https://hooks.example/earshot", ("message.analyzed",), description="Warehouse"
                )
                add_subscription(conn, tenant_id, hook, keyring=keyring, by=None)
            add_people(servers.owner_url, tenant_id, slug=slug)
            scaled = Size(*(max(200, round(one * scale)) for one in vars(size).values()))
            fill_tenant(servers.owner_url, tenant_id, config=config, size=scaled, say=say)
            settle_tables(servers.owner_url)
        with psycopg.connect(servers.owner_url) as owner:
            uncounted = owner.execute(
                "SELECT id, slug FROM tenant AS t WHERE NOT EXISTS (SELECT FROM counted_day AS d WHERE d.tenant_id = t.id)"
            ).fetchall()
        for tenant_id, slug in uncounted:
            say(f"counting the days of {slug}")
            count_rollups(database, tenant_id)
        if uncounted:
            settle_tables(servers.owner_url)
    finally:
        database.close()


def add_people(owner_url: str, tenant_id: int, *, slug: str) -> None:
    """Agents and one person for each other role."""
    with psycopg.connect(owner_url, autocommit=True) as conn:
        conn.execute(
            """
            WITH people AS (
                INSERT INTO app_user (email, password_hash)
                SELECT role || n || '@' || %(slug)s || '.example', 'none'
                FROM (
                    SELECT 'agent' AS role, n FROM generate_series(1, %(agents)s) AS n
                    UNION ALL
                    SELECT role, 0 FROM unnest('{supervisor,admin,auditor}'::text[]) AS role
                ) AS one
                RETURNING id, email
            ), members AS (
                INSERT INTO membership (tenant_id, user_id, role)
                SELECT %(tenant)s, id, regexp_replace(email, '[0-9]*@.*', '') FROM people
                RETURNING user_id, role
            )
            INSERT INTO agent (tenant_id, user_id, presence, last_seen_at)
            SELECT %(tenant)s, user_id, 'available', now() FROM members WHERE role <> 'auditor'
            """,
            {"slug": slug, "agents": AGENTS, "tenant": tenant_id},
        )
