"""Processes of a running stack as the kernel shows them, and signals to them."""

import os
import signal
from contextlib import suppress
from pathlib import Path

from tests.running_stack import RunningStack


def alive(pids: list[int]) -> list[int]:
    """Those that are still there."""
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def group_of(stack: RunningStack, name: str) -> list[int]:
    """The leading processes of a group of stack.json, or of one role of workers: `worker:analyze`."""
    group, _, role = name.partition(":")
    pids = alive(stack.info["pids"][group])
    return [pid for pid in pids if _is_of(pid, role)] if role else pids


def _is_of(pid: int, role: str) -> bool:
    with suppress(OSError):
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return any(argument.startswith(f"{role}-".encode()) and b"@" in argument for argument in arguments)
    return False


def with_children(pids: list[int]) -> list[int]:
    """The processes and all that came from them, parents first."""
    found = list(pids)
    for pid in found:
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            with suppress(OSError):
                found += [int(child) for child in task.read_text().split()]
    return found


def send(pids: list[int], number: signal.Signals) -> None:
    """Those that are gone meanwhile are passed over."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
