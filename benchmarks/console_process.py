"""A console process as the Procfile starts it, and what the kernel says of it."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psycopg
from flask.sessions import SecureCookieSessionInterface

from benchmarks.console_database import KEY, Servers
from benchmarks.console_pages import SECRET, make_app
from console.visitors import SESSION_KEY
from devstack.ports import Ports
from store.web_sessions import begin_session

START_S = 60.0


@dataclass
class Console:
    """A gunicorn with one worker. server: its master."""

    port: int
    server: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def pids(self) -> list[int]:
        """The master and its worker."""
        children = Path(f"/proc/{self.server.pid}/task/{self.server.pid}/children").read_text(encoding="ascii").split()
        return [self.server.pid, *map(int, children)]

    def memory_mb(self) -> float:
        """What the processes hold, shared pages counted in parts (PSS)."""
        found = [
            re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii"), re.MULTILINE)
            for pid in self.pids()
        ]
        return sum(int(one[1]) for one in found if one) / 1024

    def open_pages(self) -> int:
        """As the process itself counts them."""
        text = httpx2.get(f"{self.url}/metrics").text
        found = re.search(r"^earshot_console_live_pages (\S+)", text, re.MULTILINE)
        return round(float(found[1])) if found else 0


@contextmanager
def console_process(servers: Servers, *, port: int | None = None) -> Generator[Console]:
    """Until the block ends."""
    port = port or Ports().free()
    environ = {
        **os.environ,
        "DATABASE_URL": servers.app_url,
        "REDIS_URL": servers.redis_url,
        "EARSHOT_KEYS": KEY,
        "SECRET_KEY": SECRET,
        "LOG_LEVEL": "ERROR",
    }
    argv = [
        sys.executable, "-m", "gunicorn", "console.app:create_app()", "--config", "python:console.stopping",
        "--worker-class", "gevent", "--workers", "1",
        "--bind", f"127.0.0.1:{port}", "--no-control-socket", "--log-level", "error",
    ]  # fmt: skip
    server = subprocess.Popen(argv, env=environ)
    console = Console(port, server)
    try:
        _wait_until_ready(console)
        yield console
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(5)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(5)


def _wait_until_ready(console: Console) -> None:
    give_up_at = time.monotonic() + START_S
    while True:
        try:
            if httpx2.get(f"{console.url}/healthz").status_code == 200:
                return
        except httpx2.HTTPError:
            assert time.monotonic() < give_up_at and console.server.poll() is None, "the console did not start"
            time.sleep(0.1)


@dataclass(frozen=True)
class Browser:
    """A person's browser: the tenant they work in and the cookie that says who they are."""

    tenant_id: int
    cookie: str


def sign_in_many(servers: Servers) -> Sequence[Browser]:
    """A browser for every agent of both tenants, by turns."""
    app = make_app(servers)
    serializer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert serializer is not None
    with psycopg.connect(servers.owner_url) as owner:
        people = owner.execute(
            """
            SELECT m.user_id, m.tenant_id
            FROM membership AS m
            WHERE m.role = 'agent'
            ORDER BY row_number() OVER (PARTITION BY m.tenant_id ORDER BY m.user_id), m.tenant_id
            """
        ).fetchall()
    database = app.extensions["database"]
    browsers: list[Browser] = []
    for user_id, tenant_id in people:
        with database.system_transaction() as conn:
            token = begin_session(conn, user_id)
        browsers.append(Browser(tenant_id, f"earshot={serializer.dumps({SESSION_KEY: token})}"))
    database.close()
    return browsers
