"""How many messages a second the whole pipe takes, and what each costs: `python -m benchmarks.pipe [messages] [seconds the model takes]`.

A whole stack that `earshot up` started, with real commits; load, stand-ins and Postgres share its cores. Measured beside a chain of five
Celery tasks that do nothing, on the same broker.
"""

import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import psycopg

from benchmarks.bare_chain import measure_bare_chain
from benchmarks.live_event import running_stack
from benchmarks.many_tenants import Account
from benchmarks.processor_time import ProcessorMeter, groups_of
from tests.webhooks import signature, whatsapp_body, whatsapp_message

MESSAGES, CHAINS = 3000, 2000
PER_BODY = 10
MESSAGES_PER_CUSTOMER = 3
IN_FLIGHT = 40
# The tenant that every stack of a benchmark has.
ONE_TENANT = (Account("111000111", "bench-secret"),)
SETTLE_WITHIN_S = 600.0
# A look takes a quarter of a millisecond of the cores that are measured.
LOOK_AGAIN_S = 0.025
# What is not ours, or no part of a message's way.
FOREIGN = {"postgres", "redis", "standins", "flower", "console"}
WORDS = (
    "Where is my parcel? It should have been here on Monday.",
    "I want my money back, this is the third time!",
    "Thank you, it fits.",
    "How much is the blue one in size M?",
    "Kargom nerede? Üç gündür bekliyorum.",
    "Mein Konto ist gesperrt, bitte helfen Sie mir.",
)


@dataclass(frozen=True)
class PipeFigures:
    """One run. cpu_ms: processor time per message, by group of processes. provisional: decisions made before the model had answered."""

    messages: int
    seconds: float
    cpu_ms: dict[str, float]
    provisional: int

    @property
    def per_s(self) -> float:
        """Messages a second, from the first webhook to the last finished run."""
        return self.messages / self.seconds

    @property
    def own_cpu_ms(self) -> float:
        """Of our own processes."""
        return sum(taken for group, taken in self.cpu_ms.items() if group not in FOREIGN)


def bodies(count: int, *, wave: int, accounts: Sequence[Account]) -> Iterator[tuple[bytes, str]]:
    """(body, signature), by turns for the accounts; each message of a customer of its own or of one who wrote before."""
    for start in range(0, count, PER_BODY):
        account = accounts[start // PER_BODY % len(accounts)]
        items = [
            whatsapp_message(
                WORDS[number % len(WORDS)],
                sender=f"90555{wave:02}{number // MESSAGES_PER_CUSTOMER:05}",
                timestamp=str(int(time.time())),
            )
            for number in range(start, min(start + PER_BODY, count))
        ]
        body = whatsapp_body(*items, account=account.account_id)
        yield body, signature(body, account.secret)


def run_pipe(
    stack: dict[str, Any],
    *,
    messages: int,
    wave: int,
    in_flight: int = IN_FLIGHT,
    accounts: Sequence[Account] = ONE_TENANT,
) -> PipeFigures:
    """Post them, never more than `in_flight` unfinished, and wait until every run is finished. A backlog of seconds would be measured with
    what the product does about it: provisional readings, rings of the reconciler.
    """
    signed = list(bodies(messages, wave=wave, accounts=accounts))
    meter = ProcessorMeter(groups_of(stack["pids"]))
    began = time.monotonic()
    with httpx2.Client(timeout=30) as client, psycopg.connect(stack["database_url"], autocommit=True) as conn:

        def wait_until_open(count: int) -> None:
            while True:
                row = conn.execute("SELECT count(*) FROM run WHERE state <> 'dead' AND kind <> 'canary'").fetchone()
                if row is not None and row[0] <= count:
                    return
                assert time.monotonic() - began < SETTLE_WITHIN_S, "the pipe does not settle"
                time.sleep(LOOK_AGAIN_S)

        for body, given in signed:
            wait_until_open(in_flight - PER_BODY)
            answer = client.post(
                f"{stack['receiver_url']}/webhooks/whatsapp", content=body, headers={"X-Hub-Signature-256": given}
            )
            answer.raise_for_status()
        wait_until_open(0)
        seconds = time.monotonic() - began
        left = conn.execute("SELECT count(*) FROM message WHERE state <> 'done'").fetchone()
        again = conn.execute("SELECT count(*) FROM routing_decision WHERE provisional").fetchone()
    assert left == (0,), f"{left} are not done"
    taken = {group: used * 1000 / messages for group, used in meter.seconds().items()}
    return PipeFigures(messages, seconds, taken, provisional=again[0] if again else 0)


def print_pipe(figures: PipeFigures, *, model_s: float) -> None:
    """A table."""
    print(
        f"\nwhole pipe, model answers after {model_s:g} s: {figures.per_s:.0f} messages/s ({figures.messages} in {figures.seconds:.1f} s)"
    )
    for group, taken in sorted(figures.cpu_ms.items(), key=lambda one: -one[1]):
        print(
            f"  {group:16} {taken:6.2f} ms of processor a message{'' if group not in FOREIGN else '  (not counted as ours)'}"
        )
    print(f"  {'ours':16} {figures.own_cpu_ms:6.2f} ms; {figures.provisional} provisional decisions")


def main() -> None:
    """Print the figures."""
    messages = int(sys.argv[1]) if len(sys.argv) > 1 else MESSAGES
    model_s = float(sys.argv[2]) if len(sys.argv) > 2 else 0.0
    with tempfile.TemporaryDirectory(prefix="earshot-bench-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o711)
        with running_stack(folder) as stack:
            httpx2.post(f"{stack['standins']['anthropic']}/_latency", json={"seconds": model_s}).raise_for_status()
            run_pipe(stack, messages=200, wave=1)  # workers load the model's SDK at their first call
            figures = run_pipe(stack, messages=messages, wave=2)
            print_pipe(figures, model_s=model_s)
            if not model_s:
                bare_per_s, bare_ms = measure_bare_chain(stack["redis_url"], chains=CHAINS)
                print(
                    f"bare chain of five: {bare_per_s:.0f} chains/s, {bare_ms:.2f} ms; ratio {figures.per_s / bare_per_s:.2f}"
                )


if __name__ == "__main__":
    main()
