"""The console as the Procfile starts it is told to stop while somebody looks at a page."""

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest
from flask.sessions import SecureCookieSessionInterface

from config.settings import load_settings
from console.app import create_app
from console.visitors import SESSION_KEY
from devstack.health import http_answers
from devstack.ports import Ports
from store.web_sessions import begin_session
from tests.conftest import TEST_KEY
from tests.integration.workplace import add_person

PROCFILE = Path(__file__).parents[2] / "Procfile"
# gunicorn's own --graceful-timeout is 30; it looks whether all requests have ended once a second.
STOPS_WITHIN_S = 10


def command(port):
    """The console's line of the Procfile."""
    line = next(line for line in PROCFILE.read_text(encoding="utf-8").splitlines() if line.startswith("console:"))
    words = shlex.split(line.partition(":")[2])
    words[0], words[words.index("--bind") + 1] = sys.executable, f"127.0.0.1:{port}"
    return words


@pytest.fixture
def console(app_url, broker):
    """(its address, what it was started with, its process)."""
    port = Ports().free()
    ours = {"DATABASE_URL": app_url, "REDIS_URL": broker, "EARSHOT_KEYS": TEST_KEY, "SECRET_KEY": "k" * 40}
    server = subprocess.Popen(command(port), env={**os.environ, **ours, "LOG_LEVEL": "ERROR"})
    try:
        give_up_at = time.monotonic() + 60
        while not http_answers(f"http://127.0.0.1:{port}/healthz"):
            assert server.poll() is None and time.monotonic() < give_up_at, "the console did not start"
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}", ours, server
    finally:
        server.kill()
        server.wait(5)


def test_a_stop_ends_the_streams_of_open_pages_and_waits_for_none(console, owner, database, tenant_ids):
    url, ours, server = console
    app = create_app({}, settings=load_settings(ours))
    with database.system_transaction() as conn:
        token = begin_session(conn, add_person(owner, tenant_ids["acme"], role="agent"))
    app.extensions["database"].close()
    cookie = SecureCookieSessionInterface().get_signing_serializer(app).dumps({SESSION_KEY: token})
    address = f"{url}/events?tenant={tenant_ids['acme']}"
    with httpx2.stream("GET", address, cookies={"earshot": cookie}, timeout=STOPS_WITHIN_S) as page:
        lines = page.iter_lines()
        assert "event: hello" in (next(lines), next(lines))
        began = time.monotonic()
        server.terminate()
        assert not [line for line in lines if line.startswith("event:")]  # an end, without a word
        assert server.wait(STOPS_WITHIN_S) == 0
    assert time.monotonic() - began < STOPS_WITHIN_S
