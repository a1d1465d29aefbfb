"""What a process does while the model thinks for 1.5 s: `python -m benchmarks.model_calls [--quick]`.

The whole pipe of a stack with one worker of each role, whose analyze worker has a hundred threads; and one process that only calls the model,
by the product's analyzer and by the SDK as it comes, by turns.
"""

import json
import subprocess
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx2
import psycopg

from benchmarks.figures import Row, at_least, at_most, print_rows, ratios, spread, times
from benchmarks.live_event import running_stack
from benchmarks.many_tenants import Account, add_tenants
from benchmarks.pipe import PipeFigures, run_pipe
from benchmarks.processor_time import groups_of, memory_mb
from worker.roles import ROLES

MODEL_S, TENANTS = 1.5, 24
MESSAGES = 600
# Long against the model's time: what is in flight at the end is no part of a rate.
LONG_RUN = 4 * MESSAGES
# Unfinished messages for each thread: with many more the reconciler reads them provisionally, and that would be measured.
IN_FLIGHT_A_THREAD = 1.2
ROUNDS, THREADS, SECONDS = 2, 300, 6.0
LIMIT_PER_S, LIMIT_MB = 120.0, 0.5
LOOK_EVERY_S = 0.5
ANALYZE = "worker analyze"


@dataclass(frozen=True)
class Look:
    """One moment: calls that are under way, and what the processes that make them hold."""

    calls: int
    mb: float


class CallWatch:
    """Looks at the analyze workers until the block ends."""

    def __init__(self, stack: dict[str, Any]) -> None:
        self._url: str = stack["database_url"]
        self.pids = groups_of(stack["pids"])[ANALYZE]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_for_ever)
        self.looks: list[Look] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look_for_ever(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as conn:
            while not self._over.wait(LOOK_EVERY_S):
                row = conn.execute("SELECT count(*) FROM run WHERE lease_until > now()").fetchone()
                assert row is not None
                self.looks.append(Look(row[0], memory_mb(self.pids)))

    @property
    def fullest(self) -> Look:
        """The moment with the most calls under way."""
        return max(self.looks, key=lambda look: look.calls)


def _pipe_rows(stack: dict[str, Any], accounts: Sequence[Account], *, messages: int) -> list[Row]:
    run_pipe(stack, messages=10, wave=70, in_flight=10)  # workers load the model's SDK at their first call
    at_rest_mb = memory_mb(groups_of(stack["pids"])[ANALYZE])
    with CallWatch(stack) as watch:
        figures = _run(stack, accounts, messages=messages, processes=len(watch.pids))
    processes, fullest = len(watch.pids), watch.fullest
    assert fullest.calls, "no call was seen under way"
    mb = (fullest.mb - at_rest_mb) / fullest.calls
    room, is_small = at_most(mb, LIMIT_MB, "MB")
    return [
        _speed(figures, processes=processes),
        Row("most calls in flight in an analyze process, in the pipe", f"{fullest.calls / processes:.0f}"),
        Row("memory a call in flight in the pipe (PSS)", spread([mb], "MB"), limit=room, met=is_small),
        Row("processor time of the analyze worker a message, the call included", spread([figures.cpu_ms[ANALYZE]], "ms")),
    ]  # fmt: skip


def _run(stack: dict[str, Any], accounts: Sequence[Account], *, messages: int, processes: int) -> PipeFigures:
    unfinished = round(processes * ROLES["analyze"].concurrency * IN_FLIGHT_A_THREAD)
    return run_pipe(stack, messages=messages, wave=71, in_flight=unfinished, accounts=accounts)


def _speed(figures: PipeFigures, *, processes: int) -> Row:
    threads = ROLES["analyze"].concurrency
    # One process has no threads for it; the limit is the machine's.
    limit, met = at_least(figures.per_s, LIMIT_PER_S, "/s") if processes > 1 else ("", None)
    named = "an analyze process" if processes == 1 else f"{processes} analyze processes"
    what = f"messages a second through the whole pipe, the model takes {MODEL_S:g} s, {named} of {threads} threads (at most {processes * threads / MODEL_S:.0f}/s)"
    return Row(what, spread([figures.per_s]), limit=limit, met=met)


def speed_row(stack: dict[str, Any], accounts: Sequence[Account], *, processes: int, is_quick: bool) -> Row:
    """Of a stack with so many analyze workers. Its model takes MODEL_S afterwards."""
    httpx2.post(f"{stack['standins']['anthropic']}/_latency", json={"seconds": MODEL_S}).raise_for_status()
    figures = _run(stack, accounts, messages=100 if is_quick else LONG_RUN, processes=processes)
    return _speed(figures, processes=processes)


def _call(kind: str, url: str, *, threads: int, seconds: float) -> dict[str, float]:
    argv = [sys.executable, "-m", "benchmarks.model_caller", kind, url, str(threads), str(seconds)]
    return json.loads(subprocess.run(argv, check=True, stdout=subprocess.PIPE).stdout)


def _call_rows(url: str, *, rounds: int, threads: int, seconds: float) -> list[Row]:
    found: dict[str, dict[str, list[float]]] = {kind: defaultdict(list) for kind in ("ours", "sdk")}
    for _ in range(rounds):
        for kind, figures in found.items():
            for name, value in _call(kind, url, threads=threads, seconds=seconds).items():
                figures[name].append(value)
    ours, sdk = found["ours"], found["sdk"]
    speed, is_quick_enough = at_least(min(ours["per_s"]), LIMIT_PER_S, "/s in each round")
    room, is_small = at_most(max(ours["mb_per_call"]), LIMIT_MB, "MB in each round")
    name = f"one process, {threads} calls in flight, beside: the SDK as it comes"

    def beside(key: str) -> str:
        return times(ratios(ours[key], sdk[key]))

    return [
        Row(f"calls a second, {name}", spread(ours["per_s"]), spread(sdk["per_s"]), beside("per_s"), speed, is_quick_enough),
        Row("… memory a call in flight (PSS)", spread(ours["mb_per_call"], "MB"), spread(sdk["mb_per_call"], "MB"), beside("mb_per_call"), room, is_small),
        Row("… processor time a call", spread(ours["cpu_ms"], "ms"), spread(sdk["cpu_ms"], "ms"), beside("cpu_ms")),
    ]  # fmt: skip


def rows(stack: dict[str, Any], accounts: Sequence[Account], *, is_quick: bool = False) -> list[Row]:
    """The model's part of the table, on a stack that has not been loaded before: memory that was taken once is kept."""
    rounds, threads, seconds = (1, 50, 3.0) if is_quick else (ROUNDS, THREADS, SECONDS)
    url = stack["standins"]["anthropic"]
    httpx2.post(f"{url}/_latency", json={"seconds": MODEL_S}).raise_for_status()
    try:
        found = _pipe_rows(stack, accounts, messages=150 if is_quick else MESSAGES)
        return [*found, *_call_rows(url, rounds=rounds, threads=threads, seconds=seconds)]
    finally:
        httpx2.post(f"{url}/_latency", json={"seconds": 0}).raise_for_status()


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory(prefix="earshot-bench-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o711)
        with running_stack(folder) as stack:
            accounts = add_tenants(folder, stack, count=TENANTS)
            print_rows(rows(stack, accounts, is_quick="--quick" in sys.argv))


if __name__ == "__main__":
    main()
