"""Other task engines for comparison: dramatiq and taskiq, in an environment of their own that is no part of the project.

Made on first use beside the demo's data (`make clean` removes it), from whatever index pip is set up for.
"""

import os
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

import redis

from benchmarks.bare_chain import empty_backlog

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / ".earshot-bench" / "peers"
PACKAGES = ("dramatiq[redis]", "taskiq", "taskiq-redis")
INSTALL_WITHIN_S = 240.0


class NoIndex(Exception):
    """The packages can't be installed. The text is a sentence for the table."""


@dataclass(frozen=True)
class Peer:
    """An engine: its package, the module with its tasks, and how its workers are started: two processes, as the bare chain's."""

    package: str
    module: str
    worker: tuple[str, ...]


PEERS = (
    Peer("dramatiq", "benchmarks.peer_dramatiq", ("dramatiq", "benchmarks.peer_dramatiq", "--processes", "2", "--threads", "4")),
    Peer("taskiq", "benchmarks.peer_taskiq", ("taskiq", "worker", "benchmarks.peer_taskiq:broker", "--workers", "2", "--log-level", "ERROR")),
)  # fmt: skip


def install_peers() -> Path:
    """The environment's Python. Raises: NoIndex."""
    python = FOLDER / "bin" / "python"
    mark = FOLDER / ".installed"
    if mark.exists():
        return python
    print(f"installing {', '.join(PACKAGES)} into {FOLDER.relative_to(ROOT)} (once) ...", file=sys.stderr)
    venv.create(FOLDER, clear=True, with_pip=True)
    argv = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1", *PACKAGES]
    try:
        subprocess.run(argv, check=True, capture_output=True, timeout=INSTALL_WITHIN_S)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        message = f"not measured: pip could not install {', '.join(PACKAGES)}"
        raise NoIndex(message) from None
    mark.touch()
    return python


def version_of(python: Path, package: str) -> str:
    """As installed there."""
    code = f"import importlib.metadata; print(importlib.metadata.version({package!r}))"
    return subprocess.run([str(python), "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def measure_peer(peer: Peer, python: Path, redis_url: str, *, chains: int) -> tuple[float, float]:
    """(chains a second, milliseconds of the workers' processor time per chain), as measure_bare_chain."""
    client = redis.Redis.from_url(redis_url)
    environ = {"PEER_URL": redis_url, "PYTHONPATH": str(ROOT)}

    def enqueue(count: int) -> None:
        subprocess.run([str(python), "-m", peer.module, str(count)], check=True, env={**os.environ, **environ})

    command = [str(python), "-m", *peer.worker]
    return empty_backlog([command], client, enqueue=enqueue, chains=chains, environ=environ)
