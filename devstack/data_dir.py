"""The folder that holds everything of one stack: who may use it, and its layout."""

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

from devstack.stack_error import StackError

LOCK_FILE = "lock"
PARTS = ("secrets", "logs", "run", "beat")


@dataclass(frozen=True)
class DataDir:
    """Paths inside the folder. run: what only matters while the stack runs, and every child's working folder."""

    root: Path

    @property
    def secrets(self) -> Path:
        """Generated keys and passwords, one file each."""
        return self.root / "secrets"

    @property
    def logs(self) -> Path:
        """One log per process."""
        return self.root / "logs"

    @property
    def run(self) -> Path:
        """Ready marks. Holds no Python: a folder called `config` beside a worker would hide our package."""
        return self.root / "run"

    @property
    def beat(self) -> Path:
        """When which periodic task ran last."""
        return self.root / "beat"

    @property
    def postgres(self) -> Path:
        """The database's files; a link when its account cannot enter this folder."""
        return self.root / "postgres"

    @property
    def valkey(self) -> Path:
        """The broker's files."""
        return self.root / "valkey"


def open_data_dir(path: Path) -> DataDir:
    """Create the folder or check it; mode 0700 when it becomes ours.

    Raises: StackError when it cannot be written, or holds something else: a foreign folder keeps its mode.
    """
    root = path.expanduser().resolve()
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        # A folder of ours keeps its mode: another supervisor may run in it, and has let Postgres's account pass.
        if not (root / LOCK_FILE).exists():
            if any(root.iterdir()):
                message = f"{root} holds other files; name a folder of its own with --data"
                raise StackError(message)
            root.chmod(0o700)
        for part in PARTS:
            (root / part).mkdir(exist_ok=True, mode=0o700)
    except OSError as error:
        message = f"cannot use {root} as the data folder: {error.strerror}; name another with --data"
        raise StackError(message) from None
    return DataDir(root)


class DataDirLock:
    """Held by the one supervisor of a folder; the kernel releases it however the process ends."""

    def __init__(self, data: DataDir) -> None:
        """Take the lock. Raises: StackError when another supervisor has it."""
        self._descriptor = os.open(data.root / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pid = os.pread(self._descriptor, 20, 0).decode().strip() or "unknown"
            os.close(self._descriptor)
            message = f"already running (pid {pid}) for {data.root}; stop it or use --data"
            raise StackError(message) from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let another supervisor have the folder."""
        os.close(self._descriptor)
