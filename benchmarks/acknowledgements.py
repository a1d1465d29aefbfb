"""How long a channel waits for its answer while workers work: `python -m benchmarks.acknowledgements [messages a second] [seconds]`.

A whole stack that `earshot up` started; each message is posted three times at once, as channels repeat. First with the workers stopped,
then with them running, beside `/healthz`, which asks nothing of anybody. Load, stand-ins and Postgres share the cores.
"""

import os
import signal
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from benchmarks.live_event import running_stack
from benchmarks.open_pages import percentile
from tests.webhooks import signature, whatsapp_body, whatsapp_message

RATE, SECONDS, TIMES = 10.0, 30.0, 3
# Until the processes have loaded what they need.
WARM_UP_S = 6.0
PULSE_EVERY_S = 0.25


@dataclass
class _Load:
    """Messages at a rate. taken_ms: of answers after the warm-up; bare_ms: of `/healthz`; refused: answers that were not 200."""

    client: httpx2.Client
    url: str
    began: float = field(default_factory=time.monotonic)
    taken_ms: list[float] = field(default_factory=list[float])
    bare_ms: list[float] = field(default_factory=list[float])
    refused: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    def post(self, body: bytes) -> None:
        began = time.perf_counter()
        headers = {"X-Hub-Signature-256": signature(body, "bench-secret")}
        answer = self.client.post(f"{self.url}/webhooks/whatsapp", content=body, headers=headers)
        self.refused += answer.status_code != 200
        self._note(self.taken_ms, began)

    def pulse(self) -> None:
        while not self.over.wait(PULSE_EVERY_S):
            began = time.perf_counter()
            self.client.get(f"{self.url}/healthz")
            self._note(self.bare_ms, began)

    def _note(self, taken: list[float], began: float) -> None:
        if time.monotonic() - self.began > WARM_UP_S:
            taken.append((time.perf_counter() - began) * 1000)

    def run(self, *, rate: float, seconds: float, wave: int) -> None:
        pulse = threading.Thread(target=self.pulse)
        pulse.start()
        with ThreadPoolExecutor(60) as hands:
            for number in range(int(rate * seconds)):
                item = whatsapp_message(
                    "Where is my parcel? I want my money back!",
                    sender=f"90555{wave}{number // 3:06}",
                    timestamp=str(int(time.time())),
                )
                body = whatsapp_body(item)
                for _ in range(TIMES):
                    hands.submit(self.post, body)
                time.sleep(max(0.0, self.began + (number + 1) / rate - time.monotonic()))
        self.over.set()
        pulse.join()


def _measure(stack: dict[str, Any], *, rate: float, seconds: float, wave: int, name: str) -> None:
    with httpx2.Client(timeout=30, limits=httpx2.Limits(max_connections=100)) as client:
        load = _Load(client, str(stack["receiver_url"]))
        load.run(rate=rate, seconds=seconds, wave=wave)
    taken, bare = load.taken_ms, load.bare_ms
    print(
        f"{name:16} {rate:g} messages/s, each {TIMES} times: ack p50 {percentile(taken, 0.5):.0f} ms, p99 {percentile(taken, 0.99):.0f} ms"
        f" (/healthz {percentile(bare, 0.5):.0f} and {percentile(bare, 0.99):.0f} ms); {load.refused} refused"
    )


def main() -> None:
    """Print the figures."""
    rate = float(sys.argv[1]) if len(sys.argv) > 1 else RATE
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else SECONDS
    with tempfile.TemporaryDirectory(prefix="earshot-bench-", dir="/tmp") as folder:
        Path(folder).chmod(0o711)
        with running_stack(Path(folder)) as stack:
            working = [*stack["pids"]["worker"], *stack["pids"]["beat"]]
            for pid in working:
                os.kill(pid, signal.SIGSTOP)
            _measure(stack, rate=rate, seconds=seconds, wave=1, name="workers stopped")
            for pid in working:
                os.kill(pid, signal.SIGCONT)
            time.sleep(20)  # what waited is worked off
            _measure(stack, rate=rate, seconds=seconds, wave=2, name="workers running")


if __name__ == "__main__":
    main()
