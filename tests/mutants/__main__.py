"""`python -m tests.mutants`: plants each fault in a copy of the code and runs the tests that must notice; exit code 1 when one lives."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.conftest import ROOT
from tests.mutants.catalogue import MUTANTS, Mutant

TIMEOUT_S = 300
FAILED, PASSED = 1, 0
_ALSO_SLOW = ("-m", "slow or not slow")


def main() -> int:
    """Run those whose names hold a word of the command line, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("words", nargs="*", help="only mutants with one of these words in their names")
    words = parser.parse_args().words
    chosen = [one for one in MUTANTS if not words or any(word in one.name for word in words)]
    width = max(len(one.name) for one in chosen)
    alive = 0
    with tempfile.TemporaryDirectory(prefix="earshot-mutants-") as name:
        tree = Path(name)
        _copy(tree)
        for mutant in chosen:
            began = time.monotonic()
            verdict = _try(tree, mutant)
            alive += verdict is not None
            by = verdict or "caught by " + mutant.tests[0].rpartition("/")[2]
            print(f"{mutant.name:<{width}}  {time.monotonic() - began:>4.0f} s  {by}", flush=True)
    print(f"{len(chosen) - alive} of {len(chosen)} caught")
    return 1 if alive else 0


def _copy(tree: Path) -> None:
    """What git knows of, and what is new, as it stands in the working folder."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in listed.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)


def _try(tree: Path, mutant: Mutant) -> str | None:
    """None when it was caught, else what happened instead."""
    path = tree / mutant.path
    healthy = path.read_text(encoding="utf-8")
    if healthy.count(mutant.old) != 1:
        return "STALE: its place in the code is gone"
    path.write_text(healthy.replace(mutant.old, mutant.new), encoding="utf-8")
    try:
        code = _run(tree, mutant.tests)
    finally:
        path.write_text(healthy, encoding="utf-8")
    if code == FAILED:
        return None
    return "ALIVE" if code == PASSED else f"UNCLEAR: pytest ended with {code}"


def _run(tree: Path, tests: tuple[str, ...]) -> int:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        "--timeout=120",
        *_ALSO_SLOW,
        *tests,
    ]
    environ = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=tree, env=environ, capture_output=True, timeout=TIMEOUT_S, check=False)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
