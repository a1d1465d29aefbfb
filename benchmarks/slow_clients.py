"""How long Meta waits for its answer beside 200 clients that never finish a request: `python -m benchmarks.slow_clients`.

Needs no running stack: it starts a Postgres and a receiver of its own, the receiver as the Procfile does.
"""

import hashlib
import hmac
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from benchmarks.gunicorn_process import receiver_command
from config.tenant_file import parse_tenant_file
from devstack.health import http_answers
from devstack.ports import Ports
from store.db import Database
from store.migrate import app_database_url, migrate
from store.secrets import Keyring
from store.tenants import apply_tenant

SLOW, ASKED = 200, 300
DRIP_S = 0.4
START_S = 60.0
ANSWER_WITHIN_S = 20.0
_PASSWORD = "test"  # noqa: S105 -- of a server that lives as long as this process
_KEY = "k1:" + "QUFB" * 10 + "QUE="
_TENANT = """
slug = "bench"
name = "Bench"
industry = "ecommerce"
default_region = "TR"
[[channels]]
kind = "whatsapp"
account_id = "111000111"
app_secret = "acme-secret"
verify_token = "acme-verify"
access_token = "acme-token"
"""
# How a request begins that never ends, and what goes on dripping from it.
_KINDS: tuple[tuple[bytes, bytes], ...] = (
    (b"POST /webhooks/whatsapp HTTP/1.1\r\nHost: x\r\n", b"X-A: b\r\n"),
    (b"POST /webhooks/whatsapp HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n\r\n", b"x"),
    (b"POST /webhooks/whatsapp HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    (b"", b""),
)


class SlowClients:
    """So many connections that are always open and never done; who is thrown out comes back."""

    def __init__(self, port: int, *, number: int) -> None:
        self._port, self._number = port, number
        self._over = threading.Event()
        self.thrown_out = 0
        self._thread = threading.Thread(target=self._drip_for_ever, daemon=True)

    def __enter__(self) -> Self:
        self._connections = [self._connect(number) for number in range(self._number)]
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        for connection in self._connections:
            connection.close()

    def _connect(self, number: int) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self._port), timeout=5)
        connection.sendall(_KINDS[number % len(_KINDS)][0])
        connection.setblocking(False)
        return connection

    def _drip_for_ever(self) -> None:
        while not self._over.wait(DRIP_S):
            for number, connection in enumerate(self._connections):
                if _is_over(connection, _KINDS[number % len(_KINDS)][1]):
                    self.thrown_out += 1
                    connection.close()
                    with suppress(OSError):
                        self._connections[number] = self._connect(number)


def _is_over(connection: socket.socket, drop: bytes) -> bool:
    try:
        connection.send(drop)
        connection.recv(4096)  # an answer or an end: both mean that nobody waits for us any more
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def ask(port: int, number: int) -> tuple[int, float]:
    """(status, milliseconds until the answer) of one genuine webhook on a connection of its own, as strangers' are."""
    message = {"from": "905551112233", "id": f"wamid.slow{number}", "timestamp": "1790000000", "type": "text"}
    value = {"metadata": {"phone_number_id": "111000111"}, "messages": [{**message, "text": {"body": "hi"}}]}
    entry = {"id": "1", "changes": [{"field": "messages", "value": value}]}
    body = json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()
    signature = hmac.new(b"acme-secret", body, hashlib.sha256).hexdigest()
    head = (
        f"POST /webhooks/whatsapp HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
        f"X-Hub-Signature-256: sha256={signature}\r\n\r\n"
    )
    began_at = time.perf_counter()
    with socket.create_connection(("127.0.0.1", port), timeout=ANSWER_WITHIN_S) as connection:
        connection.sendall(head.encode() + body)
        answer = connection.recv(4096)
    return int(answer[9:12]), (time.perf_counter() - began_at) * 1000


def measure(port: int, *, asked: int, first: int = 0, pause_s: float = 0.01) -> list[float]:
    """Milliseconds of each answer, sorted. Every one must be 200."""
    times: list[float] = []
    for number in range(first, first + asked):
        status, taken_ms = ask(port, number)
        assert status == 200, status
        times.append(taken_ms)
        time.sleep(pause_s)
    return sorted(times)


def percentile(times: list[float], share: float) -> float:
    """Of sorted times."""
    return times[min(len(times) - 1, int(len(times) * share))]


@contextmanager
def receiver_process(app_url: str, *, keys: str, workers: int = 2) -> Generator[int]:
    """A receiver as the Procfile starts it; yields its port. No broker answers: the receiver needs none."""
    port = Ports().free()
    environ = {**os.environ, "DATABASE_URL": app_url, "REDIS_URL": "redis://127.0.0.1:1/0", "EARSHOT_KEYS": keys}
    argv = receiver_command("webhook_receiver.app:create_app()", port=port, processes=workers)
    server = subprocess.Popen(argv, env={**environ, "LOG_LEVEL": "ERROR"})
    try:
        give_up_at = time.monotonic() + START_S
        while not http_answers(f"http://127.0.0.1:{port}/readyz"):
            assert time.monotonic() < give_up_at and server.poll() is None, "the receiver did not start"
            time.sleep(0.1)
        yield port
    finally:
        server.terminate()
        try:
            server.wait(5)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(5)


def _with_database(work: Callable[[str], None]) -> None:
    with tempfile.TemporaryDirectory(prefix="earshot-bench-", dir="/tmp") as folder:
        Path(folder).chmod(0o711)  # the database's own account must be able to pass
        argv = [sys.executable, "-m", "tests.servers", str(Path(folder) / "data")]
        server = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert server.stdin is not None and server.stdout is not None
        try:
            url = json.loads(server.stdout.readline())[0]
            keyring = Keyring.parse(_KEY)
            migrate(url, app_password=_PASSWORD, keyring=keyring)
            database = Database(url, pool_size=1)
            with database.system_transaction() as conn:
                apply_tenant(conn, parse_tenant_file(_TENANT, source="bench", environ={}), keyring=keyring)
            database.close()
            work(app_database_url(url, _PASSWORD))
        finally:
            server.stdin.close()
            server.wait(30)


def _print_figures(app_url: str) -> None:
    with receiver_process(app_url, keys=_KEY) as port:
        measure(port, asked=20)
        for number in (0, SLOW):
            with SlowClients(port, number=number) as slow:
                time.sleep(1)
                times = measure(port, asked=ASKED, first=1000 * (number + 1))
            middle, worst = statistics.median(times), percentile(times, 0.99)
            print(
                f"beside {number:>3} slow clients: ack p50 {middle:6.1f} ms, p99 {worst:6.1f} ms, most {times[-1]:6.1f} ms "
                f"({ASKED} webhooks; {slow.thrown_out} slow ones thrown out)"
            )


def main() -> None:
    """Print the figures."""
    _with_database(_print_figures)


if __name__ == "__main__":
    main()
