"""Signed messages of several tenants into a whole stack, as many at a time or as many a second as wanted, and what became of them."""

import json
import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import psycopg

from benchmarks.live_event import apply_tenant
from benchmarks.pipe import WORDS
from tests.webhooks import signature, whatsapp_body, whatsapp_message

# More than one, so that no tenant is beyond its share of 5 a second and the messages wait in the ordinary lane.
TENANTS = 8
MESSAGES_PER_CUSTOMER = 3
SETTLE_WITHIN_S = 300.0
LIVE_AFTER_S = 6.0
POSTERS = 8
LOOK_EVERY_S = 0.02
NOT_STORED = 503
_TENANT = """
slug = "capacity{number}"
name = "Capacity {number}"
industry = "ecommerce"
[[channels]]
kind = "whatsapp"
account_id = "11100090{number:02}"
app_secret = "secret-{number}"
verify_token = "verify-{number}"
access_token = "access-{number}"
[actions.send_refund_form]
enabled = true
url = "https://capacity.example/refund"
[actions.close_with_thanks]
enabled = true
[crm]
kind = "hubspot"
token = "capacity-{number}"
create_contacts = true
"""


@dataclass(frozen=True)
class Post:
    """One webhook with one message. text_chars: of its words."""

    body: bytes
    signature: str
    text_chars: int


@dataclass(frozen=True)
class Passed:
    """How a wave went. seconds: from the first post until every message was done.

    delays_s: from receipt to the commit of the first decision that is not provisional, sorted.
    """

    messages: int
    seconds: float
    delays_s: list[float]
    provisional: int

    @property
    def per_s(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds


def add_tenants(folder: Path, *, count: int = TENANTS) -> None:
    """Tenants with a CRM and automations; live when this returns."""
    for number in range(count):
        apply_tenant(folder, _TENANT.format(number=number))
    time.sleep(LIVE_AFTER_S)


def set_model_seconds(stack: dict[str, Any], seconds: float) -> None:
    """How long the stand-in takes for every answer."""
    httpx2.post(f"{stack['standins']['anthropic']}/_latency", json={"seconds": seconds}).raise_for_status()


def make_posts(count: int, *, wave: int, tenants: int = TENANTS, more_chars: int = 0) -> Iterator[Post]:
    """In turn for each tenant; customers write three messages each. more_chars: words on top of the short ones."""
    filler = " ".join(["again and again"] * (more_chars // 16 + 1))[:more_chars]
    for number in range(count):
        tenant, nth = number % tenants, number // tenants
        words = f"{WORDS[number % len(WORDS)]} {filler}".strip()
        item = whatsapp_message(
            words,
            sender=f"90555{wave:02}{tenant:02}{nth // MESSAGES_PER_CUSTOMER:04}",
            message_id=f"wamid.W{wave:02}N{number:07}",
            timestamp=str(int(time.time())),
        )
        body = whatsapp_body(item, account=f"11100090{tenant:02}")
        yield Post(body, signature(body, f"secret-{tenant}"), len(words))


class Stack:
    """A running stack that messages are posted to."""

    def __init__(self, info: dict[str, Any]) -> None:
        self.info = info
        self._client = httpx2.Client(timeout=30)
        self._conn = psycopg.connect(info["database_url"], autocommit=True)

    def close(self) -> None:
        """Of what it was posted with."""
        self._client.close()
        self._conn.close()

    def one(self, statement: Any, *values: object) -> Any:
        """The first column of the first row."""
        row = self._conn.execute(statement, values).fetchone()
        assert row is not None
        return row[0]

    def look(self) -> int:
        """Runs that are not finished."""
        return self.one("SELECT count(*) FROM run WHERE state <> 'dead' AND kind <> 'canary'")

    def wait_until_open(self, count: int) -> None:
        """No more runs than this."""
        give_up_at = time.monotonic() + SETTLE_WITHIN_S
        while self.look() > count:
            assert time.monotonic() < give_up_at, "the stack does not settle"
            time.sleep(LOOK_EVERY_S)

    def post(self, post: Post) -> None:
        """As a channel does: again when it was not stored, or the connection broke (one that stood idle may be closed meanwhile)."""
        for _ in range(20):
            with suppress(httpx2.TransportError):
                answer = self._client.post(
                    f"{self.info['receiver_url']}/webhooks/whatsapp",
                    content=post.body,
                    headers={"X-Hub-Signature-256": post.signature},
                )
                if answer.status_code != NOT_STORED:
                    answer.raise_for_status()
                    return
            time.sleep(0.1)
        message = "the receiver does not take messages"
        raise RuntimeError(message)

    def _pass(self, wave: int, messages: int, feed: Callable[[], None]) -> Passed:
        began = time.monotonic()
        feed()
        self.wait_until_open(0)
        seconds = time.monotonic() - began
        rows = self._conn.execute(
            """
            SELECT extract(epoch FROM min(pg_xact_commit_timestamp(d.xmin)) - m.received_at)::float
            FROM message AS m
            JOIN routing_decision AS d ON d.message_id = m.id AND NOT d.provisional
            JOIN customer_identity AS i ON i.customer_id = m.customer_id
            WHERE i.value LIKE %s
            GROUP BY m.id, m.received_at
            ORDER BY 1
            """,
            (f"%90555{wave:02}%",),
        ).fetchall()
        assert len(rows) == messages, f"{len(rows)} of {messages} were decided"
        provisional = self.one("SELECT count(*) FROM routing_decision WHERE provisional")
        return Passed(messages, seconds, [delay for (delay,) in rows], provisional)

    def run_closed(self, posts: Iterable[Post], *, wave: int, in_flight: int) -> Passed:
        """Never more than so many unfinished."""
        given = list(posts)

        def feed() -> None:
            waiting, posting = deque(given), list[Future[None]]()
            with ThreadPoolExecutor(in_flight) as pool:
                while waiting:
                    under_way = [one for one in posting if not one.done()]
                    for one in set(posting) - set(under_way):
                        one.result()
                    posting = under_way
                    free = in_flight - len(posting) - self.look()
                    posting += [pool.submit(self.post, waiting.popleft()) for _ in range(min(free, len(waiting)))]
                    time.sleep(LOOK_EVERY_S)

        return self._pass(wave, len(given), feed)

    def run_open(self, posts: Iterable[Post], *, wave: int, per_s: float, seed: int) -> Passed:
        """At random moments, so many a second on average, whatever becomes of them."""
        given, rng = list(posts), random.Random(seed)  # noqa: S311 -- the same arrivals each time

        def feed() -> None:
            due = time.monotonic()
            with ThreadPoolExecutor(4 * POSTERS) as pool:
                sent = []
                for one in given:
                    due += rng.expovariate(per_s)
                    time.sleep(max(0.0, due - time.monotonic()))
                    sent.append(pool.submit(self.post, one))
                for one in sent:
                    one.result()

        return self._pass(wave, len(given), feed)


def read_stack_file(folder: Path) -> dict[str, Any]:
    """stack.json of a running stack, as it stands now."""
    return json.loads((folder / "data" / "stack.json").read_text(encoding="utf-8"))
