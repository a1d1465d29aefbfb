"""One whole stack, started as a stranger starts it, and what tests do with it."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psycopg

from tests.conftest import ROOT
from tests.rabbitmq import RabbitMq
from tests.webhooks import signature

BACK_WITHIN_S = 20
READY_WITHIN_S = 150


@dataclass
class RunningStack:
    process: subprocess.Popen
    data: Path
    client: httpx2.Client
    node: RabbitMq | None = None
    """The broker that is no child of the stack."""

    @property
    def info(self) -> dict:
        return json.loads((self.data / "stack.json").read_text())

    def cli(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "cli.main", *arguments, "--data", str(self.data)]
        environment = {**os.environ, **environ}
        return subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False, env=environment
        )

    def post(self, body: bytes, *, secret="acme-secret", kind="whatsapp") -> int:
        """Like Meta: again until it is taken."""
        for _ in range(60):
            try:
                answer = self.client.post(
                    f"{self.info['receiver_url']}/webhooks/{kind}",
                    content=body,
                    headers={"X-Hub-Signature-256": signature(body, secret)},
                )
                if answer.status_code != 503:
                    return answer.status_code
            except httpx2.HTTPError:
                pass
            time.sleep(0.25)
        return 0

    def rows(self, query: str, *parameters) -> list[tuple]:
        with psycopg.connect(self.info["database_url"], autocommit=True) as conn:
            return conn.execute(query, parameters).fetchall()

    def wait_for(self, query: str, expected, *, timeout_s: float = 60, parameters=()) -> None:
        deadline = time.monotonic() + timeout_s
        found = None
        while time.monotonic() < deadline:
            try:
                found = self.rows(query, *parameters)
            except psycopg.OperationalError:
                found = None
            if found == expected:
                return
            time.sleep(0.2)
        raise AssertionError(f"{query}: {found} instead of {expected} after {timeout_s} s")

    def kill(self, group: str) -> list[int]:
        """Those that run now: what was killed a moment ago, and is not back, is waited for."""
        deadline = time.monotonic() + BACK_WITHIN_S
        while True:
            pids = self.info["pids"][group]
            try:
                for pid in pids:
                    os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return pids

    def received(self, provider: str) -> str:
        return self.client.get(f"{self.info['standins'][provider]}/_received").text

    def logs(self) -> str:
        return "\n".join(path.read_text(errors="replace") for path in (self.data / "logs").iterdir())


def start_stack(data: Path, *, workers: int = 1, **environ: str) -> RunningStack:
    """Beside other tests, which leave workers that stand back too little: here they don't, unless environ says so."""
    environ = {"EARSHOT_EQUAL_SHARES": "1", **environ}
    command = [sys.executable, "-m", "cli.main", "up", "--data", str(data), "--workers", str(workers)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ, **environ})
    deadline = time.monotonic() + READY_WITHIN_S
    for line in process.stdout:
        if line.strip() == "READY":
            return RunningStack(process, data, httpx2.Client(timeout=10))
        if time.monotonic() > deadline:
            process.send_signal(signal.SIGINT)
            process.wait(40)
            raise AssertionError("READY is late")
    raise AssertionError(f"the stack ended with {process.wait()}")


def stop_stack(stack: RunningStack) -> int:
    stack.process.send_signal(signal.SIGINT)
    return stack.process.wait(40)
