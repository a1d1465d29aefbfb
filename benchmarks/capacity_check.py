"""Whether the simulation says what a real stack does: `python -m benchmarks.capacity_check [--measured FILE]`.

A whole stack at several loads, and the simulation with the same constants, the same arrivals and the processor time that other programs
took meanwhile. Nothing is fitted to a load. Throughput of closed loops, delays of open ones, within 15 %.
"""

import argparse
import os
import tempfile
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.capacity_load import TENANTS, Passed, Stack, add_tenants, make_posts, read_stack_file, set_model_seconds
from benchmarks.capacity_simulation import OTHERS_STEP_S, Costs, Load, Outcome, Setup, simulate
from benchmarks.live_event import running_stack
from benchmarks.open_pages import percentile
from benchmarks.processor_time import ProcessorMeter, groups_of
from cli.capacity_measured import Measured, load_measured

LIMIT = 0.15
WARM_UP = 240
SETTLE_S = 15.0


@dataclass(frozen=True)
class Level:
    """in_flight: closed loop; else per_s: open loop."""

    name: str
    messages: int
    model_s: float
    in_flight: int | None = None
    per_s: float = 0.0


LEVELS = (
    Level("closed, 40 in flight, model at once", 600, 0.0, in_flight=40),
    Level("closed, 20 in flight, model 1.5 s", 300, 1.5, in_flight=20),
    Level("closed, 40 in flight, model 1.5 s", 500, 1.5, in_flight=40),
    Level("5 a second, model 1.5 s", 150, 1.5, per_s=5.0),
    Level("10 a second, model 1.5 s", 300, 1.5, per_s=10.0),
    Level("10 a second, model at once", 300, 0.0, per_s=10.0),
)


def costs_of(measured: Measured, *, is_flood: bool = False, with_standins: bool = True) -> Costs:
    """Of the measured figures; what Postgres does by itself is done beside the messages, and counts as the delivery's."""
    own = dict(measured.flood_cpu_ms_per_message if is_flood else measured.cpu_ms_per_message)
    asked = dict(measured.flood_postgres_ms_by_client if is_flood else measured.postgres_ms_by_client)
    asked["delivery"] += max(0.0, own["postgres"] - sum(asked.values()))
    if not with_standins:
        own["standins"] = 0.0
    return Costs(own, asked)


class OthersMeter:
    """What programs that are not the stack's take of the machine, sampled every OTHERS_STEP_S by a thread until it is stopped."""

    def __init__(self, info: dict[str, Any]) -> None:
        self.cores: list[float] = []
        self._meter = ProcessorMeter(groups_of(info["pids"]))
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def _sample(self) -> None:
        at, busy_s, ours_s = time.monotonic(), _busy_s(), 0.0
        while not self._over.wait(OTHERS_STEP_S):
            now = time.monotonic(), _busy_s(), sum(self._meter.seconds().values())
            self.cores.append(max(0.0, (now[1] - busy_s - now[2] + ours_s) / (now[0] - at)))
            at, busy_s, ours_s = now

    def stop(self) -> tuple[float, ...]:
        """The samples."""
        self._over.set()
        self._thread.join()
        return tuple(self.cores)


def _busy_s() -> float:
    """Of all cores since the machine started: everything but idle and waiting for disks."""
    fields = list(map(int, Path("/proc/stat").read_text(encoding="ascii").split("\n")[0].split()[1:9]))
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def run_level(stack: Stack, level: Level, *, wave: int) -> tuple[Passed, tuple[float, ...]]:
    """What the stack did, and how many cores others took meanwhile."""
    set_model_seconds(stack.info, level.model_s)
    time.sleep(SETTLE_S)  # the CRM's part of the level before
    others = OthersMeter(stack.info)
    posts = make_posts(level.messages, wave=wave)
    if level.in_flight:
        passed = stack.run_closed(posts, wave=wave, in_flight=level.in_flight)
    else:
        passed = stack.run_open(posts, wave=wave, per_s=level.per_s, seed=wave)
    return passed, others.stop()


def predict(level: Level, measured: Measured, *, others_cores: tuple[float, ...]) -> Outcome:
    """What the simulation says of it."""
    setup = Setup(
        cores=os.cpu_count() or 1,
        costs=costs_of(measured),
        flood_costs=costs_of(measured, is_flood=True),
        model_s=level.model_s,
        others_cores=others_cores,
    )
    load = Load(level.messages, per_s=level.per_s, in_flight=level.in_flight, tenants=TENANTS)
    return simulate(setup, load)


def print_line(level: Level, what: str, predicted: float, measured: float, *, unit: str) -> bool:
    """Whether it is close enough."""
    ratio = predicted / measured
    close = abs(ratio - 1) <= LIMIT
    print(
        f"{level.name:38} {what:16} {predicted:8.2f} {measured:8.2f} {unit:4} {ratio:5.2f}{'' if close else '  <-- off'}",
        flush=True,
    )
    return close


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capacity_check", description=__doc__)
    parser.add_argument("--measured", type=Path, metavar="FILE", help="figures to simulate with (default: the shipped)")
    measured = load_measured(parser.parse_args().measured)
    with tempfile.TemporaryDirectory(prefix="earshot-bench-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o711)
        with running_stack(folder):
            add_tenants(folder)
            with closing(Stack(read_stack_file(folder))) as stack:
                stack.run_closed(make_posts(WARM_UP, wave=1), wave=1, in_flight=40)
                print(f"{'load':38} {'what':16} {'simul.':>8} {'real':>8} {'':4} {'ratio':>5}")
                for wave, level in enumerate(LEVELS, start=10):
                    passed, others = run_level(stack, level, wave=wave)
                    outcome = predict(level, measured, others_cores=others)
                    if level.in_flight:
                        print_line(level, "throughput", outcome.per_s, passed.per_s, unit="/s")
                    for share in (0.5, 0.99):
                        print_line(
                            level,
                            f"delay p{share * 100:.0f}",
                            outcome.delay_s(share),
                            percentile(passed.delays_s, share),
                            unit="s",
                        )
                    print(
                        f"{'':38} others took {sum(others) / len(others):.2f} cores; {passed.provisional} provisional decisions so far",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
