"""Which of our processes Postgres works for: its backends by the process at the other end of their connection."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import psycopg

from benchmarks.processor_time import processor_s, tree_of

ELSEWHERE = "elsewhere"


class DatabaseClients:
    """Processor time of backends by the group of processes that asked; Postgres and its clients run on this machine."""

    def __init__(self, database_url: str, groups: Mapping[str, list[int]]) -> None:
        self._url, self._groups = database_url, groups
        self._last: dict[int, float] = {}
        self._asked: Counter[str] = Counter()

    def seconds(self) -> dict[str, float]:
        """By group since the first look; ELSEWHERE is who is none of them. What a backend did after the last look before it ended is lost."""
        ports, owners = _ports_by_inode(), self._owners()
        with psycopg.connect(self._url) as conn:
            backends = conn.execute("SELECT pid, client_port FROM pg_stat_activity WHERE client_port > 0").fetchall()
        group_of = {ports[inode]: group for inode, group in owners.items() if inode in ports}
        for pid, port in backends:
            now = processor_s(pid)
            self._asked[group_of.get(port, ELSEWHERE)] += now - self._last.get(pid, 0.0)
            self._last[pid] = now
        return dict(self._asked)

    def _owners(self) -> dict[str, str]:
        """Inodes of sockets to the group that holds them."""
        return {
            inode: group
            for group, parents in self._groups.items()
            for parent in parents
            for pid in tree_of(parent)
            for inode in _sockets(pid)
        }


def _ports_by_inode() -> dict[str, int]:
    lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    return {(line := one.split())[9]: int(line[1].partition(":")[2], 16) for one in lines}


def _sockets(pid: int) -> list[str]:
    found: list[str] = []
    try:
        for one in Path(f"/proc/{pid}/fd").iterdir():
            target = str(one.readlink())
            if target.startswith("socket:["):
                found.append(target[8:-1])
    except OSError:  # it ended, or closed it meanwhile
        pass
    return found
