"""Children that outlived a killed supervisor: written down while they run, ended before the next start.

On Linux the kernel ends them anyway; this waits until it has, and does the work where the kernel does not (macOS).
"""

import json
import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from devstack.private_file import write_private
from devstack.process_mark import start_mark

GRACE_S = 10.0


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
