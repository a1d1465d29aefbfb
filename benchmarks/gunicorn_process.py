"""A Flask application under the very command that the Procfile gives the receiver."""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from devstack.health import http_answers
from devstack.ports import Ports

PROCFILE = Path(__file__).parent.parent / "Procfile"
START_S = 60.0


def receiver_command(application: str, *, port: int, processes: int | None = None) -> list[str]:
    """The receiver's line of the Procfile, for this application and port, without its log. processes: other than there."""
    line = next(line for line in PROCFILE.read_text(encoding="utf-8").splitlines() if line.startswith("receiver:"))
    words = shlex.split(line.partition(":")[2])
    words[0] = sys.executable
    words[words.index("gunicorn") + 1] = application
    words[words.index("--bind") + 1] = f"127.0.0.1:{port}"
    if processes is not None:
        words[words.index("--workers") + 1] = str(processes)
    return [*words, "--log-level", "critical"]


@contextmanager
def gunicorn_process(
    application: str, environ: Mapping[str, str], *, ready: str, processes: int | None = None
) -> Generator[tuple[int, int]]:
    """(its port, its process id) until the block ends. ready: the path that answers 200 when it is up."""
    port = Ports().free()
    command = receiver_command(application, port=port, processes=processes)
    server = subprocess.Popen(command, env={**os.environ, **environ})
    try:
        give_up_at = time.monotonic() + START_S
        while not http_answers(f"http://127.0.0.1:{port}{ready}"):
            assert time.monotonic() < give_up_at and server.poll() is None, f"{application} did not start"
            time.sleep(0.1)
        yield port, server.pid
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(5)
