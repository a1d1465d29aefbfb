"""What a second analyze worker adds while the model is the slow part: `python -m benchmarks.scale_out [--quick]`.

One stack with two workers of each role and a model that takes 10 s, so that a hundred threads make at most ten calls a second, which leaves the
machine room. First one analyze worker takes no messages, then both do.
"""

import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx2
from celery import Celery

from benchmarks.figures import Row, at_least, number, print_rows
from benchmarks.live_event import running_stack
from benchmarks.many_tenants import add_tenants
from benchmarks.model_calls import speed_row
from benchmarks.pipe import run_pipe
from worker.roles import ROLES

TENANTS, MODEL_S, ROUNDS_OF_CALLS = 24, 10.0, 3
# What waits beside what is in flight, so that no thread is idle.
WAITING = 30
LIMIT = 1.8


def tell_second(stack: dict[str, Any], order: str) -> None:
    """Have the second analyze worker consume its queues, or consume them no more."""
    second = f"analyze-2@{socket.gethostname()}"
    with Celery(broker=stack["redis_url"], set_as_current=False) as app:
        for queue in ROLES["analyze"].queues:
            answers = getattr(app.control, order)(queue, destination=[second], reply=True, timeout=5)
            assert answers, f"{second} did not answer"


def rows(*, is_quick: bool = False) -> list[Row]:
    """Messages a second with one and with two, and with two and a model as slow as the real one."""
    threads = ROLES["analyze"].concurrency
    rounds, model_s = (1, 1.0) if is_quick else (ROUNDS_OF_CALLS, MODEL_S)
    with tempfile.TemporaryDirectory(prefix="earshot-bench-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o711)
        with running_stack(folder, workers=2) as stack:
            accounts = add_tenants(folder, stack, count=TENANTS)
            # Both have loaded the model's SDK then.
            run_pipe(stack, messages=40, wave=80, in_flight=40, accounts=accounts)
            httpx2.post(f"{stack['standins']['anthropic']}/_latency", json={"seconds": model_s}).raise_for_status()
            tell_second(stack, "cancel_consumer")
            one = run_pipe(stack, messages=rounds * threads, wave=81, in_flight=threads + WAITING, accounts=accounts)
            tell_second(stack, "add_consumer")
            two = run_pipe(
                stack, messages=2 * rounds * threads, wave=82, in_flight=2 * threads + WAITING, accounts=accounts
            )
            slow = speed_row(stack, accounts, processes=2, is_quick=is_quick)
    limit, met = at_least(two.per_s / one.per_s, LIMIT, "x")
    what = f"messages a second with two analyze workers, the model takes {model_s:g} s (at most {2 * threads / model_s:.0f}/s), beside: with one"
    return [
        Row(what, number(two.per_s), number(one.per_s), f"{two.per_s / one.per_s:.2f}x", limit, met),
        slow,
    ]


def main() -> None:
    """Print the figures."""
    print_rows(rows(is_quick="--quick" in sys.argv))


if __name__ == "__main__":
    main()
