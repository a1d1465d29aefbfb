"""What everybody on the machine reads of a process, its command line, and what whoever runs it reads: its environment."""

from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")


def _parents() -> Iterator[tuple[int, int]]:
    for folder in PROC.iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
            except OSError:
                continue
            yield int(folder.name), int(fields[1])


def descendants(root: int) -> set[int]:
    """The process and all that it has started, and those in turn."""
    parents, found = dict(_parents()), {root}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def _read(pid: int, name: str) -> bytes:
    try:
        return (PROC / str(pid) / name).read_bytes().replace(b"\0", b"\n")
    except OSError:  # it has ended
        return b""


def command_lines(*roots: int) -> bytes:
    return b"\n".join(_read(pid, "cmdline") for root in roots for pid in descendants(root))


def environments(*roots: int, of: str = "", besides: str = "\0") -> bytes:
    """Of what the roots have started; a root's own environment is what a person gave it.

    of, besides: only of processes whose command line has this word, or has not that one.
    """
    started = {pid for root in roots for pid in descendants(root) - {root}}
    lines = {pid: _read(pid, "cmdline").decode(errors="replace") for pid in started}
    return b"\n".join(_read(pid, "environ") for pid, line in lines.items() if of in line and besides not in line)
