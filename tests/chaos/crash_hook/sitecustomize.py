"""Lets processes die at crash points that a test has armed. Python runs this file first where its folder is on PYTHONPATH.

TEST_CRASH_FOLDER names the folder: `armed/LABEL.N` is one death that waits, whoever takes the file dies; `reached/LABEL` says that the
point was come by.
"""

import os
import signal

FOLDER = os.environ.get("TEST_CRASH_FOLDER")
DEATHS = ("1", "2")

if FOLDER:
    from config import crash_points

    reached: set[str] = set()

    def die_where_armed(label: str) -> None:
        """The first process to come by takes the file, and dies at once."""
        if label not in reached:
            reached.add(label)
            with open(f"{FOLDER}/reached/{label}", "w"):
                pass
        for death in DEATHS:
            try:
                os.unlink(f"{FOLDER}/armed/{label}.{death}")
            except FileNotFoundError:
                continue
            os.kill(os.getpid(), signal.SIGKILL)

    crash_points.hook = die_where_armed
