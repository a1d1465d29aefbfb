"""Files that only their owner may read, written so that nobody ever sees half of one."""

import os
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Replace the file's content atomically; mode 0600. Raises: OSError."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
