"""The whole pipe beside chains of five tasks that do nothing, on the same broker: `python -m benchmarks.chains [--quick]`.

Celery as it comes, dramatiq's pipelines and taskiq, each two worker processes, by turns with the pipe, which has two analyze workers, and
sometimes one. Its model answers from memory (benchmarks/instant_model.py). Five no-ops commit nothing and keep no record; the ratio says what our work costs on top of an engine, not which engine is better.
"""

import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.bare_chain import measure_bare_chain
from benchmarks.figures import Row, at_least, at_most, print_rows, ratios, spread, times
from benchmarks.instant_model import running_model
from benchmarks.live_event import running_stack
from benchmarks.many_tenants import Account, add_tenants
from benchmarks.peers import PEERS, NoIndex, install_peers, measure_peer, version_of
from benchmarks.pipe import ONE_TENANT, run_pipe
from benchmarks.scale_out import tell_second
from worker.lanes import LATELY_S

ROUNDS, MESSAGES, CHAINS, TENANTS, WORKERS = 5, 800, 800, 24, 2
LIMIT_OF_CELERY, LIMIT_OWN_MS = 1.0, 8.0
CELERY = "Celery"


def _engines(stack: dict[str, Any], *, chains: int) -> tuple[dict[str, Callable[[], tuple[float, float]]], str]:
    """What measures each engine, by name, and why one or the other is missing ("" when none is)."""
    url = stack["redis_url"]
    engines: dict[str, Callable[[], tuple[float, float]]] = {
        CELERY: partial(measure_bare_chain, url, chains=chains),
    }
    try:
        python = install_peers()
    except NoIndex as missing:
        return engines, str(missing)
    for peer in PEERS:
        name = f"{peer.package} {version_of(python, peer.package)}"
        engines[name] = partial(measure_peer, peer, python, url, chains=chains)
    return engines, ""


@dataclass(frozen=True)
class _Load:
    """What the pipe is measured with."""

    senders: tuple[Account, ...]
    workers: int

    def __str__(self) -> str:
        """As the table says it."""
        tenants = "one tenant" if len(self.senders) == 1 else f"{len(self.senders)} tenants"
        return f"{tenants}, {'an analyze worker' if self.workers == 1 else f'{self.workers} analyze workers'}"


def rows(*, is_quick: bool = False) -> list[Row]:
    """The pipe's part of the table, on a stack of its own whose model answers at once."""
    with tempfile.TemporaryDirectory(prefix="earshot-bench-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o711)
        with (
            running_model() as (model_url, model_pid),
            running_stack(folder, workers=WORKERS, model_url=model_url, notes_commits=False) as stack,
        ):
            stack["pids"]["standins"].append(model_pid)
            return _rows(stack, add_tenants(folder, stack, count=TENANTS), is_quick=is_quick)


def _rows(stack: dict[str, Any], accounts: Sequence[Account], *, is_quick: bool) -> list[Row]:
    rounds, messages, chains = (1, 100, 300) if is_quick else (ROUNDS, MESSAGES, CHAINS)
    engines, missing = _engines(stack, chains=chains)
    run_pipe(stack, messages=200, wave=10)  # workers load the model's SDK at their first call
    run_pipe(stack, messages=200, wave=11, accounts=accounts)  # and each tenant's settings at its first message
    # As Postgres itself does within a minute: plans made for empty tables are none of any later day.
    with psycopg.connect(stack["database_url"], autocommit=True) as conn:
        conn.execute("ANALYZE")
    # By round, of which some are without what has no limit.
    ours: dict[_Load, dict[int, float]] = defaultdict(dict)
    own_ms: dict[_Load, dict[int, float]] = defaultdict(dict)
    others: dict[str, dict[int, float]] = defaultdict(dict)
    other_ms: dict[str, dict[int, float]] = defaultdict(dict)
    loads = [_Load(tuple(accounts), WORKERS), _Load(ONE_TENANT, WORKERS), _Load(tuple(accounts), 1)]
    for round_number in range(rounds):
        is_whole = round_number in {0, rounds - 1}
        for number, load in enumerate(loads):
            if load.workers < WORKERS and not is_whole:
                continue
            if load.workers < WORKERS:
                tell_second(stack, "cancel_consumer")
            # One tenant's flood gives way to others as long as these wrote a moment ago: they are another load's.
            time.sleep(LATELY_S)
            figures = run_pipe(stack, messages=messages, wave=20 + 10 * number + round_number, accounts=load.senders)
            if load.workers < WORKERS:
                tell_second(stack, "add_consumer")
            ours[load][round_number], own_ms[load][round_number] = figures.per_s, figures.own_cpu_ms
        for name, measure in engines.items():
            if name == CELERY or is_whole:
                others[name][round_number], other_ms[name][round_number] = measure()
    found: list[Row] = []
    for load in loads:
        # Each engine has as many worker processes: the limit is for a pipe that has them too.
        limited = {CELERY} if load.workers == WORKERS else set[str]()
        found += [
            _speed_row(f"{load}, beside: {name}", ours[load], others[name], is_limited=name in limited)
            for name in engines
        ]
        own, bare = _pairs(own_ms[load], other_ms[CELERY])
        limit, met = at_most(statistics.median(own), LIMIT_OWN_MS, "ms")
        found.append(
            Row(
                f"processor time of our own processes a message, {load}, beside: Celery's workers a chain",
                spread(own, "ms"),
                spread(bare, "ms"),
                times(ratios(own, bare)),
                limit,
                met,
            )
        )
    if missing:
        found.append(Row("dramatiq, taskiq", missing))
    return found


def _pairs(ours: Mapping[int, float], other: Mapping[int, float]) -> tuple[list[float], list[float]]:
    """Of the rounds that have both."""
    both = sorted(ours.keys() & other.keys())
    return [ours[one] for one in both], [other[one] for one in both]


def _speed_row(beside: str, ours: Mapping[int, float], other: Mapping[int, float], *, is_limited: bool) -> Row:
    mine, theirs = _pairs(ours, other)
    found = ratios(mine, theirs)
    limit, met = at_least(statistics.median(found), LIMIT_OF_CELERY, "x") if is_limited else ("", None)
    what = f"messages a second through the whole pipe, {beside}, five no-ops"
    return Row(what, spread(mine), spread(theirs), times(found), limit, met)


def main() -> None:
    """Print the figures."""
    print_rows(rows(is_quick="--quick" in sys.argv))


if __name__ == "__main__":
    main()
