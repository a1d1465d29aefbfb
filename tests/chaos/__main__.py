"""`python -m tests.chaos`: ten seeds (or those named), one line each; exit code 1 when a promise was broken."""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from tests.chaos.campaign import run_campaign


def main() -> int:
    """Run the seeds one after the other."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(1, 11)))
    parser.add_argument("--messages", type=int, default=1500)
    parser.add_argument("--faults", type=int, default=19)
    options = parser.parse_args()
    broken = 0
    print(f"{'seed':>4} {'messages':>8} {'faults':>6} {'healed':>7} {'ack p50':>8} {'ack p99':>8}  broken")
    for seed in options.seeds:
        # Below /tmp itself, and open to look through: Postgres runs as an account of its own when this runs as root.
        folder = Path(tempfile.mkdtemp(prefix="earshot-chaos-", dir="/tmp"))  # noqa: S108
        folder.chmod(0o711)
        report = run_campaign(folder, seed=seed, messages=options.messages, faults=options.faults)
        p50, p99 = report.ack_ms
        print(
            f"{seed:>4} {report.messages:>8} {len(report.faults):>6} {max(report.healed_s.values(), default=0):>6.0f}s {p50:>6.0f}ms {p99:>6.0f}ms"
            f"  {'; '.join(report.broken) or 'nothing'}",
            flush=True,
        )
        if report.broken:
            broken += 1
            print(f"     healed: {report.healed_s}")
            print(f"     kept: {folder}; faults: {', '.join(report.faults)}", flush=True)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
