"""Processor time of each stage of a message, alone and one after another in one process: without a broker, without links that share a transaction.

Used by benchmarks/stack_load.py, on a stack whose workers stand still.
"""

import os
import signal
import time
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import psycopg

from benchmarks.console_pages import Work
from benchmarks.pipe import ONE_TENANT, bodies
from config.settings import load_settings
from store.runs import RunRef
from worker import analyze_step, steps
from worker.deps import Deps, build_deps

WARM_UP = 20


def stack_deps(folder: Path, stack: dict[str, Any]) -> Deps:
    """What a worker of the stack in this folder holds."""
    secrets = folder / "data" / "secrets"
    environ = {f"{name}_FILE": str(secrets / name) for name in ("DATABASE_URL", "EARSHOT_KEYS")}
    environ |= {
        "REDIS_URL": stack["redis_url"],
        "ANTHROPIC_API_KEY": "stand-in",
        "ANTHROPIC_BASE_URL": stack["standins"]["anthropic"],
        "LOG_LEVEL": "ERROR",
    }
    return build_deps(load_settings(environ))


def measure_stages(folder: Path, stack: dict[str, Any], *, messages: int) -> dict[str, tuple[float, float]]:
    """(milliseconds of a worker's processor time, of Postgres's) a message, by stage in their order."""
    standing_still = [*stack["pids"]["worker"], *stack["pids"]["beat"]]
    for pid in standing_still:
        os.kill(pid, signal.SIGSTOP)
    try:
        refs = _post(stack, messages=messages + WARM_UP)
        deps = stack_deps(folder, stack)
        try:
            _run(deps, refs[:WARM_UP], stack["database_url"])
            return _run(deps, refs[WARM_UP:], stack["database_url"])
        finally:
            deps.database.close()
    finally:
        for pid in standing_still:
            os.kill(pid, signal.SIGCONT)


def _post(stack: dict[str, Any], *, messages: int) -> list[RunRef]:
    with httpx2.Client(timeout=30) as client:
        for body, given in bodies(messages, wave=90, accounts=ONE_TENANT):
            client.post(
                f"{stack['receiver_url']}/webhooks/whatsapp", content=body, headers={"X-Hub-Signature-256": given}
            ).raise_for_status()
    with psycopg.connect(stack["database_url"]) as conn:
        rows = conn.execute(
            "SELECT tenant_id, message_id::text, id::text FROM run WHERE kind = 'initial' AND state = 'received' ORDER BY id"
        ).fetchall()
    assert len(rows) >= messages, f"{len(rows)} of {messages} runs are there"
    return [RunRef(*row) for row in rows]


def _route(deps: Deps, ref: RunRef) -> None:
    steps.route(deps, ref, now=datetime.now(UTC))


STAGES = {
    "minimize": steps.minimize,
    "analyze": analyze_step.analyze,
    "persist": steps.persist,
    "route": _route,
    "crm_sync": steps.crm_sync,
}


def _run(deps: Deps, refs: list[RunRef], owner_url: str) -> dict[str, tuple[float, float]]:
    work = Work(owner_url)
    own_ms: dict[str, float] = defaultdict(float)
    all_ms: dict[str, float] = defaultdict(float)
    for name, stage in STAGES.items():
        before_ms, own_before = work.so_far_ms(), time.process_time()
        for ref in refs:
            stage(deps, ref)
        own_ms[name] = (time.process_time() - own_before) * 1000
        all_ms[name] = work.so_far_ms() - before_ms
    return {name: (own_ms[name] / len(refs), (all_ms[name] - own_ms[name]) / len(refs)) for name in STAGES}
