"""The stand-ins as a process of their own, for tests and tools that need one for a while."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class RunningStandIns:
    """A running process. urls: base URL by provider."""

    urls: dict[str, str]
    process: subprocess.Popen[bytes] = field(repr=False)

    def stop(self) -> int:
        """End it as a supervisor would; returns its exit code."""
        self.process.terminate()
        try:
            return self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait(STOP_TIMEOUT_S)


def start_standins(arguments: Sequence[str] = ()) -> RunningStandIns:
    """Start all stand-ins on free ports and wait until they listen.

    arguments: further options of `python -m devstack.standins`. Raises: RuntimeError when they don't start.
    """
    with tempfile.TemporaryDirectory(prefix="standins-") as folder:
        ports_file = Path(folder) / "ports.json"
        command = [sys.executable, "-m", "devstack.standins", f"--ports-file={ports_file}", *arguments]
        process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)})
        deadline = time.monotonic() + START_TIMEOUT_S
        while not ports_file.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                process.wait()
                raise RuntimeError("the stand-ins did not start")
            time.sleep(0.02)
        return RunningStandIns(json.loads(ports_file.read_text(encoding="utf-8")), process)
