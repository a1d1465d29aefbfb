"""How long a live message waits for its call of the model while 100,000 others wait: `python -m benchmarks.queue_delay [--quick]`.

First alone; then beside a sweep of 100,000 past messages, by single calls and by batches; then beside 100,000 messages of one tenant's flood,
each with a ring in the broker's queue. A whole stack whose model takes 1.5 s; live messages come from eight other tenants.
"""

import base64
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import psycopg
import redis

from benchmarks.figures import Row, at_most, number, print_rows
from benchmarks.live_event import running_stack
from benchmarks.many_tenants import Account, add_tenants
from benchmarks.open_pages import percentile
from benchmarks.pipe import run_pipe
from benchmarks.stage_cost import stack_deps
from benchmarks.steady_load import delays_until_asked_ms, send_steadily
from channels.body import decode_body
from channels.registry import PARSERS
from store.intake import add_messages
from tests.webhooks import signature, whatsapp_body, whatsapp_message
from worker.lanes import queue_of

WAITING, MODEL_S = 100_000, 1.5
LIVE_PER_S, LIVE_S = 6.0, 16.0
LIMIT_MS = 250.0
PER_BODY, RINGS_AT_ONCE = 1000, 500
# Until what begins has begun.
SETTLE_S = 5.0
QUEUE = queue_of("minimize", is_flood=True)
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _set_model_time(stack: dict[str, Any], seconds: float) -> None:
    httpx2.post(f"{stack['standins']['anthropic']}/_latency", json={"seconds": seconds}).raise_for_status()


def _live(stack: dict[str, Any], accounts: Sequence[Account], *, mark: str, seconds: float) -> list[float]:
    posted_at = send_steadily(stack, accounts, per_s=LIVE_PER_S, seconds=seconds, mark=mark)
    return delays_until_asked_ms(stack, mark=mark, count=len(posted_at))


def make_past_months(database_url: str) -> None:
    """Partitions that fill_past needs. Making one locks tables that workers use too, in another order: the one that gives way tries again."""
    with psycopg.connect(database_url, autocommit=True) as conn:
        for left in range(9, -1, -1):
            try:
                conn.execute("SELECT ensure_month_partitions((now() - interval '80 days')::date, 4)")
            except (psycopg.errors.DeadlockDetected, psycopg.errors.LockNotAvailable):
                if not left:
                    raise
                time.sleep(0.5)
            else:
                return


def fill_past(database_url: str, *, slug: str, messages: int) -> None:
    """Messages of the last 80 days that a sweep judges, of a customer for each twenty."""
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("SET session_replication_role = replica")  # triggers would tell of each
        conn.execute(
            """
            WITH person AS (
                INSERT INTO customer (tenant_id, display_name)
                SELECT t.id, 'Person ' || n FROM tenant AS t, generate_series(1, %(messages)s / 20 + 1) AS n WHERE t.slug = %(slug)s
                RETURNING id, tenant_id
            ), talk AS (
                INSERT INTO conversation (tenant_id, customer_id, channel, account_id, state)
                SELECT tenant_id, id, 'whatsapp', '333000000', 'resolved' FROM person
                RETURNING id, tenant_id, customer_id
            )
            INSERT INTO message (id, tenant_id, conversation_id, customer_id, channel, surface, account_id, provider_message_id, direction,
                                 message_type, text, sent_at, received_at, state, sender, author, minimized_text, minimizer_version)
            SELECT uuidv7(at - clock_timestamp()), tenant_id, id, customer_id, 'whatsapp', 'dm', '333000000', 'wamid.P' || id || n, 'inbound',
                   'text', 'Where is my parcel?', at, at, 'done', '{}', 'customer', 'Where is my parcel?', 'm1'
            FROM (SELECT talk.*, n, now() - interval '80 days' * random() AS at FROM talk, generate_series(1, 20) AS n) AS one
            """,
            {"slug": slug, "messages": messages},
        )
        conn.execute("ANALYZE message")


def _sweep(folder: Path, *words: str) -> None:
    argv = [sys.executable, "-m", "cli.main", "sweep", *words, "--data", str(folder / "data")]
    environ = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, env=environ)


def _waiting_items(stack: dict[str, Any]) -> int:
    with psycopg.connect(stack["database_url"]) as conn:
        row = conn.execute("SELECT count(*) FROM sweep_item WHERE state NOT IN ('done', 'failed', 'skipped', 'dropped')").fetchone()  # fmt: skip
    return row[0] if row else 0


def copies(ring: bytes, runs: Iterable[tuple[str, str]]) -> Iterator[str]:
    """The ring of one run made out to others, given as (message, run): every other id in it is a new one in each."""
    envelope = json.loads(ring)
    body = base64.b64decode(envelope.pop("body")).decode()
    head, said = json.dumps(envelope), json.loads(body)[1]
    others = set(_ID.findall(head + body)) - {said["message_id"], said["run_id"]}
    for message_id, run_id in runs:
        ids = {said["message_id"]: message_id, said["run_id"]: run_id, **{one: str(uuid4()) for one in others}}
        new_head, new_body = head, body
        for old, new in ids.items():
            new_head, new_body = new_head.replace(old, new), new_body.replace(old, new)
        yield json.dumps({**json.loads(new_head), "body": base64.b64encode(new_body.encode()).decode()})


def flood(folder: Path, stack: dict[str, Any], account: Account, *, messages: int) -> int:
    """So many messages of one tenant while the workers stand still, and a ring for each in the broker; returns how many wait there.

    The first body goes through the webhook; the others are stored as the receiver would, without its rings: they would take half a minute, and
    each message gets its one here.
    """
    first, *others = (_flood_body(account, start, messages) for start in range(0, messages, PER_BODY))
    headers = {"X-Hub-Signature-256": signature(first, account.secret)}
    httpx2.post(f"{stack['receiver_url']}/webhooks/whatsapp", content=first, headers=headers, timeout=60).raise_for_status()  # fmt: skip
    deps = stack_deps(folder, stack)
    try:
        pepper = deps.dedupe_pepper
        with psycopg.connect(stack["database_url"]) as conn:
            row = conn.execute("SELECT tenant_id FROM channel_account WHERE account_id = %s", (account.account_id,)).fetchone()  # fmt: skip
        assert row is not None
        for body in others:
            parsed = PARSERS["whatsapp"](decode_body(body))
            with deps.database.tenant_transaction(row[0]) as conn:
                add_messages(conn, row[0], list(parsed.messages), pepper=pepper)
    finally:
        deps.database.close()
    return _ring_all(stack, account)


def _flood_body(account: Account, start: int, messages: int) -> bytes:
    items = [
        whatsapp_message("Where is my parcel?", sender=f"90558{one:07}", timestamp=str(int(time.time())))
        for one in range(start, min(start + PER_BODY, messages))
    ]
    return whatsapp_body(*items, account=account.account_id)


def _ring_all(stack: dict[str, Any], account: Account) -> int:
    with psycopg.connect(stack["database_url"]) as conn, redis.Redis.from_url(stack["redis_url"]) as broker:
        give_up_at = time.monotonic() + 60
        while not isinstance(template := broker.lindex(QUEUE, -1), bytes):
            assert time.monotonic() < give_up_at, "no ring of the flood came to the broker"
            time.sleep(0.1)
        time.sleep(SETTLE_S)  # the receiver has rung the others of its body
        runs = conn.execute(
            "SELECT r.message_id::text, r.id::text FROM run AS r JOIN message AS m ON m.id = r.message_id WHERE m.account_id = %s",
            (account.account_id,),
        ).fetchall()
        broker.delete(QUEUE)
        rings = copies(template, [(message_id, run_id) for message_id, run_id in runs])
        while batch := list(itertools.islice(rings, RINGS_AT_ONCE)):
            broker.lpush(QUEUE, *batch)
        return int(broker.llen(QUEUE))  # pyright: ignore[reportArgumentType]


def _row(what: str, delays: list[float], alone: list[float] | None) -> Row:
    p50, p99 = percentile(delays, 0.5), percentile(delays, 0.99)
    limit, met = at_most(p99, LIMIT_MS, "ms p99")
    said = f"p50 {number(p50)}, p99 {number(p99)} ms ({len(delays)} messages)"
    if alone is None:
        return Row(what, said, limit=limit, met=met)
    alone_p99 = percentile(alone, 0.99)
    return Row(what, said, f"alone p99 {number(alone_p99)} ms", f"{p99 / alone_p99:.2f}x", limit, met)


def _beside_flood(
    folder: Path, stack: dict[str, Any], live: Sequence[Account], flooding: Account, *, messages: int, seconds: float
) -> tuple[list[float], int, int]:
    """(delays, rings that waited before, rings that waited at the end)."""
    working = [*stack["pids"]["worker"], *stack["pids"]["beat"]]
    for pid in working:
        os.kill(pid, signal.SIGSTOP)
    try:
        waited = flood(folder, stack, flooding, messages=messages)
    finally:
        for pid in working:
            os.kill(pid, signal.SIGCONT)
    time.sleep(SETTLE_S)
    delays = _live(stack, live, mark="beside-flood", seconds=seconds)
    with redis.Redis.from_url(stack["redis_url"]) as broker:
        return delays, waited, int(broker.llen(QUEUE))  # pyright: ignore[reportArgumentType]


def measure(folder: Path, stack: dict[str, Any], *, waiting: int, seconds: float) -> list[Row]:
    """All four on one stack."""
    make_past_months(stack["database_url"])
    accounts = add_tenants(folder, stack, count=10)
    live, flooding = accounts[1:9], accounts[9]
    run_pipe(stack, messages=20, wave=80)  # workers load the model's SDK at their first call
    _set_model_time(stack, MODEL_S)
    alone = _live(stack, live, mark="alone", seconds=seconds)
    found = [_row("from receipt to the call of the model, nothing else waits", alone, None)]
    fill_past(stack["database_url"], slug="bench0", messages=waiting)
    for way, words in (("single calls", ["--no-batches"]), ("batches", [])):
        _sweep(folder, "run", "--tenant", "bench0", "--customers", "1000000", "--budget-usd", "100000", "--yes", *words)
        time.sleep(SETTLE_S)
        before = _waiting_items(stack)
        beside = _live(stack, live, mark=f"beside-{way.replace(' ', '-')}", seconds=seconds)
        found.append(_row(f"… while {before:,} messages of a sweep wait ({way}; the broker holds one ring for it)", beside, alone))  # fmt: skip
        _sweep(folder, "cancel", "--tenant", "bench0")
    time.sleep(SETTLE_S)
    delays, waited, left = _beside_flood(folder, stack, live, flooding, messages=waiting, seconds=seconds)
    found.append(
        _row(f"… while {waited:,} messages of another tenant's flood wait in the broker ({left:,} at the end)", delays, alone)
    )  # fmt: skip
    return found


def rows(*, is_quick: bool = False) -> list[Row]:
    """The queue's part of the table."""
    with tempfile.TemporaryDirectory(prefix="earshot-bench-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o711)
        with running_stack(folder) as stack:
            waiting, seconds = (3000, 6.0) if is_quick else (WAITING, LIVE_S)
            return measure(folder, stack, waiting=waiting, seconds=seconds)


def main() -> None:
    """Print the figures."""
    print_rows(rows(is_quick="--quick" in sys.argv))


if __name__ == "__main__":
    main()
