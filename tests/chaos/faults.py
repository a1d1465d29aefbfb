"""What can go wrong on one machine and at the far sides, as functions that make it happen to a running stack."""

import random
import shutil
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import httpx2
import redis

from tests.chaos.signals import alive, group_of, send, with_children
from tests.running_stack import RunningStack
from worker.broker_queues import QUEUES

# A frozen worker must wake when its lease is somebody else's already (15 s, see docs/architecture.md).
PAST_THE_LEASE_S = 20.0
FROZEN_S = 5.0

# What the receiver's senders may notice of it.
Touches = Literal["nothing", "something dies", "receiver frozen", "Postgres frozen", "broker frozen"]
Act = Callable[[RunningStack, random.Random], None]


@dataclass(frozen=True)
class Fault:
    """act: makes it happen and returns when it is over. goes_on: others may happen meanwhile. is_quick: what it broke is whole
    again within seconds, so that a short campaign can wait for it.
    """

    name: str
    act: Act
    touches: Touches = "nothing"
    goes_on: bool = False
    is_quick: bool = False


def _kill(group: str) -> Act:
    def act(stack: RunningStack, _lot: random.Random) -> None:
        send(group_of(stack, group), signal.SIGKILL)

    return act


def _kill_one(group: str) -> Act:
    """One process that came from the group's, or of the group."""

    def act(stack: RunningStack, lot: random.Random) -> None:
        leaders = group_of(stack, group)
        pids = alive(with_children(leaders))
        children = [pid for pid in pids if pid not in leaders]
        if pids:
            send([lot.choice(children or pids)], signal.SIGKILL)

    return act


def _freeze(group: str, seconds: float) -> Act:
    def act(stack: RunningStack, _lot: random.Random) -> None:
        frozen = with_children(group_of(stack, group))
        send(frozen, signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            send(frozen[::-1], signal.SIGCONT)

    return act


def _broker_with_its_data_gone(stack: RunningStack, _lot: random.Random) -> None:
    if stack.node:
        stack.node.kill()
        stack.node.lose_data()
        stack.node.start()
        return
    send(group_of(stack, "redis"), signal.SIGKILL)
    shutil.rmtree(stack.data / "valkey" / "appendonlydir", ignore_errors=True)


def _flushed(stack: RunningStack, _lot: random.Random) -> None:
    if stack.node:
        with stack.node.connect() as connection:
            for queue in QUEUES:
                connection.default_channel.queue_purge(queue)
        return
    with suppress(redis.RedisError), redis.Redis.from_url(stack.info["redis_url"], socket_timeout=3) as client:
        client.flushall()


def _broker_frozen(stack: RunningStack, lot: random.Random) -> None:
    if not stack.node:
        _freeze("redis", FROZEN_S)(stack, lot)
        return
    stack.node.send(signal.SIGSTOP)
    try:
        time.sleep(FROZEN_S)
    finally:
        stack.node.send(signal.SIGCONT)


def _far_side(provider: str, steps: Sequence[Mapping[str, object]], **every: object) -> Act:
    """The provider answers so as often as the steps say."""

    def act(stack: RunningStack, lot: random.Random) -> None:
        chosen = [{**every, **step} for step in steps]
        lot.shuffle(chosen)
        httpx2.post(f"{stack.info['standins'][provider]}/_script", json={"steps": chosen}, timeout=10)

    return act


_OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "x"}}
_LIMITED = {"type": "error", "error": {"type": "rate_limit_error", "message": "x"}}
# What the model's provider is told to get wrong: such calls are not counted against the calls a message may cost.
_CLAUDE_WRONG = (
    {"status": 529, "times": 20, "body": _OVERLOADED},
    {"status": 429, "times": 5, "body": _LIMITED, "headers": {"retry-after": "2"}},
    {"status": 500, "times": 3, "body": {}},
)
_META_WRONG = (
    {"drop": "after", "times": 2},
    {"drop": "before"},
    {"status": 500, "body": {}, "times": 2},
    {"status": 200, "body": {"half": "an ans"}},
    {"status": 429, "body": {"error": {"code": 130429, "message": "slower"}}, "times": 2},
    {"delay_s": 4, "times": 3},
)
_CRM_WRONG = (
    {"drop": "after", "times": 2},
    {"drop": "before"},
    {"status": 502, "body": "<html>", "times": 2},
    {"status": 429, "body": {}, "headers": {"retry-after": "1"}},
    {"delay_s": 4},
)
_CLAUDE = {"path": "/v1/messages"}
FAULTS = (
    Fault("receiver killed", _kill("receiver"), "something dies", is_quick=True),
    Fault("one receiver process killed", _kill_one("receiver"), "something dies", is_quick=True),
    Fault("receiver frozen", _freeze("receiver", FROZEN_S), "receiver frozen"),
    Fault("all workers killed", _kill("worker"), "something dies"),
    Fault("stages worker killed", _kill("worker:stages"), "something dies", is_quick=True),
    Fault("analyze worker killed", _kill("worker:analyze"), "something dies"),
    Fault("delivery worker and reconciler killed", _kill("worker:delivery"), "something dies"),
    Fault("CRM worker killed", _kill("worker:crm"), "something dies"),
    Fault("stages worker frozen", _freeze("worker:stages", PAST_THE_LEASE_S), goes_on=True),
    Fault("analyze worker frozen", _freeze("worker:analyze", PAST_THE_LEASE_S), goes_on=True),
    Fault("delivery worker and reconciler frozen", _freeze("worker:delivery", PAST_THE_LEASE_S), goes_on=True),
    Fault("CRM worker frozen", _freeze("worker:crm", PAST_THE_LEASE_S), goes_on=True),
    Fault("beat killed", _kill("beat"), "something dies", is_quick=True),
    Fault("beat frozen", _freeze("beat", PAST_THE_LEASE_S), goes_on=True),
    Fault("broker killed, its data gone", _broker_with_its_data_gone, "something dies", is_quick=True),
    Fault("broker emptied", _flushed, "something dies", is_quick=True),
    Fault("broker frozen", _broker_frozen, "broker frozen"),
    Fault("Postgres killed", _kill("postgres"), "something dies", is_quick=True),
    Fault("one Postgres backend killed", _kill_one("postgres"), "something dies", is_quick=True),
    Fault("Postgres frozen", _freeze("postgres", FROZEN_S), "Postgres frozen"),
    Fault("Claude overloaded", _far_side("anthropic", _CLAUDE_WRONG, **_CLAUDE)),
    Fault("Claude's answers lost", _far_side("anthropic", ({"drop": "after", "times": 2},), **_CLAUDE)),
    Fault("Claude late", _far_side("anthropic", ({"delay_s": 6, "times": 10},), **_CLAUDE)),
    Fault("Claude answers half", _far_side("anthropic", ({"status": 200, "body": {"id": "m"}, "times": 2},), **_CLAUDE)),
    Fault("Meta's answers lost, late, half", _far_side("graph", _META_WRONG, method="POST", path="*/messages")),
    Fault("the CRM's answers lost, late, refused", _far_side("hubspot", _CRM_WRONG, method="POST", path="/crm/")),
)  # fmt: skip


def draw(lot: random.Random, number: int, *, quick_only: bool = False) -> list[Fault]:
    """So many faults in an order of the lot's; each kind once before any comes again."""
    kinds = [fault for fault in FAULTS if fault.is_quick or not quick_only]
    drawn: list[Fault] = []
    while len(drawn) < number:
        drawn += lot.sample(kinds, len(kinds))
    return drawn[:number]
