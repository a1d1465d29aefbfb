"""One seed: load, faults one after the other, calm, and what broke for good."""

import random
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

import psycopg

from tests.chaos.faults import Fault, draw
from tests.chaos.invariants import list_unsettled, violations
from tests.chaos.load import Producer
from tests.conftest import ACME
from tests.running_stack import RunningStack, start_stack, stop_stack

HEALED_WITHIN_S = 60.0
GIVEN_UP_AFTER_S = 240.0
BETWEEN_FAULTS_S = 2.5


@dataclass(frozen=True)
class Report:
    """faults: names in their order. healed_s: by kind of work, how long after the last fault and the load some of it was on its way.

    ack_ms: median and 99th percentile of the receiver's 200s. broken: what must not be, as sentences.
    """

    seed: int
    messages: int
    faults: tuple[str, ...]
    healed_s: dict[str, float]
    ack_ms: tuple[float, float]
    broken: tuple[str, ...]


def run_campaign(data: Path, *, seed: int, messages: int, faults: int, rate: float = 20.0) -> Report:
    """Start a stack of its own below `data`, break it `faults` times under `messages` messages, and look.

    Everything that is drawn comes from the seed; when things happen depends on the machine.
    """
    lot = random.Random(seed)  # noqa: S311
    stack = start_stack(data / "stack", LOG_LEVEL="DEBUG")
    try:
        path = data / "acme.toml"
        path.write_text(ACME, encoding="utf-8")
        applied = stack.cli("tenant", "apply", str(path))
        assert applied.returncode == 0, applied.stderr
        producer = Producer(
            url=f"{stack.info['receiver_url']}/webhooks/whatsapp",
            secret="acme-secret",
            messages=messages,
            rate=rate,
            lot=random.Random(seed + 1),  # noqa: S311
        )
        loading = threading.Thread(target=producer.run)
        loading.start()
        chosen = draw(lot, faults)
        _break(stack, chosen, lot)
        loading.join()
        healed_s = _calm(stack)
        broken = [*violations(stack, producer)]
        broken += [f"{what} took {took:.0f} s to heal" for what, took in healed_s.items() if took > HEALED_WITHIN_S]
        took = [one.took_s * 1000 for one in producer.answers if one.status == 200]
        ack_ms = (median(took), quantiles(took, n=100)[98])
        return Report(seed, messages, tuple(one.name for one in chosen), healed_s, ack_ms, tuple(broken))
    finally:
        stop_stack(stack)


def _break(stack: RunningStack, faults: list[Fault], lot: random.Random) -> None:
    for fault in faults:
        time.sleep(BETWEEN_FAULTS_S * lot.uniform(0.6, 1.4))
        fault.act(stack, lot)


def _calm(stack: RunningStack) -> dict[str, float]:
    """Wait until nothing is on its way; returns by kind of work when the last of it was seen, in seconds."""
    began, seen = time.monotonic(), dict[str, float]()
    while (now := time.monotonic() - began) < GIVEN_UP_AFTER_S:
        with suppress(psycopg.Error):  # Postgres may be on its way back
            unsettled = list_unsettled(stack)
            if not unsettled:
                return seen
            seen |= dict.fromkeys(unsettled, now)
        time.sleep(0.5)
    return seen
