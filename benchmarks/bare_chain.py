"""A chain of five Celery tasks that do nothing, as Celery comes: what the pipe is measured against."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import redis
from celery import Celery, chain

from benchmarks.peer_counter import DONE
from benchmarks.processor_time import processor_s, tree_of

END_WITHIN_S = 10.0
WARM_UP = 40
# Of processor time in a second, of workers that do nothing.
IDLE_S = 0.05
_URL = os.environ.get("BARE_CHAIN_URL", "redis://127.0.0.1:1/0")

app = Celery("bare_chain", broker=_URL)
app.conf.update(task_ignore_result=True, task_acks_late=True, worker_send_task_events=True)
_client = redis.Redis.from_url(_URL)


@app.task(name="bare.link")
def link() -> None:
    """Nothing."""


@app.task(name="bare.last")
def last() -> None:
    """Nothing but to be counted."""
    _client.incr(DONE)


def measure_bare_chain(
    redis_url: str, *, chains: int, pool: str = "threads", concurrency: int = 4, processes: int = 2
) -> tuple[float, float]:
    """(chains a second, milliseconds of processor time of the workers per chain): a backlog that workers with events on empty."""
    client = redis.Redis.from_url(redis_url)
    app.conf.update(broker_url=redis_url)

    def enqueue(count: int) -> None:
        with app.connection_for_write() as connection, app.amqp.producer_pool.acquire(block=True):
            for _ in range(count):
                chain(*[link.si() for _ in range(4)], last.si()).apply_async(connection=connection)

    commands = [
        [sys.executable, "-m", "celery", "--app", "benchmarks.bare_chain", "worker", "--pool", pool, "--concurrency", str(concurrency),
         "--without-gossip", "--without-mingle", "--hostname", f"bare-{number}@%h", "--task-events", "--loglevel", "ERROR"]
        for number in range(processes)
    ]  # fmt: skip
    return empty_backlog(commands, client, enqueue=enqueue, chains=chains, environ={"BARE_CHAIN_URL": redis_url})


def empty_backlog(
    commands: Sequence[Sequence[str]],
    client: "redis.Redis",
    *,
    enqueue: Callable[[int], None],
    chains: int,
    environ: Mapping[str, str],
) -> tuple[float, float]:
    """(chains a second, milliseconds of the workers' processor time per chain) while these workers empty what waits.

    The last link of each chain adds one to the key DONE. Queues are worked off from the front, so that all chains end in the last fifth of
    the time: the clock runs from the first link. Until everything waits, workers that are warm stand still.
    """
    client.delete(DONE)
    quiet = {"env": {**os.environ, **environ}, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    workers: list[subprocess.Popen[bytes]] = [subprocess.Popen(command, **quiet) for command in commands]
    try:
        enqueue(WARM_UP)
        _wait_for(client, WARM_UP)
        _wait_until_idle(workers)
        _signal(workers, signal.SIGSTOP)
        try:
            enqueue(chains)
        finally:
            before_s, began = sum(processor_s(worker.pid) for worker in workers), time.monotonic()
            _signal(workers, signal.SIGCONT)
        took_s = _wait_for(client, WARM_UP + chains) - began
        taken_s = sum(processor_s(worker.pid) for worker in workers) - before_s
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            _wait_or_kill(worker)
    return chains / took_s, taken_s * 1000 / chains


def _signal(workers: Sequence["subprocess.Popen[bytes]"], number: signal.Signals) -> None:
    for pid in (one for worker in workers for one in tree_of(worker.pid)):
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _wait_until_idle(workers: Sequence["subprocess.Popen[bytes]"]) -> None:
    """One may still be loading while another has worked already."""
    give_up_at = time.monotonic() + 30
    before_s = -1.0
    while (now_s := sum(processor_s(worker.pid) for worker in workers)) - before_s > IDLE_S and time.monotonic() < give_up_at:  # fmt: skip
        before_s = now_s
        time.sleep(1)


def _wait_or_kill(worker: "subprocess.Popen[bytes]") -> None:
    try:
        worker.wait(END_WITHIN_S)
    except subprocess.TimeoutExpired:  # some wait for their next message first; nothing is left to lose
        for pid in tree_of(worker.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        worker.wait()


def _wait_for(client: "redis.Redis", count: int) -> float:
    give_up_at = time.monotonic() + 300
    while int(client.get(DONE) or 0) < count:  # pyright: ignore[reportArgumentType] -- not an awaitable here
        assert time.monotonic() < give_up_at, "the chains do not end"
        time.sleep(0.05)
    return time.monotonic()
