"""The simulation at the peaks of a million to a billion messages a day: `python -m benchmarks.capacity_ladder [--measured FILE]`.

First one process of each role on growing load, then what happens when one thing is too small, then what `earshot capacity` plans. Of a plan with cells one cell is simulated: they
share nothing. Model: 1.5 s on average, log-normal, standard deviation half of that. Takes two minutes.
"""

import argparse
import math
from dataclasses import replace
from pathlib import Path

from benchmarks.capacity_check import costs_of
from benchmarks.capacity_simulation import Load, Outcome, Setup, simulate
from benchmarks.open_pages import percentile
from cli.capacity_limits import cells_needed
from cli.capacity_measured import Measured, load_measured
from cli.capacity_plan import MESSAGES_OF_A_TENANT, Demand, make_plan
from worker.provider_gate import SHARE_OF_LIMIT

MODEL_S, MODEL_CV = 1.5, 0.5
RATES = (10.0, 30.0, 50.0, 60.0, 70.0)
SECONDS, MESSAGES_AT_MOST = 60, 20_000
DEMANDS = (1e6, 1e7, 1e8, 1e9)


def setup_of(measured: Measured, *, cores: int, database_cores: int, analyze: int = 1, stages: int = 1, receivers: int = 2, per_min: float | None = None) -> Setup:  # fmt: skip
    """Workers and Postgres on machines of their own; no stand-ins."""
    return Setup(
        cores=cores,
        database_cores=database_cores,
        costs=costs_of(measured, with_standins=False),
        flood_costs=costs_of(measured, is_flood=True, with_standins=False),
        analyze=analyze,
        stages=stages,
        receivers=receivers,
        model_s=MODEL_S,
        model_cv=MODEL_CV,
        per_min=per_min,
        workers_yield=False,
    )


HEAD = f"{'':26} {'arrive/s':>8} {'p50 s':>7} {'p99 s':>7} {'flood p50':>9} {'refused':>7} {'threads':>7} {'connect.':>8} {'cores':>6} {'Postgres':>8}"


def print_outcome(name: str, outcome: Outcome, setup: Setup, *, per_s: float) -> None:
    """A line. p50, p99: of the ordinary lane."""
    used = dict(outcome.cores_used)
    database = used.pop("postgres", 0.0) / (setup.database_cores or setup.cores)
    flood = f"{percentile(outcome.flood_delays_s, 0.5):.2f}" if outcome.flood_delays_s else "-"
    print(
        f"{name:26} {per_s:8.0f} {outcome.delay_s(0.5):7.2f} {outcome.delay_s(0.99):7.2f} {flood:>9} {outcome.refused:7} "
        f"{outcome.threads_used:7.0f} {outcome.connections_used:8.1f} {sum(used.values()) / setup.cores:6.0%} {database:8.0%}",
        flush=True,
    )


def print_one_of_each(measured: Measured) -> None:
    """How far one process of each role reaches."""
    print(f"One process of each role, 4 cores, and 4 for Postgres\n\n{HEAD}")
    setup = setup_of(measured, cores=4, database_cores=4)
    for per_s in RATES:
        outcome = simulate(setup, Load(round(per_s * SECONDS), per_s=per_s, tenants=100))
        print_outcome(f"{per_s:.0f} a second", outcome, setup, per_s=per_s)


def print_too_small(measured: Measured) -> None:
    """What it looks like when one thing gives out, at 40 messages a second and with enough of everything else."""
    print(f"\nOne thing too small\n\n{HEAD}")
    enough = setup_of(measured, cores=8, database_cores=8, analyze=2, per_min=40 * 60 * 1.4)
    load = Load(40 * SECONDS, per_s=40.0, tenants=100)
    cases = (
        ("enough of everything", enough, load),
        ("the model takes 6 s", replace(enough, model_s=6.0), load),
        ("provider allows two thirds", replace(enough, per_min=40 * 60 / SHARE_OF_LIMIT * 2 / 3), load),
        ("the same, workers unaware", replace(enough, per_min=40 * 60 * 2 / 3, workers_know_limit=False), load),
        ("one core for Postgres", replace(enough, database_cores=1), load),
        ("three quarters of one", enough, replace(load, flooding_share=0.75)),
        ("a day's curve, peak 40", enough, replace(load, day=True)),
    )
    for name, setup, given in cases:
        print_outcome(name, simulate(setup, given), setup, per_s=given.per_s)


def print_plans(measured: Measured) -> None:
    """At the peaks of what `earshot capacity` plans."""
    print(f"\nAs planned; of several cells one\n\n{HEAD}")
    for wanted in DEMANDS:
        demand = Demand(wanted, MODEL_S, tenants=math.ceil(wanted / MESSAGES_OF_A_TENANT), read_again=0.0)
        cells = cells_needed(demand, measured)
        part = demand.part(cells)
        plan = make_plan(part, measured)
        number = {one.kind: one.processes for one in plan.processes}
        setup = setup_of(
            measured,
            cores=math.ceil(plan.cores - plan.postgres.cores),
            database_cores=math.ceil(plan.postgres.cores),
            analyze=number["analyze"],
            stages=number["stages"],
            receivers=number["receiver"],
            per_min=part.peak_per_s * 60 / SHARE_OF_LIMIT * 1.1,
        )
        messages = min(MESSAGES_AT_MOST, round(part.peak_per_s * SECONDS))
        outcome = simulate(setup, Load(messages, per_s=part.peak_per_s, tenants=part.tenants))
        name = f"{wanted / 1e6:,.0f}M a day, {cells} cell{'' if cells == 1 else 's'}"
        print_outcome(name, outcome, setup, per_s=part.peak_per_s)


def main() -> None:
    """Print the three tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capacity_ladder", description=__doc__)
    parser.add_argument("--measured", type=Path, metavar="FILE", help="figures to simulate with (default: the shipped)")
    measured = load_measured(parser.parse_args().measured)
    print_one_of_each(measured)
    print_too_small(measured)
    print_plans(measured)


if __name__ == "__main__":
    main()
