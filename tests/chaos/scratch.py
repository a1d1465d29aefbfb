"""Folders in which a whole stack can run."""

import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def scratch_folder(*, keep: list[bool] | None = None) -> Generator[Path]:
    """A folder that is gone afterwards, unless something is put into `keep`.

    Below /tmp itself, and open to look through: Postgres runs as an account of its own when this runs as root, and pytest's own
    folders are closed to it.
    """
    folder = Path(tempfile.mkdtemp(prefix="earshot-chaos-", dir="/tmp"))
    folder.chmod(0o711)
    yield folder
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)
