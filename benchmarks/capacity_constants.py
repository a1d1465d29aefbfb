"""What one message costs, as `earshot capacity` reads it: `python -m benchmarks.capacity_constants > cli/capacity_measured.json`.

A whole stack that `earshot up` started, with eight tenants that have a CRM and automations, and a model that answers at once. Load,
stand-ins and Postgres share its cores: processor time is counted by process, so that others on the machine lengthen the run and change
the figures little. Progress goes to stderr. Takes three minutes on two cores that nobody else uses.
"""

import argparse
import json
import os
import platform
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import redis

from benchmarks.capacity_load import Passed, Stack, add_tenants, make_posts, read_stack_file
from benchmarks.database_clients import ELSEWHERE, DatabaseClients
from benchmarks.live_event import running_stack
from benchmarks.processor_time import ProcessorMeter, groups_of, memory_mb
from store.accounting import count_hours
from store.label_days import recount_day

MESSAGES, LONG_MESSAGES, FLOOD_MESSAGES = 2000, 800, 800
LONG_CHARS = 400
WARM_UP = 240
IN_FLIGHT = 40
IDLE_S = 20.0
# Cards are written to the CRM in batches some seconds after the last message.
CRM_SETTLES_WITHIN_S = 40.0
WAITING = 300
UPKEEP_TRIES = 7
# Where the words of a message stand; a long one makes other tables grow by chance only.
WORDY = ("message", "message_raw", "egress")
# Groups of stack.json to the names of the plan.
KINDS = {
    "receiver": "receiver",
    "worker analyze": "analyze",
    "worker stages": "stages",
    "worker delivery": "delivery",
    "worker crm": "crm",
    "beat": "beat",
    "console": "console",
    "flower": "flower",
    "postgres": "postgres",
    "redis": "redis",
    "standins": "standins",
}


def say(words: str) -> None:
    """For a person who waits."""
    print(words, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Counters:
    """What has been counted since the stack started. cpu_s: processor seconds by kind; asked_s: Postgres's by the kind that asked, without
    what this program asked. tables: bytes by table with its indexes.
    """

    at: float
    cpu_s: Mapping[str, float]
    asked_s: Mapping[str, float]
    wal_bytes: int
    commits: int
    rows_written: int
    redis_commands: int
    tables: Mapping[str, int]


class Reader:
    """Reads the counters of a running stack."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        groups = groups_of(stack.info["pids"])
        self._meter = ProcessorMeter(groups)
        self._clients = DatabaseClients(stack.info["database_url"], groups)
        self._redis = redis.Redis.from_url(stack.info["redis_url"])

    def read(self, *, vacuum: bool = False) -> Counters:
        """Now. vacuum: free what updates left behind first, so that sizes are those of a table in its stride."""
        if vacuum:
            with psycopg.connect(self._stack.info["database_url"], autocommit=True) as conn:
                conn.execute("VACUUM")
        written = "sum(tup_inserted + tup_updated + tup_deleted)::bigint"
        commands: Any = self._redis.info("stats")
        asked_s = self._clients.seconds()
        cpu_s = {KINDS[group]: used for group, used in self._meter.seconds().items() if group in KINDS}
        cpu_s["postgres"] -= asked_s.get(ELSEWHERE, 0.0)
        return Counters(
            at=time.monotonic(),
            cpu_s=cpu_s,
            asked_s={KINDS[group]: asked_s.get(group, 0.0) for group in KINDS},
            wal_bytes=int(self._stack.one("SELECT wal_bytes FROM pg_stat_wal")),
            commits=self._stack.one("SELECT sum(xact_commit)::bigint FROM pg_stat_database"),
            rows_written=self._stack.one(f"SELECT {written} FROM pg_stat_database"),  # noqa: S608 -- a constant of ours
            redis_commands=int(commands["total_commands_processed"]),
            tables=table_bytes(self._stack),
        )

    def settle(self) -> None:
        """Until the CRM has been told everything."""
        give_up_at, before = time.monotonic() + CRM_SETTLES_WITHIN_S, -1
        while time.monotonic() < give_up_at:
            now = self._stack.one("SELECT count(*) FROM crm_write")
            waiting = self._stack.one("SELECT count(*) FROM crm_state WHERE version > written_version")
            if now == before and not waiting:
                return
            before = now
            time.sleep(4)

    def redis_bytes(self, key: str) -> int:
        """Of one key, with what it holds."""
        used: Any = self._redis.memory_usage(key, samples=0)
        return int(used or 0)

    def redis_length(self, key: str) -> int:
        """Tasks that wait in a queue."""
        length: Any = self._redis.llen(key)
        return int(length)


def table_bytes(stack: Stack) -> dict[str, int]:
    """Bytes of each table with its indexes and TOAST; months count as the table they are months of."""
    with psycopg.connect(stack.info["database_url"]) as conn:
        rows = conn.execute(
            """
            SELECT coalesce(p.relname, c.relname), sum(pg_total_relation_size(c.oid))::bigint
            FROM pg_class AS c
            LEFT JOIN pg_inherits AS i ON i.inhrelid = c.oid
            LEFT JOIN pg_class AS p ON p.oid = i.inhparent
            WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
            GROUP BY 1
            """
        ).fetchall()
    return dict(rows)


@dataclass(frozen=True)
class Idle:
    """A second of a stack in which nothing comes: cores by kind, and counts a second."""

    cores: Mapping[str, float]
    asked_cores: Mapping[str, float]
    redis_commands_per_s: float
    wal_bytes_per_s: float
    commits_per_s: float


def measure_idle(reader: Reader) -> Idle:
    """Over IDLE_S."""
    before = reader.read()
    time.sleep(IDLE_S)
    after = reader.read()
    seconds = after.at - before.at
    return Idle(
        {kind: (after.cpu_s[kind] - used) / seconds for kind, used in before.cpu_s.items()},
        {kind: (after.asked_s[kind] - used) / seconds for kind, used in before.asked_s.items()},
        (after.redis_commands - before.redis_commands) / seconds,
        (after.wal_bytes - before.wal_bytes) / seconds,
        (after.commits - before.commits) / seconds,
    )


def cpu_ms(before: Counters, after: Counters, idle: Idle, *, messages: int) -> dict[str, float]:
    """By kind and message, without what an idle stack takes in the same time."""
    return _a_message(before.cpu_s, after.cpu_s, idle.cores, seconds=after.at - before.at, messages=messages)


def postgres_ms(before: Counters, after: Counters, idle: Idle, *, messages: int) -> dict[str, float]:
    """Postgres's part of it by the kind that asked; the rest is its own upkeep (WAL, checkpoints, vacuum)."""
    return _a_message(before.asked_s, after.asked_s, idle.asked_cores, seconds=after.at - before.at, messages=messages)


def _a_message(
    before: Mapping[str, float], after: Mapping[str, float], idle: Mapping[str, float], *, seconds: float, messages: int
) -> dict[str, float]:
    return {
        kind: round(max(0.0, after[kind] - used - idle[kind] * seconds) * 1000 / messages, 2)
        for kind, used in before.items()
    }


def grown(before: Counters, after: Counters, *, messages: int) -> dict[str, int]:
    """Bytes a message by table; tables that do not grow with messages are left out."""
    return {
        table: size
        for table in sorted(after.tables)
        if (size := round((after.tables[table] - before.tables.get(table, 0)) / messages)) > 0
    }


def measure_waiting(stack: Stack, reader: Reader) -> tuple[float, int]:
    """(bytes in Redis, how many) of messages that wait for workers that stand still for a moment."""
    pids = [
        pid for group, found in groups_of(stack.info["pids"]).items() if group.startswith("worker") for pid in found
    ]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        for post in make_posts(WAITING, wave=90):
            stack.post(post)
        time.sleep(1)
        waiting = {queue: reader.redis_length(queue) for queue in ("analyze", "minimize_flood")}
        taken = sum(reader.redis_bytes(queue) for queue, length in waiting.items() if length)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    stack.wait_until_open(0)
    return taken / sum(waiting.values()), sum(waiting.values())


def measure_upkeep(stack: Stack) -> dict[str, float]:
    """Milliseconds a message of the two statements that count a tenant's messages as a whole; the quickest of several tries."""
    tenant_id = stack.one("SELECT id FROM tenant WHERE slug = 'capacity0'")
    messages = stack.one("SELECT count(*) FROM message WHERE tenant_id = %s AND direction = 'inbound'", tenant_id)
    begin = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    end = begin + timedelta(days=1)
    counts: dict[str, Callable[[psycopg.Connection[Any]], object]] = {
        "hour_account": lambda conn: count_hours(conn, tenant_id, since=begin, until=end),
        "label_day": lambda conn: recount_day(conn, tenant_id, begin.date(), begin=begin, end=end),
    }
    taken: dict[str, float] = {}
    with psycopg.connect(stack.info["database_url"]) as conn:
        for name, count in counts.items():
            tries: list[float] = []
            for _ in range(UPKEEP_TRIES):
                began = time.monotonic()
                count(conn)
                tries.append(time.monotonic() - began)
                conn.rollback()
            taken[name] = round(min(tries) * 1000 / messages, 3)
    return taken


def describe_machine() -> str:
    """Cores, processor and memory, and what else ran on it."""
    model = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores ({model[1] if model else platform.machine()}), {memory_gb:.0f} GB, "
        f"Python {platform.python_version()}, load average {os.getloadavg()[0]:.1f}"
    )


def measure(folder: Path, *, messages: int) -> dict[str, Any]:
    """The whole document."""
    with running_stack(folder) as info:
        add_tenants(folder)
        with closing(Stack(read_stack_file(folder))) as stack:
            reader = Reader(stack)
            stack.run_closed(make_posts(WARM_UP, wave=1), wave=1, in_flight=IN_FLIGHT)
            reader.settle()
            say("idle ...")
            idle = measure_idle(reader)
            say("ordinary messages ...")
            at_first = reader.read(vacuum=True)
            passed = stack.run_closed(make_posts(messages, wave=2), wave=2, in_flight=IN_FLIGHT)
            reader.settle()
            short = reader.read()
            short_tables = reader.read(vacuum=True)
            say(f"{passed.per_s:.1f} a second; long messages ...")
            stack.run_closed(make_posts(LONG_MESSAGES, wave=3, more_chars=LONG_CHARS), wave=3, in_flight=IN_FLIGHT)
            reader.settle()
            long_tables = reader.read(vacuum=True)
            say("one tenant's flood ...")
            before_flood = reader.read()
            stack.run_closed(make_posts(FLOOD_MESSAGES, wave=4, tenants=1), wave=4, in_flight=IN_FLIGHT)
            reader.settle()
            after_flood = reader.read()
            upkeep = measure_upkeep(stack)
            say("tasks that wait ...")
            waiting_bytes, waiting = measure_waiting(stack, reader)
            memory = {
                KINDS[group]: round(memory_mb(pids))
                for group, pids in groups_of(info["pids"]).items()
                if group in KINDS
            }
            chars = sum(post.text_chars for post in make_posts(messages, wave=2)) / messages
    return document(
        messages=messages, passed=passed, idle=idle, counters=(at_first, short), tables=(at_first, short_tables, long_tables),
        flood=(before_flood, after_flood), waiting=(waiting_bytes, waiting), memory=memory, chars=chars, upkeep=upkeep,
    )  # fmt: skip


def document(
    *,
    messages: int,
    passed: Passed,
    idle: Idle,
    counters: tuple[Counters, Counters],
    tables: tuple[Counters, Counters, Counters],
    flood: tuple[Counters, Counters],
    waiting: tuple[float, int],
    memory: dict[str, int],
    chars: float,
    upkeep: dict[str, float],
) -> dict[str, Any]:
    """What the plan reads, in its own words (cli/capacity_measured.py)."""
    before, after = counters
    seconds = after.at - before.at
    by_short = grown(tables[0], tables[1], messages=messages)
    by_long = grown(tables[1], tables[2], messages=LONG_MESSAGES)
    return {
        "source": {
            "command": "python -m benchmarks.capacity_constants",
            "date": datetime.now(UTC).date().isoformat(),
            "machine": describe_machine(),
            "messages": messages,
            "messages_per_s": round(passed.per_s, 1),
        },
        "cpu_ms_per_message": cpu_ms(before, after, idle, messages=messages),
        "postgres_ms_by_client": postgres_ms(before, after, idle, messages=messages),
        "flood_cpu_ms_per_message": cpu_ms(*flood, idle, messages=FLOOD_MESSAGES),
        "flood_postgres_ms_by_client": postgres_ms(*flood, idle, messages=FLOOD_MESSAGES),
        "idle_cores": {kind: round(cores, 4) for kind, cores in idle.cores.items()},
        "memory_mb": memory,
        "commits_per_message": round((after.commits - before.commits - idle.commits_per_s * seconds) / messages, 1),
        "rows_written_per_message": round((after.rows_written - before.rows_written) / messages, 1),
        "wal_bytes_per_message": round(
            (after.wal_bytes - before.wal_bytes - idle.wal_bytes_per_s * seconds) / messages
        ),
        "upkeep_ms_per_message": upkeep,
        "redis_commands_per_message": round(
            (after.redis_commands - before.redis_commands - idle.redis_commands_per_s * seconds) / messages, 1
        ),
        "redis_idle_commands_per_s": round(idle.redis_commands_per_s, 1),
        "redis_bytes_per_waiting_task": round(waiting[0]),
        "text_chars": round(chars, 1),
        "bytes_per_message": by_short,
        "bytes_per_char": {
            table: round(max(0.0, by_long.get(table, 0) - by_short.get(table, 0)) / LONG_CHARS, 2) for table in WORDY
        },
    }


def main() -> None:
    """Print the document."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capacity_constants", description=__doc__)
    parser.add_argument(
        "--messages", type=int, default=MESSAGES, metavar="N", help=f"ordinary ones (default {MESSAGES})"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="earshot-bench-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o711)
        print(json.dumps(measure(folder, messages=options.messages), indent=2))


if __name__ == "__main__":
    main()
