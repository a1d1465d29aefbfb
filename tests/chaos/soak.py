"""`python -m tests.chaos.soak`: a stack at a steady rate for half an hour, with what it holds each minute; exit code 1 when that grows."""

import argparse
import os
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

import redis

from tests.chaos.campaign import LIVE_AFTER_S, calm
from tests.chaos.invariants import Finding, list_unsettled, look
from tests.chaos.load import Producer, Sent
from tests.chaos.scratch import scratch_folder
from tests.chaos.signals import group_of, with_children
from tests.conftest import ACME
from tests.running_stack import RunningStack, start_stack, stop_stack

MINUTE_S = 60.0
# What must not grow. Stand-ins keep what they received, Flower its newest ten thousand tasks, Postgres fills its buffers.
OURS = ("receiver", "worker", "beat", "console")
SETTLED_AFTER_MIN = 5
MAX_GROWTH, MAX_REDIS_MB, MAX_MORE_CONNECTIONS, MAX_MORE_FILES = 1.10, 64.0, 10, 30


@dataclass(frozen=True)
class Minute:
    """What the stack held at the end of one minute. rss_mb, files: of our own processes."""

    rss_mb: float
    files: int
    connections: int
    redis_mb: float
    open_runs: int
    ack_p50_ms: float
    ack_p99_ms: float


def main() -> int:
    """Send, measure, look."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.soak", description=__doc__)
    parser.add_argument("--minutes", type=int, default=30)
    parser.add_argument("--rate", type=float, default=10.0, help="messages a second")
    options = parser.parse_args()
    with scratch_folder() as folder:
        stack = start_stack(folder / "stack", EARSHOT_EQUAL_SHARES="0")
        try:
            return _soak(stack, folder, minutes=options.minutes, rate=options.rate)
        finally:
            stop_stack(stack)


def _soak(stack: RunningStack, folder: Path, *, minutes: int, rate: float) -> int:
    path = folder / "acme.toml"
    path.write_text(ACME, encoding="utf-8")
    applied = stack.cli("tenant", "apply", str(path))
    assert applied.returncode == 0, applied.stderr
    time.sleep(LIVE_AFTER_S)
    sent, lot, seen = Sent(), random.Random(1), list[Minute]()
    print(
        f"{'min':>3} {'rss MB':>7} {'files':>6} {'conns':>6} {'redis MB':>9} {'open':>6} {'p50 ms':>7} {'p99 ms':>7}  load"
    )
    for number in range(1, minutes + 1):
        began = time.monotonic()
        producer = Producer(
            url=f"{stack.info['receiver_url']}/webhooks/whatsapp",
            secret="acme-secret",
            messages=int(rate * MINUTE_S),
            rate=rate,
            lot=lot,
            first=sent.messages,
            customers=5000,
            copies=1,
            sent=sent,
        )
        producer.run()
        time.sleep(max(0.0, began + MINUTE_S - time.monotonic()))
        seen.append(_measure(stack, [answer.took_s * 1000 for answer in producer.answers if answer.status == 200]))
        one = seen[-1]
        print(
            f"{number:>3} {one.rss_mb:>7.0f} {one.files:>6} {one.connections:>6} {one.redis_mb:>9.1f} {one.open_runs:>6} "
            f"{one.ack_p50_ms:>7.0f} {one.ack_p99_ms:>7.0f}  {os.getloadavg()[0]:.1f}",
            flush=True,
        )
    calm(stack)
    unsettled = Finding(
        "nothing is left on its way", f"{list_unsettled(stack) or 'nothing'}", not list_unsettled(stack)
    )
    findings = [*_judge(seen), unsettled, *look(stack, sent)]
    for finding in findings:
        print(f"   {'ok    ' if finding.holds else 'BROKEN'} {finding.promise:<64} {finding.figure}")
    return 0 if all(finding.holds for finding in findings) else 1


def _measure(stack: RunningStack, taken_ms: Sequence[float]) -> Minute:
    pids = [pid for group in OURS for pid in with_children(group_of(stack, group))]
    ((connections,),) = stack.rows("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
    ((open_runs,),) = stack.rows("SELECT count(*) FROM run")
    with redis.Redis.from_url(stack.info["redis_url"]) as client:
        redis_mb = client.info("memory")["used_memory"] / 2**20
    return Minute(
        rss_mb=sum(_rss_kb(pid) for pid in pids) / 1024,
        files=sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids),
        connections=connections,
        redis_mb=redis_mb,
        open_runs=open_runs,
        ack_p50_ms=median(taken_ms),
        ack_p99_ms=quantiles(taken_ms, n=100)[98],
    )


def _rss_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def _judge(seen: Sequence[Minute]) -> list[Finding]:
    """From the minute on in which everything has been used once."""
    settled = seen[min(SETTLED_AFTER_MIN, len(seen)) - 1 :]
    first, last = settled[0], settled[-1]
    growth = last.rss_mb / first.rss_mb
    connections = max(one.connections for one in settled) - first.connections
    files = last.files - first.files
    redis_mb = max(one.redis_mb for one in seen)
    return [
        Finding("memory grows by less than 10 %", f"{(growth - 1) * 100:+.1f} %", growth < MAX_GROWTH),
        Finding("connections are flat", f"{connections:+d}", connections <= MAX_MORE_CONNECTIONS),
        Finding("open files are flat", f"{files:+d}", files <= MAX_MORE_FILES),
        Finding("Redis stays under 64 MB", f"{redis_mb:.1f} MB", redis_mb < MAX_REDIS_MB),
    ]


if __name__ == "__main__":
    sys.exit(main())
