"""Single messages at a steady rate, by turns from tenants that stay within their share, and when each was where."""

import time
from collections.abc import Sequence
from typing import Any

import httpx2
import psycopg

from benchmarks.many_tenants import Account
from tests.webhooks import signature, whatsapp_body, whatsapp_message

SETTLE_WITHIN_S = 120.0
NOT_STORED = 503


def send_steadily(
    stack: dict[str, Any], accounts: Sequence[Account], *, per_s: float, seconds: float, mark: str
) -> list[float]:
    """Send them; returns when each was posted, by the wall clock that the database shares. Their texts end with `mark` and their number.

    A message that the receiver could not store is posted again until it is, as a channel does; its time runs from the first try.
    """
    posted_at: list[float] = []
    began = time.monotonic()
    with httpx2.Client(timeout=30) as client:
        for number in range(int(per_s * seconds)):
            account = accounts[number % len(accounts)]
            item = whatsapp_message(
                f"Where is my parcel? {mark}-{number}", sender=f"90557{number:07}", timestamp=str(int(time.time()))
            )
            body = whatsapp_body(item, account=account.account_id)
            headers = {"X-Hub-Signature-256": signature(body, account.secret)}
            posted_at.append(time.time())
            while (answer := client.post(f"{stack['receiver_url']}/webhooks/whatsapp", content=body, headers=headers)).status_code == NOT_STORED:  # fmt: skip
                time.sleep(0.2)
            answer.raise_for_status()
            time.sleep(max(0.0, began + (number + 1) / per_s - time.monotonic()))
    return posted_at


def delays_until_asked_ms(stack: dict[str, Any], *, mark: str, count: int) -> list[float]:
    """From each message's receipt (its row's transaction) to its call of the model (the transaction that claims it, just before the call)."""
    rows = _wait_for_rows(
        stack,
        """
        SELECT extract(epoch FROM min(e.created_at) - m.received_at)::float * 1000
        FROM message AS m JOIN egress AS e ON e.message_id = m.id
        WHERE m.text LIKE %s
        GROUP BY m.id, m.received_at
        """,
        mark=mark,
        count=count,
    )
    return [delay_ms for (delay_ms,) in rows]


def delays_until_routed_ms(stack: dict[str, Any], posted_at: Sequence[float], *, mark: str) -> list[float]:
    """From posting a message to the commit of its decision."""
    rows = _wait_for_rows(
        stack,
        """
        SELECT substring(m.text FROM '[0-9]+$')::int, extract(epoch FROM pg_xact_commit_timestamp(d.xmin))::float
        FROM message AS m JOIN routing_decision AS d ON d.message_id = m.id AND NOT d.provisional
        WHERE m.text LIKE %s
        """,
        mark=mark,
        count=len(posted_at),
    )
    return [(routed_at - posted_at[number]) * 1000 for number, routed_at in rows]


def _wait_for_rows(stack: dict[str, Any], query: str, *, mark: str, count: int) -> list[tuple[Any, ...]]:
    give_up_at = time.monotonic() + SETTLE_WITHIN_S
    with psycopg.connect(stack["database_url"], autocommit=True) as conn:
        while True:
            rows = conn.execute(query.encode(), (f"%{mark}-%",)).fetchall()
            if len(rows) >= count:
                return rows
            assert time.monotonic() < give_up_at, f"{count - len(rows)} of {count} messages of {mark} are not through"
            time.sleep(0.5)
