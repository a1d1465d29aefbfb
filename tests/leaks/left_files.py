"""Every file that a stack leaves: in its data folder, where the schedule and the logs lie, and among temporary files."""

import stat
from collections.abc import Iterator
from pathlib import Path

# The database is where the truth is, and these hold keys for those who run the stack.
POSTGRES = "postgres"
PRIVATE = ("secrets", "stack.json", "standin-accounts.json", "valkey/valkey.conf")


def _is_private(path: Path, root: Path) -> bool:
    name = path.relative_to(root).as_posix()
    return any(name == one or name.startswith(f"{one}/") for one in PRIVATE)


def _files(root: Path) -> Iterator[Path]:
    for path in sorted(root.rglob("*")):
        if path.is_file() and path.relative_to(root).parts[0] != POSTGRES:
            yield path


def _contents(paths: Iterator[Path]) -> bytes:
    return b"\n".join(path.name.encode() + b"\n" + path.read_bytes() for path in paths)


def logs(data: Path, *, of: str = "") -> bytes:
    """of: those whose name begins so."""
    return _contents(path for path in _files(data) if path.parent.name == "logs" and path.name.startswith(of))


def schedule(data: Path) -> bytes:
    """What beat remembers."""
    return _contents(path for path in _files(data) if path.parent.name == "beat")


def other_files(data: Path, temporary: Path) -> bytes:
    """All that is neither log, nor schedule, nor the broker's, nor private."""
    known = ("logs", "beat", "valkey")
    left = (
        path for path in _files(data) if path.relative_to(data).parts[0] not in known and not _is_private(path, data)
    )
    return _contents(left) + b"\n" + _contents(_files(temporary))


def private_files(data: Path) -> bytes:
    """Files that hold keys. Nobody but their owner may read them."""
    files = [path for path in _files(data) if _is_private(path, data)]
    assert files and [path for path in files if stat.S_IMODE(path.stat().st_mode) & 0o077] == []
    return _contents(iter(files))
