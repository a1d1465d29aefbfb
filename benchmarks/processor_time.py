"""What processes take of the machine, as the kernel counts it: processor time and memory of a process with all its children."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_ROLE = re.compile(r"--hostname\x00(\w+)-\d+@")


def tree_of(pid: int) -> list[int]:
    """The process and all that descend from it and still live."""
    if not Path(f"/proc/{pid}").exists():
        return []
    return [pid, *(one for child in _children_of(pid) for one in tree_of(child))]


def _children_of(pid: int) -> list[int]:
    # Each thread has those that it started itself.
    found: list[int] = []
    with suppress(FileNotFoundError, ProcessLookupError):  # it may end while it is looked at
        for thread in Path(f"/proc/{pid}/task").glob("*/children"):
            with suppress(FileNotFoundError, ProcessLookupError):
                found += map(int, thread.read_text(encoding="ascii").split())
    return found


def processor_s(pid: int) -> float:
    """Of the process, its living children, and those that have ended since it started."""
    return sum(_own_s(one) for one in tree_of(pid))


def _own_s(pid: int) -> float:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    # Fields 14 to 17: user and system time, its own and that of children it has waited for.
    return sum(map(int, stat.rpartition(")")[2].split()[11:15])) / _TICKS_PER_S


def memory_mb(pids: Iterable[int]) -> float:
    """What the processes and their children hold; pages that several share count in parts (PSS)."""
    total_kb = 0
    for pid in (one for parent in pids for one in tree_of(parent)):
        try:
            found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text("ascii"), re.MULTILINE)
        except (FileNotFoundError, ProcessLookupError):
            continue
        total_kb += int(found[1]) if found else 0
    return total_kb / 1024


def groups_of(pids: Mapping[str, list[int]]) -> dict[str, list[int]]:
    """The groups of stack.json, its workers by role."""
    groups = {group: found for group, found in pids.items() if group not in {"worker", "supervisor"} and found}
    for pid in pids["worker"]:
        role = _ROLE.search(Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8"))
        groups.setdefault(f"worker {role[1] if role else '?'}", []).append(pid)
    return groups


class ProcessorMeter:
    """Processor time of groups of processes since it was made."""

    def __init__(self, groups: Mapping[str, list[int]]) -> None:
        self._groups = groups
        self._began = self._read()

    def _read(self) -> Counter[str]:
        return Counter({group: sum(map(processor_s, pids)) for group, pids in self._groups.items()})

    def seconds(self) -> dict[str, float]:
        """By group."""
        now = self._read()
        return {group: now[group] - self._began[group] for group in self._groups}
