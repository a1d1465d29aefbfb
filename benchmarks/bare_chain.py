"""A chain of five Celery tasks that do nothing, as Celery comes: what the pipe is measured against."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

import redis
from celery import Celery, chain

from benchmarks.peer_counter import DONE
from benchmarks.processor_time import processor_s, tree_of

END_WITHIN_S = 10.0
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
    client.delete(DONE)
    app.conf.update(broker_url=redis_url)
    with app.connection_for_write() as connection, app.amqp.producer_pool.acquire(block=True):
        for _ in range(chains):
            chain(*[link.si() for _ in range(4)], last.si()).apply_async(connection=connection)
    commands = [
        [sys.executable, "-m", "celery", "--app", "benchmarks.bare_chain", "worker", "--pool", pool, "--concurrency", str(concurrency),
         "--without-gossip", "--without-mingle", "--hostname", f"bare-{number}@%h", "--task-events", "--loglevel", "ERROR"]
        for number in range(processes)
    ]  # fmt: skip
    return empty_backlog(commands, client, chains=chains, environ={"BARE_CHAIN_URL": redis_url})


def empty_backlog(
    commands: Sequence[Sequence[str]], client: "redis.Redis", *, chains: int, environ: Mapping[str, str]
) -> tuple[float, float]:
    """(chains a second, milliseconds of the workers' processor time per chain) while these workers empty what waits.

    The last link of each chain adds one to the key DONE.
    """
    quiet = {"env": {**os.environ, **environ}, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    workers: list[subprocess.Popen[bytes]] = [subprocess.Popen(command, **quiet) for command in commands]
    try:
        # The first ones are gone before all workers are up: the clock runs from a tenth to the end.
        first = _wait_for(client, chains // 10)
        before_s = sum(processor_s(worker.pid) for worker in workers)
        done_before = int(client.get(DONE) or 0)
        end = _wait_for(client, chains)
        taken_s = sum(processor_s(worker.pid) for worker in workers) - before_s
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            _wait_or_kill(worker)
    counted = chains - done_before
    return counted / (end - first), taken_s * 1000 / counted


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
