"""`earshot capacity`: what a number of messages a day takes, what it costs, and what gives out first."""

import argparse
import json
import math
import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from analysis.cost import PRICES
from cli.capacity_limits import Limit, cells_needed, list_limits
from cli.capacity_measured import Measured, load_measured
from cli.capacity_plan import MESSAGES_OF_A_TENANT, UTILISATION, Demand, Plan, make_plan
from cli.capacity_provider import ProviderNeed, known_model, plan_provider
from cli.main import add_data_argument
from cli.output import print_rows

MOST_PER_DAY = 1_000_000_000
# Calls are given up after ANALYZE_TIMEOUT_S, which may be at most this.
MOST_LATENCY_S = 120.0
UNITS = {"": 1, "k": 1_000, "m": 1_000_000, "b": 1_000_000_000}
_NUMBER = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)\s?([kmb]?)", re.IGNORECASE | re.ASCII)
_PLAIN = re.compile(r"-?\d{1,12}(?:\.\d{1,9})?", re.ASCII)


def _messages(text: str) -> float:
    found = _NUMBER.fullmatch(text.strip().replace(",", "").replace("_", ""))
    if found is None:
        message = f"{text!r} is no number of messages: write it like 200k, 5M or 1B"
        raise argparse.ArgumentTypeError(message)
    number = float(found[1]) * UNITS[found[2].lower()]
    if not 1 <= number <= MOST_PER_DAY:
        message = f"{text!r} is not between 1 and 1B messages a day" + (
            ": plan beyond that for several installations" if number > 1 else ""
        )
        raise argparse.ArgumentTypeError(message)
    return number


def _between(low: float, high: float, unit: str, *, whole: bool = False, above: bool = False) -> Callable[[str], Any]:
    """A parser of plain numbers. above: `low` itself is not allowed."""

    def parse(text: str) -> float | int:
        number = float(text) if _PLAIN.fullmatch(text.strip()) else None
        is_there = number is not None and (low < number if above else low <= number) and number <= high
        if not is_there or number is None or (whole and number != int(number)):
            least = f"above {low:g}" if above else f"{low:g} or more"
            message = (
                f"{text!r} must be {'a whole number' if whole else 'a number'} of {unit}, {least} and at most {high:g}"
            )
            raise argparse.ArgumentTypeError(message)
        return int(number) if whole else number

    return parse


def _model(text: str) -> str:
    if not known_model(text):
        message = f"the price of {text!r} is not known: use one of {', '.join(PRICES)}"
        raise argparse.ArgumentTypeError(message)
    return text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is asked for, and which figures to go by."""
    seconds = _between(0, MOST_LATENCY_S, "seconds", above=True)
    parser.add_argument("--messages-per-day", type=_messages, required=True, metavar="N", help="such as 200k, 5M, 1B")
    parser.add_argument(
        "--latency",
        type=seconds,
        required=True,
        metavar="S",
        help="seconds that the model takes for an answer, on average",
    )
    parser.add_argument(
        "--peak-factor", type=_between(1, 100, "times the mean"), default=3.0, metavar="X",
        help="busiest minutes over the day's mean; 3 is a busiest hour with an eighth of the day's messages (default 3)",
    )  # fmt: skip
    parser.add_argument(
        "--tenants", type=_between(1, 1e6, "tenants", whole=True), metavar="N",
        help=f"that share the messages alike (default: one for every {MESSAGES_OF_A_TENANT:,} messages a day)",
    )  # fmt: skip
    parser.add_argument("--model", type=_model, default="claude-haiku-5-5", help="reads every message (%(default)s)")
    parser.add_argument(
        "--read-again", type=_between(0, 1, "the messages"), default=0.03, metavar="SHARE",
        help="share that the stronger model reads too (default 0.03; tenants stop it at 0.05 unless they say otherwise)",
    )  # fmt: skip
    parser.add_argument(
        "--stronger-model", type=_model, default="claude-sonnet-5-5", help="reads those (%(default)s)", metavar="MODEL"
    )
    parser.add_argument(
        "--cache-hit-rate", type=_between(0, 1, "the calls"), default=0.95, metavar="SHARE",
        help="share of calls that find the prompt in the provider's cache (default 0.95: tenants that write all day)",
    )  # fmt: skip
    parser.add_argument(
        "--avg-chars", type=_between(1, 4096, "characters", whole=True), default=100, metavar="N",
        help="length of a message (default 100)",
    )  # fmt: skip
    parser.add_argument(
        "--retention-days", type=_between(1, 36_500, "days", whole=True), default=400, metavar="N",
        help="how long messages are kept (default 400; raw bodies go after 30 days, words after 400)",
    )  # fmt: skip
    parser.add_argument(
        "--measured", type=Path, metavar="FILE", help="figures of `python -m benchmarks.capacity_constants` instead of the shipped"
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="one JSON object")
    add_data_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Print the plan."""
    measured = load_measured(options.measured)
    demand = Demand(
        messages_per_day=options.messages_per_day,
        latency_s=options.latency,
        peak_factor=options.peak_factor,
        tenants=options.tenants or math.ceil(options.messages_per_day / MESSAGES_OF_A_TENANT),
        model=options.model,
        stronger_model=options.stronger_model,
        read_again=options.read_again,
        cache_hit_rate=options.cache_hit_rate,
        avg_chars=options.avg_chars,
        retention_days=options.retention_days,
    )
    cells, need, limits = cells_needed(demand, measured), plan_provider(demand), list_limits(demand, measured)
    plan = make_plan(demand, measured, cells=cells)
    one_cell = make_plan(demand.part(cells), measured)
    if options.json:
        print(json.dumps(_as_json(plan, need, limits, one_cell=one_cell, cells=cells, measured=measured)))
    else:
        _print_load(plan)
        _print_processes(plan)
        _print_servers(one_cell, cells=cells)
        _print_provider(need, demand)
        _print_limits(limits, demand)
        _print_source(measured)
    return 0


def _as_json(
    plan: Plan, need: ProviderNeed, limits: list[Limit], *, one_cell: Plan, cells: int, measured: Measured
) -> dict[str, Any]:
    """Servers are those of one cell, everything else of all together."""
    demand = plan.demand
    return {
        "demand": asdict(demand),
        "mean_per_s": demand.mean_per_s,
        "peak_per_s": demand.peak_per_s,
        "calls_in_flight": demand.calls_in_flight,
        "flood_per_s": demand.flood_per_s,
        "cores": plan.cores,
        "memory_gb": plan.memory_gb,
        "processes": [asdict(one) for one in plan.processes],
        "connections": asdict(one_cell.connections),
        "postgres": asdict(one_cell.postgres),
        "redis": asdict(one_cell.redis),
        "cells": cells,
        "provider": {**asdict(need), "usd_per_day": need.usd_per_day, "usd_per_month": need.usd_per_month},
        "limits": [asdict(one) for one in limits],
        "source": measured.source.model_dump(),
    }


def human(number: float) -> str:
    """Such as 5M, 347k, 1.2B: three digits."""
    for unit, size in (("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size * 0.9995:
            return f"{number / size:.3g}{unit}" if number < 1000 * size * 0.9995 else f"{number / size:,.0f}{unit}"
    return f"{number:.3g}"


def _size(gigabytes: float) -> str:
    for unit, size in (("PB", 1e6), ("TB", 1e3), ("GB", 1.0)):
        if gigabytes >= size * 0.9995:
            return f"{gigabytes / size:.3g} {unit}"
    return f"{gigabytes * 1000:.3g} MB"


def _usd(dollars: float) -> str:
    return f"${dollars:,.0f}" if dollars >= 100 else f"${dollars:,.2f}"


def _print_load(plan: Plan) -> None:
    demand = plan.demand
    print(
        f"{human(demand.messages_per_day)} messages a day of {demand.tenants:,} tenants, an answer takes {demand.latency_s:g} s"
    )
    print(
        f"  mean {human(demand.mean_per_s)} a second; peak {human(demand.peak_per_s)} ({demand.peak_factor:g} times the mean)"
    )
    print(
        f"  calls in flight at the peak: {human(demand.calls_in_flight)} = {human(demand.peak_per_s)}/s x "
        f"{demand.calls_per_message:.2f} calls x {demand.latency_s:g} s (Little's law)"
    )
    if demand.flood_per_s:
        share = demand.flood_per_s / demand.peak_per_s
        print(f"  {share:.0%} of the peak is beyond the tenants' shares and waits in the flood's lane")


def _print_processes(plan: Plan) -> None:
    print(f"\nProcesses, at {UTILISATION:.0%} of their cores\n")
    rows = [
        {
            "process": one.kind,
            "number": one.processes,
            "threads in use": one.threads,
            "cores": f"{one.cores:.2f}",
            "memory each": f"{one.memory_mb} MB",
            "bound by": one.bound_by,
        }
        for one in plan.processes
    ]
    print_rows(rows, as_json=False, empty="")
    print(
        f"together {plan.cores:.1f} cores with Postgres ({plan.postgres.cores:.1f}) and Redis ({plan.redis.cores:.1f}); "
        f"{_size(plan.memory_gb)} of memory without them"
    )


def _print_servers(plan: Plan, *, cells: int) -> None:
    connections, postgres, redis = plan.connections, plan.postgres, plan.redis
    where = ""
    if cells > 1:
        print(f"\n{cells} cells, each with a database, a Redis, workers and {plan.demand.tenants:,} tenants of its own")
        where = " of a cell"
    print(f"{'' if cells > 1 else chr(10)}Postgres{where}")
    print(
        f"  connections: {connections.busy:.0f} busy at the peak, {connections.at_most:,} when every pool of "
        f"{connections.pool_size} is full; {connections.advice}"
    )
    print(
        f"  writes at the peak: {human(postgres.commits_per_s)} commits/s, {human(postgres.rows_per_s)} rows/s, "
        f"WAL {postgres.wal_mb_per_s:.3g} MB/s ({_size(postgres.wal_gb_per_day)} a day)"
    )
    print(
        f"  growth: {postgres.bytes_per_message / 1000:.1f} kB a message with indexes; {_size(postgres.gb_per_day)} a day, "
        f"{_size(postgres.gb_per_month)} a month, {_size(postgres.gb_at_retention)} after {plan.demand.retention_days} days"
    )
    print(f"Redis{where}")
    print(
        f"  {human(redis.commands_per_s)} commands/s at the peak; {redis.memory_mb:,.0f} MB hold the {human(redis.backlog_tasks)} "
        "messages that an hour without workers leaves waiting"
    )


def _print_provider(need: ProviderNeed, demand: Demand) -> None:
    tier = f"tier {need.tier}" if need.tier else f"no published tier is enough (Scale: {', '.join(need.lacking)})"
    print(f"\nAI provider: {tier}\n")
    rows = [
        {
            "model": one.name,
            "requests/min": human(one.requests_per_min),
            "input tokens/min": human(one.input_tokens_per_min),
            "output tokens/min": human(one.output_tokens_per_min),
            "a day": _usd(one.usd_per_day),
        }
        for one in need.models
    ]
    print_rows(rows, as_json=False, empty="")
    print(
        f"{_usd(need.usd_per_day)} a day, {_usd(need.usd_per_month)} a month ({demand.cache_hit_rate:.0%} of calls find the prompt "
        "in the cache; tokens are estimated, within 40 %)"
    )


def _print_limits(limits: list[Limit], demand: Demand) -> None:
    print("\nWhat gives out first\n")
    rows = [
        {
            "reaches to": f"{human(one.messages_per_day)} a day",
            "": "passed" if one.used > 1 else f"{one.used:.0%} used" if one.used >= 0.01 else "",
            "what": one.name,
            "then": one.what_to_do,
        }
        for one in limits
    ]
    print_rows(rows, as_json=False, empty="")
    following = next((one for one in limits if one.used <= 1), None)
    if following:
        print(
            f"\nNext to give out beyond {human(demand.messages_per_day)}: {following.name}, then {following.what_to_do}."
        )


def _print_source(measured: Measured) -> None:
    source = measured.source
    print(f"\nMeasured with `{source.command}` on {source.date}: {source.machine}; {source.messages:,} messages.")
    print("See docs/capacity.md for what is measured, what is assumed, and how to measure on your machine.")
