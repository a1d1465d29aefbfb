"""What one tenant's flood does to another's messages: `python -m benchmarks.fairness [messages of the flood]`.

A whole stack that `earshot up` started, with a model that takes 1.5 s. First one tenant sends a message a second alone; then another
one brings 5,000 at once, and the first goes on as before. From the receipt to the decision, by the database's clock; the ratio is to
the time alone.
"""

import sys
import tempfile
import time
from pathlib import Path

import httpx2
import psycopg

from benchmarks.live_event import apply_tenant, running_stack
from benchmarks.open_pages import percentile
from tests.webhooks import signature, whatsapp_body, whatsapp_message

FLOOD = 5000
NOT_STORED = 503
QUIET_S, WARM_UP_S, MODEL_S, PER_BODY = 30, 5, 1.5, 100
# Beside a flood a message may wait for a call or two to end, and for a machine that is busy.
LIMIT_RATIO = 3.0
_FLOODING = """
slug = "flood"
name = "Flood"
industry = "ecommerce"
[[channels]]
kind = "whatsapp"
account_id = "222000222"
app_secret = "flood-secret"
verify_token = "flood-verify"
access_token = "flood-token"
"""


def main() -> None:
    """Print the figures; exit 1 when the ratio is beyond its limit."""
    flood = int(sys.argv[1]) if len(sys.argv) > 1 else FLOOD
    with tempfile.TemporaryDirectory(prefix="earshot-bench-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o711)
        with running_stack(folder) as stack, httpx2.Client(timeout=30) as client:
            apply_tenant(folder, _FLOODING)
            time.sleep(6)  # an applied tenant is live within 5 s
            client.post(f"{stack['standins']['anthropic']}/_latency", json={"seconds": MODEL_S})
            _send_steadily(
                client, stack, seconds=WARM_UP_S, wave="warm-up"
            )  # workers load the model's SDK at their first call
            alone = _send_steadily(client, stack, seconds=QUIET_S, wave="alone")
            _flood(client, stack, messages=flood)
            beside = _send_steadily(client, stack, seconds=QUIET_S, wave="beside")
            with psycopg.connect(stack["database_url"]) as conn:
                row = conn.execute(
                    "SELECT count(*) FROM run JOIN tenant AS t ON t.id = tenant_id WHERE slug = 'flood'"
                ).fetchone()
            left = row[0] if row else 0
    ratio = percentile(beside, 0.99) / percentile(alone, 0.99)
    for wave, delays in (("alone", alone), ("beside the flood", beside)):
        print(
            f"{wave:17} {len(delays)} messages: p50 {percentile(delays, 0.5):.2f} s, p99 {percentile(delays, 0.99):.2f} s"
        )
    print(f"ratio of p99 {ratio:.2f} (limit {LIMIT_RATIO}); of {flood} messages of the flood {left} still waited then")
    sys.exit(0 if ratio <= LIMIT_RATIO and left else 1)


def _post(client: httpx2.Client, stack: dict[str, object], body: bytes, *, secret: str) -> None:
    url = f"{stack['receiver_url']}/webhooks/whatsapp"
    for _ in range(20):  # 503: not stored, try again, as a channel does
        answer = client.post(url, content=body, headers={"X-Hub-Signature-256": signature(body, secret)})
        if answer.status_code != NOT_STORED:
            answer.raise_for_status()
            return
        time.sleep(0.5)
    print("the receiver does not take messages")
    sys.exit(1)


def _flood(client: httpx2.Client, stack: dict[str, object], *, messages: int) -> None:
    for start in range(0, messages, PER_BODY):
        items = [
            whatsapp_message("Where is my parcel?", sender=f"9055600{number:05}", timestamp=str(int(time.time())))
            for number in range(start, min(start + PER_BODY, messages))
        ]
        _post(client, stack, whatsapp_body(*items, account="222000222"), secret="flood-secret")  # noqa: S106 -- of a benchmark's tenant


def _send_steadily(client: httpx2.Client, stack: dict[str, object], *, seconds: int, wave: str) -> list[float]:
    """One message a second; returns seconds from receipt to decision of each."""
    began = time.monotonic()
    for number in range(seconds):
        sender = f"90555{len(wave):02}{number:05}"
        item = whatsapp_message(f"Where is my order? {wave}", sender=sender, timestamp=str(int(time.time())))
        _post(client, stack, whatsapp_body(item), secret="bench-secret")  # noqa: S106 -- of a benchmark's tenant
        time.sleep(max(0.0, began + number + 1 - time.monotonic()))
    deadline = time.monotonic() + 600
    with psycopg.connect(str(stack["database_url"]), autocommit=True) as conn:
        while time.monotonic() < deadline:
            rows = conn.execute(
                """
                SELECT extract(epoch FROM d.created_at - m.received_at)::float
                FROM message AS m
                LEFT JOIN routing_decision AS d ON d.message_id = m.id AND NOT d.provisional
                WHERE m.text LIKE %s
                """,
                (f"%{wave}",),
            ).fetchall()
            if len(rows) == seconds and all(delay is not None for (delay,) in rows):
                return [delay for (delay,) in rows]
            time.sleep(0.5)
    print(f"not all messages were decided ({wave})")
    sys.exit(1)


if __name__ == "__main__":
    main()
