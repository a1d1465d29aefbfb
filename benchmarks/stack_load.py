"""What a whole stack takes at rest and at half of what it can do: `python -m benchmarks.stack_load [--quick]`.

At rest: memory (PSS) and processor time of each process. Loaded: from a signed webhook to the decision's commit, beyond the model's time, by
eight tenants who stay within their share; processor time a message by process, and by stage alone. Limits are for the stack without stand-ins.
"""

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx2

from benchmarks.figures import Row, at_most, number, print_rows
from benchmarks.live_event import running_stack
from benchmarks.many_tenants import Account, add_tenants
from benchmarks.open_pages import percentile
from benchmarks.pipe import run_pipe
from benchmarks.processor_time import ProcessorMeter, groups_of, memory_mb, processor_s
from benchmarks.stage_cost import measure_stages
from benchmarks.steady_load import delays_until_routed_ms, send_steadily

TENANTS, MODEL_S = 8, 1.5
# A stack is at rest when what its programs were forked from has ended (devstack/fork_server.py).
SETTLE_S, IDLE_S, LOADED_S = 45.0, 20.0, 25.0
PROBE, STAGE_MESSAGES = 300, 150
LIMIT_MB, LIMIT_CPU_PERCENT = 450.0, 3.0
LIMIT_P50_MS, LIMIT_P99_MS = 60.0, 300.0


def _all_groups(stack: dict[str, Any]) -> dict[str, list[int]]:
    return groups_of(stack["pids"])


def _supervisor(stack: dict[str, Any]) -> int:
    return stack["pids"]["supervisor"][0]


def idle_rows(stack: dict[str, Any], *, seconds: float = IDLE_S) -> list[Row]:
    """At rest: nothing was sent since the last half minute."""
    groups = _all_groups(stack)
    time.sleep(SETTLE_S)
    whole, meter, began = _supervisor(stack), ProcessorMeter(groups), time.monotonic()
    whole_before_s = processor_s(whole)
    time.sleep(seconds)
    taken_s, elapsed_s = meter.seconds(), time.monotonic() - began
    # The supervisor's tree is everything; what it reads of children that ended counts too.
    cpu = (processor_s(whole) - whole_before_s - taken_s["standins"]) / elapsed_s * 100
    megabytes = {group: memory_mb(pids) for group, pids in groups.items()}
    supervisor_mb = memory_mb([whole]) - sum(megabytes.values())
    total_mb = sum(mb for group, mb in megabytes.items() if group != "standins") + supervisor_mb
    room, is_small = at_most(total_mb, LIMIT_MB, "MB")
    rest, is_calm = at_most(cpu, LIMIT_CPU_PERCENT, "%")
    each = ", ".join(f"{group} {mb:.0f}" for group, mb in sorted(megabytes.items(), key=lambda one: -one[1]))
    calm = ", ".join(
        f"{group} {taken / elapsed_s * 100:.1f}" for group, taken in sorted(taken_s.items(), key=lambda one: -one[1])
    )
    return [
        Row("memory of the stack at rest (PSS), stand-ins left out", f"{number(total_mb)} MB", limit=room, met=is_small),
        Row("… by process, MB", f"{each}, supervisor {supervisor_mb:.0f}"),
        Row("processor of the stack at rest, % of one core, stand-ins left out", f"{number(cpu)} %", limit=rest, met=is_calm),
        Row("… by process, %", calm),
    ]  # fmt: skip


def loaded_rows(
    folder: Path, stack: dict[str, Any], accounts: Sequence[Account], *, is_quick: bool = False
) -> list[Row]:
    """At half of what the pipe does without a model's time, after a look at how much that is."""
    seconds, probe, stage_messages = (6.0, 60, 20) if is_quick else (LOADED_S, PROBE, STAGE_MESSAGES)
    url = f"{stack['standins']['anthropic']}/_latency"
    senders = accounts[:TENANTS]
    stages = measure_stages(folder, stack, messages=stage_messages)
    time.sleep(5)  # rings of what is done already are worked off
    full = run_pipe(stack, messages=probe, wave=60, accounts=senders)
    httpx2.post(url, json={"seconds": MODEL_S}).raise_for_status()
    try:
        send_steadily(stack, senders, per_s=full.per_s / 2, seconds=4, mark="warm-up")
        meter = ProcessorMeter(_all_groups(stack))
        posted_at = send_steadily(stack, senders, per_s=full.per_s / 2, seconds=seconds, mark="half-load")
        routed = delays_until_routed_ms(stack, posted_at, mark="half-load")
        taken_s = meter.seconds()
    finally:
        httpx2.post(url, json={"seconds": 0}).raise_for_status()
    beyond_ms = [delay - MODEL_S * 1000 for delay in routed]
    p50, p99 = percentile(beyond_ms, 0.5), percentile(beyond_ms, 0.99)
    limit50, met50 = at_most(p50, LIMIT_P50_MS, "ms")
    limit99, met99 = at_most(p99, LIMIT_P99_MS, "ms")
    load = f"at {full.per_s / 2:.0f} messages a second, half of {full.per_s:.0f}"
    each = ", ".join(
        f"{group} {taken * 1000 / len(posted_at):.1f}"
        for group, taken in sorted(taken_s.items(), key=lambda one: -one[1])
    )
    alone = ", ".join(f"{stage} {own:.1f} + {postgres:.1f}" for stage, (own, postgres) in stages.items())
    own_ms, postgres_ms = (sum(one[side] for one in stages.values()) for side in (0, 1))
    return [
        Row(f"from a signed webhook to routed, beyond the model's {MODEL_S:g} s, {load}: p50", f"{number(p50)} ms", limit=limit50, met=met50),
        Row("… p99", f"{number(p99)} ms ({len(beyond_ms)} messages)", limit=limit99, met=met99),
        Row("processor time a message by process at half load, ms (upkeep and heart-beats included)", each),
        Row("processor time a message by stage, alone: the stage + Postgres, ms", f"{alone}; together {own_ms:.1f} + {postgres_ms:.1f}"),
    ]  # fmt: skip


def main() -> None:
    """Print the figures."""
    is_quick = "--quick" in sys.argv
    with tempfile.TemporaryDirectory(prefix="earshot-bench-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o711)
        with running_stack(folder) as stack:
            print_rows(idle_rows(stack, seconds=8.0 if is_quick else IDLE_S))
            accounts = add_tenants(folder, stack, count=TENANTS)
            print_rows(loaded_rows(folder, stack, accounts, is_quick=is_quick))


if __name__ == "__main__":
    main()
