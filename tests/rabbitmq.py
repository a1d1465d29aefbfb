"""A RabbitMQ of Debian's, started by tests: its own node with its own name service, ports, cookie and data, ended by process id."""

import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import kombu
import pytest

from devstack.ports import Ports

PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
PASSWORD = "test"
READY_WITHIN_S = 90

CONFIGURATION = """\
listeners.tcp.1 = 127.0.0.1:{port}
default_user = earshot
default_pass = {password}
log.console = true
log.console.level = warning
disk_free_limit.absolute = 10MB
vm_memory_high_watermark.absolute = 2GB
"""


def need_rabbitmq() -> None:
    """CI may not leave these tests out; elsewhere they say what is missing."""
    if not PROGRAM.exists():
        told = f"there is no {PROGRAM}: apt-get install rabbitmq-server (its own service need not run)"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(told)


def _epmd() -> str:
    found = shutil.which("epmd") or next(iter(sorted(Path("/usr/lib/erlang").glob("erts-*/bin/epmd"))), None)
    assert found, "Erlang's epmd is missing"
    return str(found)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass
class RabbitMq:
    """One node. folder: all that it keeps."""

    folder: Path
    _ports: Ports = field(default_factory=Ports)
    port: int = 0
    _names_port: int = 0
    _inner_port: int = 0
    _names: subprocess.Popen | None = None
    _node: subprocess.Popen | None = None

    def __post_init__(self) -> None:
        self.port, self._names_port, self._inner_port = (self._ports.free() for _ in range(3))

    @property
    def url(self) -> str:
        return f"amqp://earshot:{PASSWORD}@127.0.0.1:{self.port}//"

    @property
    def _environ(self) -> dict[str, str]:
        folder = self.folder
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(folder / "home"),
            # So that the script becomes the node instead of watching it: one process id for both.
            "RUNNING_UNDER_SYSTEMD": "true",
            "RABBITMQ_NODENAME": f"earshot-{self.port}@localhost",
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_DIST_PORT": str(self._inner_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 -kernel inet_dist_use_interface {127,0,0,1}",
            "ERL_EPMD_PORT": str(self._names_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }

    def start(self) -> None:
        """Returns when clients are let in."""
        for name in ("home", "data", "log"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "rabbitmq.conf").write_text(CONFIGURATION.format(port=self.port, password=PASSWORD))
        (self.folder / "plugins").write_text("[].\n")
        if self._names is None:
            # Our own: a node that finds none starts one as a daemon, which would outlive the tests.
            self._names = subprocess.Popen(
                [_epmd(), "-port", str(self._names_port), "-address", "127.0.0.1"], env=self._environ
            )
            self._wait_for(self._names, self._names_port)
        with open(self.folder / "log" / "console", "ab") as console:
            self._node = subprocess.Popen(
                [str(PROGRAM)],
                env=self._environ,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )
        self._wait_for(self._node, self.port)

    def _wait_for(self, process: subprocess.Popen, port: int) -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        while not _answers(port):
            assert process.poll() is None, (self.folder / "log" / "console").read_text(errors="replace")[-3000:]
            assert time.monotonic() < deadline, "RabbitMQ is late"
            time.sleep(0.1)

    def send(self, number: signal.Signals) -> None:
        """A signal to the node."""
        assert self._node is not None
        os.kill(self._node.pid, number)

    def kill(self) -> None:
        """As by a power cut, but for what the kernel holds. Returns when it is gone."""
        assert self._node is not None
        self._node.kill()
        self._node.wait(20)
        self._node = None

    def lose_data(self) -> None:
        """Only while it does not run."""
        shutil.rmtree(self.folder / "data")

    def stop(self) -> None:
        for process in (self._node, self._names):
            if process is not None:
                process.kill()
                process.wait(20)
        self._node = self._names = None

    def connect(self) -> kombu.Connection:
        return kombu.Connection(self.url)

    def depth(self, queue: str) -> int:
        """Messages that wait there; raises when there is no such queue."""
        with self.connect() as connection:
            return connection.default_channel.queue_declare(queue, passive=True).message_count
