"""What can go wrong on one machine and at the far sides, as functions that make it happen to a running stack."""

import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2
import redis

from tests.running_stack import RunningStack

# A frozen worker must wake when its lease is somebody else's already (15 s, see docs/architecture.md).
PAST_THE_LEASE_S = 20.0
FROZEN_S = 5.0


@dataclass(frozen=True)
class Fault:
    """act: makes it happen and returns when it is over. lasts_s: how long that takes at least."""

    name: str
    act: Callable[[RunningStack, random.Random], None]
    lasts_s: float = 0.0


def _alive(pids: list[int]) -> list[int]:
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def _with_children(pids: list[int]) -> list[int]:
    """The processes and all that came from them, parents first."""
    found = list(pids)
    for pid in found:
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            with suppress(OSError):
                found += [int(child) for child in task.read_text().split()]
    return found


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _kill(group: str) -> Callable[[RunningStack, random.Random], None]:
    def act(stack: RunningStack, _lot: random.Random) -> None:
        _signal(_alive(stack.info["pids"][group]), signal.SIGKILL)

    return act


def _kill_one(group: str) -> Callable[[RunningStack, random.Random], None]:
    """One process of the group, or one that came from it."""

    def act(stack: RunningStack, lot: random.Random) -> None:
        pids = _alive(_with_children(stack.info["pids"][group]))
        if pids:
            _signal([lot.choice(pids)], signal.SIGKILL)

    return act


def _freeze(group: str, seconds: float, *, one: bool = False) -> Callable[[RunningStack, random.Random], None]:
    def act(stack: RunningStack, lot: random.Random) -> None:
        pids = _alive(stack.info["pids"][group])
        if not pids:
            return
        frozen = _with_children([lot.choice(pids)] if one else pids)
        _signal(frozen, signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            _signal(frozen[::-1], signal.SIGCONT)

    return act


def _redis_with_its_data_gone(stack: RunningStack, _lot: random.Random) -> None:
    _signal(_alive(stack.info["pids"]["redis"]), signal.SIGKILL)
    shutil.rmtree(stack.data / "valkey" / "appendonlydir", ignore_errors=True)


def _flushed(stack: RunningStack, _lot: random.Random) -> None:
    with suppress(redis.RedisError), redis.Redis.from_url(stack.info["redis_url"], socket_timeout=3) as client:
        client.flushall()


def _far_side(provider: str, steps: list[dict[str, object]]) -> Callable[[RunningStack, random.Random], None]:
    """The provider answers so as often as the steps say."""

    def act(stack: RunningStack, lot: random.Random) -> None:
        chosen = [dict(step) for step in steps]
        lot.shuffle(chosen)
        httpx2.post(f"{stack.info['standins'][provider]}/_script", json={"steps": chosen}, timeout=10)

    return act


_OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "x"}}
_CLAUDE = "/v1/messages"
FAULTS = (
    Fault("receiver killed", _kill("receiver")),
    Fault("a receiver process killed", _kill_one("receiver")),
    Fault("receiver frozen", _freeze("receiver", FROZEN_S), FROZEN_S),
    Fault("all workers killed", _kill("worker")),
    Fault("one worker killed", _kill_one("worker")),
    Fault("one worker frozen past its lease", _freeze("worker", PAST_THE_LEASE_S, one=True), PAST_THE_LEASE_S),
    Fault("beat killed", _kill("beat")),
    Fault("broker killed, its data gone", _redis_with_its_data_gone),
    Fault("broker emptied", _flushed),
    Fault("broker frozen", _freeze("redis", FROZEN_S), FROZEN_S),
    Fault("Postgres killed", _kill("postgres")),
    Fault("a Postgres backend killed", _kill_one("postgres")),
    Fault("Postgres frozen", _freeze("postgres", FROZEN_S), FROZEN_S),
    Fault("Claude overloaded", _far_side("anthropic", [{"path": _CLAUDE, "status": 529, "times": 20, "body": _OVERLOADED}])),
    Fault("Claude's answers lost", _far_side("anthropic", [{"path": _CLAUDE, "drop": "after", "times": 2}])),
    Fault("Claude late", _far_side("anthropic", [{"path": _CLAUDE, "delay_s": 6, "times": 10}])),
    Fault("Claude answers half", _far_side("anthropic", [{"path": _CLAUDE, "status": 200, "body": {"id": "msg"}, "times": 2}])),
    Fault(
        "Meta's answers lost, late, refused",
        _far_side(
            "graph",
            [
                {"method": "POST", "path": "*/messages", **step}
                for step in (
                    {"drop": "after", "times": 2},
                    {"drop": "before"},
                    {"status": 500, "body": {}, "times": 2},
                    {"status": 429, "body": {"error": {"code": 130429, "message": "slower"}}, "times": 2},
                    {"delay_s": 4, "times": 3},
                )
            ],
        ),
    ),
    Fault(
        "the CRM's answers lost, late, refused",
        _far_side(
            "hubspot",
            [
                {"method": "POST", "path": "/crm/", **step}
                for step in (
                    {"drop": "after", "times": 2},
                    {"drop": "before"},
                    {"status": 502, "body": "<html>", "times": 2},
                    {"delay_s": 4},
                )
            ],
        ),
    ),
)  # fmt: skip


def draw(lot: random.Random, number: int) -> list[Fault]:
    """So many faults in an order of the lot's; each kind once before any comes again."""
    drawn: list[Fault] = []
    while len(drawn) < number:
        drawn += lot.sample(FAULTS, len(FAULTS))
    return drawn[:number]
