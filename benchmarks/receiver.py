"""Acknowledgements a second and how long each takes, beside a bare Flask route: `python -m benchmarks.receiver [--quick]`.

Three servers of the Procfile's own command on the same cores, loaded by turns: the receiver (its rings go to a broker, nobody works them off),
a route that checks the signature, and one that also commits a row a request. Then the first two with one process each, as `earshot up` has it. The
load is a closed loop from a process of its own, which takes part of the same cores. Postgres waits for its disk, as in the stack.
"""

import hashlib
import hmac
import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import redis

from benchmarks.console_database import KEY, PASSWORD, Servers, own_servers
from benchmarks.figures import Row, at_least, at_most, print_rows, ratios, spread, times
from benchmarks.gunicorn_process import gunicorn_process
from benchmarks.processor_time import processor_s
from config.tenant_file import parse_tenant_file
from store.db import Database
from store.migrate import migrate
from store.secrets import Keyring
from store.tenants import apply_tenant
from tests.webhooks import whatsapp_body, whatsapp_message
from worker.roles import ROLES

ROUNDS, SECONDS, CONNECTIONS = 3, 3.0, 32
LARGE_BODIES, UPDATES, LARGE_LIMIT_MS = 10, 1000, 250.0
LIMIT_OF_BARE = 0.5
DRAIN_WITHIN_S = 60.0
SECRET = "bench-secret"  # noqa: S105 -- of a tenant that lives as long as this process
OURS, CHECKS, COMMITS = "the receiver", "signature only", "signature and one commit"
_TENANT = f"""
slug = "bench"
name = "Bench"
industry = "ecommerce"
[[channels]]
kind = "whatsapp"
account_id = "111000111"
app_secret = "{SECRET}"
verify_token = "bench-verify"
access_token = "bench-token"
"""


@dataclass
class Side:
    """One of the three servers, and what each of its rounds came to. cpu_ms: its processor time for each message, rings included;
    large_ms: of bodies with a thousand updates.
    """

    port: int
    pid: int
    per_s: list[float] = field(default_factory=list[float])
    p50_ms: list[float] = field(default_factory=list[float])
    p99_ms: list[float] = field(default_factory=list[float])
    cpu_ms: list[float] = field(default_factory=list[float])
    large_ms: list[float] = field(default_factory=list[float])

    def load(self, broker: "redis.Redis", *, seconds: float, mark: str) -> None:
        """A round, and until what it left to do in the background is done."""
        cpu_before_s = processor_s(self.pid)
        argv = [sys.executable, "-m", "benchmarks.load_sender", str(self.port), str(CONNECTIONS), str(seconds), mark, SECRET]  # fmt: skip
        printed = subprocess.run(argv, check=True, stdout=subprocess.PIPE).stdout
        figures = json.loads(printed)
        assert not figures["refused"], f"{figures['refused']} answers were not 200"
        self.per_s.append(figures["per_s"])
        self.p50_ms.append(figures["p50_ms"])
        self.p99_ms.append(figures["p99_ms"])
        _wait_until_rung(broker)
        self.cpu_ms.append((processor_s(self.pid) - cpu_before_s) * 1000 / figures["answered"])

    def post_large(self, number: int) -> None:
        """A body with a thousand updates, alone."""
        items = [
            whatsapp_message(
                "Where is my parcel?",
                sender=f"90556{one:07}",
                message_id=f"wamid.L{number:04}{one:06}",
                timestamp=str(int(time.time())),
            )
            for one in range(UPDATES)
        ]
        body = whatsapp_body(*items)
        signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.connect()
            began = time.perf_counter()
            connection.request(
                "POST", "/webhooks/whatsapp", body, headers={"X-Hub-Signature-256": f"sha256={signature}"}
            )
            answer = connection.getresponse()
            answer.read()
            taken_ms = (time.perf_counter() - began) * 1000
        finally:
            connection.close()
        assert answer.status == 200, f"a body of {UPDATES} updates was answered {answer.status}"
        self.large_ms.append(taken_ms)


def _prepare(servers: Servers) -> None:
    keyring = Keyring.parse(KEY)
    migrate(servers.owner_url, app_password=PASSWORD, keyring=keyring)
    database = Database(servers.owner_url, pool_size=1)
    try:
        with database.system_transaction() as conn:
            apply_tenant(conn, parse_tenant_file(_TENANT, source="bench", environ={}), keyring=keyring)
    finally:
        database.close()
    with psycopg.connect(servers.owner_url, autocommit=True) as conn:
        conn.execute(
            "CREATE TABLE bare_message (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body bytea NOT NULL)"
        )


def _wait_until_rung(broker: "redis.Redis") -> None:
    """The receiver rings in the background: what it still does must not fall on the next one's time."""
    queues = [queue for spec in ROLES.values() for queue in spec.queues]
    give_up_at = time.monotonic() + DRAIN_WITHIN_S
    before = -1
    while time.monotonic() < give_up_at:
        rung = sum(int(broker.llen(queue)) for queue in queues)  # pyright: ignore[reportArgumentType] -- not an awaitable here
        if rung == before:
            return
        before = rung
        time.sleep(0.5)


def measure(
    *,
    rounds: int = ROUNDS,
    seconds: float = SECONDS,
    large: int = LARGE_BODIES,
    processes: int | None = None,
    names: Sequence[str] = (OURS, CHECKS, COMMITS),
) -> dict[str, Side]:
    """Those of these names by turns. processes: of each server, other than in the Procfile."""
    with (
        tempfile.TemporaryDirectory(prefix="earshot-bench-", dir="/tmp") as folder,
        own_servers(Path(folder), durable=True) as servers,
        redis.Redis.from_url(servers.redis_url) as broker,
        ExitStack() as stack,
    ):
        _prepare(servers)
        bare = {"BARE_SECRET": SECRET}
        product = {
            "DATABASE_URL": servers.app_url,
            "REDIS_URL": servers.redis_url,
            "EARSHOT_KEYS": KEY,
            "LOG_LEVEL": "ERROR",
        }
        commands = {
            OURS: ("webhook_receiver.app:create_app()", product, "/readyz"),
            CHECKS: ("benchmarks.bare_receiver:create_app()", bare, "/healthz"),
            COMMITS: (
                "benchmarks.bare_receiver:create_app()",
                {**bare, "BARE_DATABASE_URL": servers.owner_url},
                "/healthz",
            ),
        }
        sides = {
            name: Side(*stack.enter_context(gunicorn_process(application, environ, ready=ready, processes=processes)))
            for name, (application, environ, ready) in commands.items()
            if name in names
        }
        for round_number in range(rounds):
            for letter, side in zip("abc"[: len(sides)], sides.values(), strict=True):
                side.load(broker, seconds=seconds, mark=f"{letter}{round_number:02}")
        for number in range(large):
            for side in sides.values():
                side.post_large(number)
            _wait_until_rung(broker)
    return sides


def _speed_row(beside: str, ours: Side, other: Side, *, limit: float | None = None) -> Row:
    found = ratios(ours.per_s, other.per_s)
    said, met = at_least(statistics.median(found), limit, "x") if limit is not None else ("", None)
    what = f"acknowledgements a second, {CONNECTIONS} connections, {beside}"
    return Row(what, spread(ours.per_s), spread(other.per_s), times(found), said, met)


def rows(*, is_quick: bool = False) -> list[Row]:
    """The receiver's part of the table."""
    rounds, seconds, large = (2, 2.0, 5) if is_quick else (ROUNDS, SECONDS, LARGE_BODIES)
    sides = measure(rounds=rounds, seconds=seconds, large=large)
    ours = sides[OURS]
    found: list[Row] = []
    for name in (CHECKS, COMMITS):
        other = sides[name]
        found += [
            _speed_row(f"beside: {name}", ours, other, limit=LIMIT_OF_BARE if name == CHECKS else None),
            Row(
                f"… p50, beside: {name}",
                spread(ours.p50_ms, "ms"),
                spread(other.p50_ms, "ms"),
                times(ratios(ours.p50_ms, other.p50_ms)),
            ),
            Row(
                f"… p99, beside: {name}",
                spread(ours.p99_ms, "ms"),
                spread(other.p99_ms, "ms"),
                times(ratios(ours.p99_ms, other.p99_ms)),
            ),
            Row(
                f"… processor time of the server, rings included, beside: {name}",
                spread(ours.cpu_ms, "ms"),
                spread(other.cpu_ms, "ms"),
                times(ratios(ours.cpu_ms, other.cpu_ms)),
            ),
        ]
    alone = measure(rounds=2, seconds=seconds, large=0, processes=1, names=(OURS, CHECKS))
    found.append(_speed_row(f"one process each, beside: {CHECKS}", alone[OURS], alone[CHECKS]))
    limit, met = at_most(max(ours.large_ms), LARGE_LIMIT_MS, "ms, the slowest")
    large = f"a body with {UPDATES:,} updates, alone, beside: {COMMITS}"
    bare = sides[COMMITS].large_ms
    found.append(Row(large, spread(ours.large_ms, "ms"), spread(bare, "ms"), times(ratios(ours.large_ms, bare)), limit, met))  # fmt: skip
    return found


def main() -> None:
    """Print the figures."""
    print_rows(rows(is_quick="--quick" in sys.argv))


if __name__ == "__main__":
    main()
