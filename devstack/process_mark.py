"""Whether a process still runs, and whether it is the same one."""

import subprocess
import sys
from pathlib import Path

START_FIELD = 19  # of /proc/PID/stat, counted from the state


def start_mark(pid: int) -> str | None:
    """When the process began, which tells it from a later one with the same id. None when it has ended."""
    if sys.platform == "linux":
        try:
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] == "Z" else fields[START_FIELD]
    asked = subprocess.run(["/bin/ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return asked.stdout.strip() or None
