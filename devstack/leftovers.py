"""Children that outlived a killed supervisor: written down while they run, ended before the next start.

On Linux the kernel ends them anyway; this waits until it has, and does the work where the kernel does not (macOS).
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from devstack.private_file import write_private

GRACE_S = 10.0
START_FIELD = 19  # of /proc/PID/stat, counted from the state


def start_mark(pid: int) -> str | None:
    """When the process began: tells it from a later one with the same id. None when there is no such process."""
    if sys.platform == "linux":
        try:
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] == "Z" else fields[START_FIELD]
    asked = subprocess.run(  # noqa: S603 -- fixed words and a number
        ["/bin/ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return asked.stdout.strip() or None


def record_children(path: Path, children: Iterable[tuple[int, signal.Signals]]) -> None:
    """Write down the running children and the signal that ends each."""
    write_private(path, json.dumps([[pid, start_mark(pid), int(number)] for pid, number in children]))


def _still_there(entries: list[tuple[int, str, int]]) -> list[tuple[int, str, int]]:
    return [(pid, mark, number) for pid, mark, number in entries if mark and start_mark(pid) == mark]


def end_leftovers(path: Path) -> int:
    """End what an earlier supervisor of this folder left running; how many there were. Waits until they are gone."""
    try:
        left = _still_there(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return 0
    found, deadline = len(left), time.monotonic() + GRACE_S
    for pid, _, number in left:
        _send(pid, number)
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left = _still_there(left)
    for pid, _, _ in left:
        _send(pid, signal.SIGKILL)
    path.unlink(missing_ok=True)
    return found


def _send(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
