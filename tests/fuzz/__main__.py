"""Coverage-guided fuzzing: `python -m tests.fuzz [seconds for each target]`. Starts from the payload files; a crash is kept and named.

Exit 1 when a target failed: the file that it names makes it fail again (`python -m tests.fuzz TARGET FILE`).
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

NAMES = ("whatsapp", "instagram", "generic", "minimizing", "signature")
PAYLOADS = Path(__file__).parents[1] / "payloads"
WORDS = (
    "Call me at +90 555 111 22 33 or ada@example.com, order 4711",
    "kartım 4111 1111 1111 1111, TR33 0006 1005 1978 6457 8413 26",
    "sha256=" + "0" * 64 + "\n{}",
)
# One input of a target may take so long; a body of 64 KiB takes milliseconds.
HANG_S, MAX_BYTES = 20, 64 * 1024


def seeds(name):
    """What to begin with."""
    files = sorted((PAYLOADS / name).glob("*.json"))
    found = [json.dumps(json.loads(file.read_text(encoding="utf-8"))["body"]).encode() for file in files]
    return found or [text.encode() for text in WORDS]


def fuzz_one(name, seconds):
    """In a process of its own: atheris ends the one it runs in."""
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(seeds(name)):
            (Path(folder) / str(number)).write_bytes(seed)
        limits = [
            f"-max_total_time={seconds}",
            f"-timeout={HANG_S}",
            f"-max_len={MAX_BYTES}",
            f"-artifact_prefix=fuzz-{name}-",
        ]
        return subprocess.run(
            [sys.executable, "-m", "tests.fuzz", "--here", name, *limits, folder], check=False
        ).returncode


def run_here(name, arguments):
    """Until its time is over or an input fails."""
    import atheris

    with atheris.instrument_imports(include=["channels", "analysis"]):
        import tests.fuzz.targets as targets  # not before: what is loaded already is not watched
    assert set(targets.TARGETS) == set(NAMES)
    targets.TARGETS[name](seeds(name)[0])  # what is loaded once is no input's fault
    atheris.Setup([sys.argv[0], *arguments], targets.TARGETS[name])
    atheris.Fuzz()


def main():
    if sys.argv[1:2] == ["--here"]:
        run_here(sys.argv[2], sys.argv[3:])
    elif len(sys.argv) == 3:
        from tests.fuzz.targets import TARGETS

        TARGETS[sys.argv[1]](Path(sys.argv[2]).read_bytes())
    else:
        seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
        failed = [name for name in NAMES if fuzz_one(name, seconds)]
        print(
            f"{len(NAMES) - len(failed)} of {len(NAMES)} targets held for {seconds} s each; failed: {', '.join(failed) or 'none'}"
        )
        sys.exit(bool(failed))


if __name__ == "__main__":
    main()
