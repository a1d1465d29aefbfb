"""One seed: load, faults one after the other, calm, and what holds then."""

import random
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import httpx2
import psycopg

from tests.chaos.faults import Fault, draw
from tests.chaos.invariants import Finding, list_unsettled, look
from tests.chaos.load import Producer, Pulse
from tests.chaos.speed import Happening, judge_speed
from tests.conftest import ACME
from tests.rabbitmq import RabbitMq
from tests.running_stack import RunningStack, start_stack, stop_stack

HEALED_WITHIN_S = 60.0
GIVEN_UP_AFTER_S = 240.0
BETWEEN_FAULTS_S = 2.5
# Of the load, before anything breaks: what calm is here, once connections stand.
CALM_S = 10.0
WARM_UP_S = 3.0
# An applied tenant file is live within five seconds.
LIVE_AFTER_S = 3.0


Broker = Literal["redis", "amqp"]


@dataclass(frozen=True)
class Campaign:
    """What one seed does. rate: messages a second, each of which is sent three times."""

    seed: int
    messages: int = 1500
    faults: int = 26
    rate: float = 20.0
    quick_only: bool = False
    between_s: float = BETWEEN_FAULTS_S
    calm_s: float = CALM_S
    broker: Broker = "redis"


@dataclass(frozen=True)
class Report:
    """happenings: the faults as they happened. healed_s: by kind of work, how long some of it was on its way after the last fault."""

    campaign: Campaign
    happenings: tuple[Happening, ...]
    healed_s: dict[str, float]
    findings: tuple[Finding, ...]
    took_s: float

    @property
    def broken(self) -> list[Finding]:
        """Promises that did not hold."""
        return [finding for finding in self.findings if not finding.holds]

    @property
    def broken_at_any_speed(self) -> list[Finding]:
        """Those for which no busy machine is an excuse."""
        return [finding for finding in self.broken if not finding.is_speed]


def run_campaign(data: Path, campaign: Campaign) -> Report:
    """Start a stack of its own below `data`, break it again and again under load, and look.

    Everything that is drawn comes from the seed; when things happen depends on the machine.
    """
    began = time.monotonic()
    node = RabbitMq(data / "rabbitmq") if campaign.broker == "amqp" else None
    stack: RunningStack | None = None
    try:
        if node:
            node.start()
        address = {"BROKER_URL": node.url} if node else {}
        stack = start_stack(data / "stack", EARSHOT_EQUAL_SHARES="0", **address)
        stack.node = node
        path = data / "acme.toml"
        path.write_text(ACME, encoding="utf-8")
        applied = stack.cli("tenant", "apply", str(path))
        assert applied.returncode == 0, applied.stderr
        time.sleep(LIVE_AFTER_S)
        producer = Producer(
            url=f"{stack.info['receiver_url']}/webhooks/whatsapp",
            secret="acme-secret",
            messages=campaign.messages,
            rate=campaign.rate,
            lot=random.Random(campaign.seed + 1),
        )
        pulse = Pulse(f"{stack.info['receiver_url']}/healthz")
        warm_at = time.monotonic() + WARM_UP_S
        working = [threading.Thread(target=producer.run), threading.Thread(target=pulse.run)]
        for thread in working:
            thread.start()
        happenings = _Breaker(stack, campaign).run()
        working[0].join()
        pulse.stop()
        working[1].join()
        healed_s = calm(stack)
        slowest = max(healed_s.values(), default=0.0)
        healed = Finding(
            "healed within 60 s of the last fault",
            f"{slowest:.0f} s {healed_s}",
            slowest <= HEALED_WITHIN_S,
            is_speed=True,
        )
        warm = [answer for answer in producer.answers if answer.began >= warm_at]
        findings = [*look(stack, producer.sent), healed, *judge_speed(warm, pulse.answers, happenings)]
        return Report(campaign, tuple(happenings), healed_s, tuple(findings), time.monotonic() - began)
    finally:
        if stack:
            stop_stack(stack)
        if node:
            node.stop()


@dataclass
class _Breaker:
    """Makes one campaign's faults happen, and notes when they did."""

    stack: RunningStack
    campaign: Campaign
    happenings: list[Happening] = field(default_factory=list[Happening])

    def run(self) -> list[Happening]:
        """Returns when all faults are over."""
        lot = random.Random(self.campaign.seed)
        time.sleep(self.campaign.calm_s)
        going_on: list[threading.Thread] = []
        for fault in draw(lot, self.campaign.faults, quick_only=self.campaign.quick_only):
            time.sleep(self.campaign.between_s * lot.uniform(0.6, 1.4))
            act = threading.Thread(target=self._happen, args=(fault, random.Random(lot.random())), name=fault.name)
            act.start()
            if fault.goes_on:
                going_on.append(act)
            else:
                act.join()
        for act in going_on:
            act.join()
        # What the far sides were told to get wrong and had no occasion for would go on as a fault for ever.
        for url in self.stack.info["standins"].values():
            httpx2.delete(f"{url}/_script", timeout=10)
        return self.happenings

    def _happen(self, fault: Fault, lot: random.Random) -> None:
        began = time.monotonic()
        fault.act(self.stack, lot)
        self.happenings.append(Happening(fault.name, fault.touches, began, time.monotonic()))


def calm(stack: RunningStack, *, give_up_after_s: float = GIVEN_UP_AFTER_S) -> dict[str, float]:
    """Wait until nothing is on its way; returns by kind of work when the last of it was seen, in seconds."""
    began, seen = time.monotonic(), dict[str, float]()
    while (now := time.monotonic() - began) < give_up_after_s:
        with suppress(psycopg.Error):  # Postgres may be on its way back
            unsettled = list_unsettled(stack)
            if not unsettled:
                break
            seen |= dict.fromkeys(unsettled, round(now, 1))
        time.sleep(0.5)
    return seen
