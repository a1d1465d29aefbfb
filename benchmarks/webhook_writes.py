"""What webhooks cost where an analysis and a decision are written: `python -m benchmarks.webhook_writes [messages]`.

Four ways, in turns of some hundred messages so that the machine's moods fall on all alike: without the triggers; with them and no
subscription; with one; with twenty. Each message is one transaction for its analysis and one for its decision, as in the pipeline.
Needs no running stack: it starts a Postgres of its own.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg

from store.migrate import migrate
from store.secrets import Keyring

MESSAGES, TURNS = 6000, 60
_PASSWORD = "test"  # noqa: S105 -- of a server that lives as long as this process
_KEY = "k1:" + "QUFB" * 10 + "QUE="
WAYS = ("no triggers", "no subscription", "1 subscription", "20 subscriptions")


def main() -> None:
    """Print the figures."""
    messages = int(sys.argv[1]) if len(sys.argv) > 1 else MESSAGES
    with tempfile.TemporaryDirectory(prefix="earshot-bench-", dir="/tmp") as folder:
        Path(folder).chmod(0o711)  # the database's own account must be able to pass
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.servers", str(Path(folder) / "data")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert server.stdin is not None and server.stdout is not None
        try:
            measure(json.loads(server.stdout.readline())[0], messages=messages)
        finally:
            server.stdin.close()
            server.wait(30)


def measure(url: str, *, messages: int) -> None:
    """Times in microseconds for both writes of one message together."""
    migrate(url, app_password=_PASSWORD, keyring=Keyring.parse(_KEY))
    with psycopg.connect(url, autocommit=True) as conn:
        # A thousand tenants with subscriptions of their own stand in the same table.
        conn.execute(
            "INSERT INTO tenant (slug, name, config) SELECT 't' || n, 't', '{}' FROM generate_series(1, 1000) AS n"
        )
        tenants = dict.fromkeys(WAYS, 0)
        for way in WAYS:
            row = conn.execute(
                "INSERT INTO tenant (slug, name, config) VALUES (%s, 'x', '{}') RETURNING id", (way,)
            ).fetchone()
            assert row is not None
            tenants[way] = row[0]
        conn.execute(
            "INSERT INTO webhook_subscription (tenant_id, description, url, host, kinds, secret) "
            "SELECT t.id, '', '', '', '{message.analyzed,message.decided}', '' "
            "FROM tenant AS t, generate_series(1, 20) AS n "
            "WHERE t.slug LIKE 't%%' AND n <= 2 OR t.slug = '1 subscription' AND n = 1 OR t.slug = '20 subscriptions'"
        )
        times: dict[str, list[float]] = {way: [] for way in WAYS}
        for turn in range(TURNS):
            for way in WAYS:
                _switch_triggers(conn, on=way != WAYS[0])
                taken = _write(conn, tenants[way], messages=messages // TURNS)
                if turn:  # the first is for plans and caches
                    times[way].extend(taken)
        # The fastest tenth: what the work itself takes, whatever else the machine does.
        base = statistics.quantiles(times[WAYS[0]], n=10)[0]
        for way in WAYS:
            fast, median = statistics.quantiles(times[way], n=10)[0], statistics.median(times[way])
            print(
                f"{way:<17} fastest tenth {fast:6.0f} us ({fast - base:+5.0f} us, {fast / base - 1:+.0%})  median {median:6.0f} us"
            )


def _switch_triggers(conn: psycopg.Connection, *, on: bool) -> None:
    for table, trigger in (("message_analysis", "webhook_analyzed"), ("routing_decision", "webhook_decided")):
        change = "ENABLE" if on else "DISABLE"
        conn.execute(f"ALTER TABLE {table} {change} TRIGGER {trigger}".encode())


def _write(conn: psycopg.Connection, tenant_id: int, *, messages: int) -> list[float]:
    conn.execute("SELECT set_config('earshot.tenant', %s, false)", (str(tenant_id),))
    rows = conn.execute(
        """
        INSERT INTO message (tenant_id, conversation_id, channel, surface, account_id, provider_message_id, direction, message_type,
                             sent_at, state, sender)
        SELECT %s, uuidv7(), 'whatsapp', 'dm', '1', 'x', 'inbound', 'text', now(), 'analyzed', '{}' FROM generate_series(1, %s)
        RETURNING id
        """,
        (tenant_id, messages),
    ).fetchall()
    times: list[float] = []
    for (message_id,) in rows:
        began = time.perf_counter()
        conn.execute(
            """
            INSERT INTO message_analysis (id, tenant_id, message_id, run_id, run_kind, sentiment, score, summary, intent, topics,
                                          suggested_action, analyzer, model, prompt_version)
            VALUES (uuidv7(), %s, %s, uuidv7(), 'initial', 'negative', 0.9, 'A summary of some words.', 'complaint', '{shipping}',
                    'none', 'claude', 'm', 'p')
            """,
            (tenant_id, message_id),
        )
        conn.execute(
            """
            INSERT INTO routing_decision (tenant_id, message_id, run_id, priority, queue, rule, reasons, inputs, applied)
            VALUES (%s, %s, uuidv7(), 'P2', 'support', 'default', '{a,b}', '{"sentiment": "negative", "score": 0.9}', true)
            """,
            (tenant_id, message_id),
        )
        times.append((time.perf_counter() - began) * 1e6)
    return times


if __name__ == "__main__":
    main()
