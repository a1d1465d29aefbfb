"""Calls of the model by many threads of one process: run by benchmarks/model_calls.py.

`python -m benchmarks.model_caller ours|sdk URL THREADS SECONDS`: prints one JSON object. ours: the product's analyzer; sdk: the Anthropic SDK as
it comes, with the same request.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Callable

import anthropic

from analysis.claude import Claude
from analysis.cost_estimate import typical_request
from benchmarks.cost import DEFAULT
from benchmarks.processor_time import memory_mb

# Two answers of 1.5 s, until all threads have their connection.
WARM_UP_S = 3.5
TIMEOUT_S = 30.0


def make_call(kind: str, url: str) -> Callable[[], None]:
    """What one thread does over and over."""
    request = typical_request()
    claude = Claude(api_key="stand-in", base_url=url, model=DEFAULT, timeout_s=TIMEOUT_S)
    call = claude.prepare(request)
    topics = tuple(request.topics)
    if kind == "ours":
        return lambda: claude.analyze(call, topics=topics) and None
    client = anthropic.Anthropic(api_key="stand-in", base_url=url, max_retries=0, timeout=TIMEOUT_S)
    body = {
        "model": call.model,
        "system": json.loads(call.system_text),
        "messages": [{"role": "user", "content": call.user_turn}],
        **call.parameters,
        "max_tokens": call.max_tokens,
    }
    return lambda: client.messages.create(**body) and None


def measure(call: Callable[[], None], *, threads: int, seconds: float) -> dict[str, float]:
    """per_s, cpu_ms a call, mb_per_call in flight (PSS)."""
    call()
    before_mb = memory_mb([os.getpid()])
    over = threading.Event()
    done = [0] * threads

    def work(number: int) -> None:
        while not over.is_set():
            call()
            done[number] += 1

    for number in range(threads):
        threading.Thread(target=work, args=(number,), daemon=True).start()
    time.sleep(WARM_UP_S)
    began, cpu_before, done_before = time.monotonic(), time.process_time(), sum(done)
    time.sleep(seconds)
    taken_s, cpu_s, finished = time.monotonic() - began, time.process_time() - cpu_before, sum(done) - done_before
    more_mb = memory_mb([os.getpid()]) - before_mb
    over.set()
    assert finished, "no call was answered"
    return {"per_s": finished / taken_s, "cpu_ms": cpu_s * 1000 / finished, "mb_per_call": more_mb / threads}


def main() -> None:
    """Print the figures as JSON."""
    kind, url, threads, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    print(json.dumps(measure(make_call(kind, url), threads=threads, seconds=seconds)), flush=True)
    os._exit(0)  # calls that are under way are nobody's


if __name__ == "__main__":
    main()
