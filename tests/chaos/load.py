"""A webhook producer as Meta is one: batches, signs, sends the same again, and does not rest before it has its 200."""

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx2

from tests.webhooks import signature, whatsapp_body, whatsapp_message

COPIES = 3
# The last copy of a message comes at most this long after its turn.
COPIES_WITHIN_S = 5.0
MESSAGES_PER_CUSTOMER = 5
MAX_IN_BODY = 4
# How the numbers of all who write here begin.
CUSTOMERS = "9053"
# What no provider of an analysis, log or queue may ever show; the card number passes the check that real ones pass.
PHONE, MAIL, CARD, NAME = "+90 532 999 88 77", "canary@example.com", "4000 0566 5566 5556", "CanaryName"
TEXTS = (
    f"This is the third time the parcel is late. I want my money back! Call {PHONE}",
    f"Thank you so much, this is wonderful, write to {MAIL}",
    f"Where is my order? My card is {CARD}",
)
GIVE_UP_S = 120.0
_LIMITS = httpx2.Limits(max_connections=40)


@dataclass(frozen=True)
class Acknowledgement:
    """One answer of the receiver. began: monotonic seconds. status: 0 when the connection broke."""

    began: float
    took_s: float
    status: int


@dataclass(frozen=True)
class _Post:
    """One body to send. due_s: after the load began. numbers: of the messages in it."""

    due_s: float
    numbers: tuple[int, ...]
    body: bytes


@dataclass
class Sent:
    """What was sent altogether. acknowledged: numbers of messages of whose bodies one was answered with 200. forged: answers to
    bodies with a wrong signature.
    """

    messages: int = 0
    acknowledged: set[int] = field(default_factory=set[int])
    forged: list[int] = field(default_factory=list[int])


@dataclass
class Producer:
    """Sends `messages` messages to one account at `rate` a second, every id `copies` times in an order of its own.

    first: the first one's number. customers: how many write, None for one in five messages. sent: where it is counted.
    """

    url: str
    secret: str
    messages: int
    rate: float
    lot: random.Random
    first: int = 0
    customers: int | None = None
    copies: int = COPIES
    sent: Sent = field(default_factory=Sent)
    answers: list[Acknowledgement] = field(default_factory=list[Acknowledgement])
    breaks: Counter[str] = field(default_factory=Counter[str])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> None:
        """Returns when every body has its 200 (or nobody would wait any longer)."""
        self.sent.messages += self.messages
        posts = sorted(self._posts(), key=lambda post: post.due_s)
        began = time.monotonic()
        with httpx2.Client(timeout=10, limits=_LIMITS) as client, ThreadPoolExecutor(max_workers=32) as pool:
            for number, post in enumerate(posts):
                time.sleep(max(0.0, began + post.due_s - time.monotonic()))
                pool.submit(self._post, client, post)
                if number % 50 == 0:
                    pool.submit(self._forge, client, post.body)

    def _items(self) -> dict[int, dict[str, Any]]:
        customers = self.customers or max(1, self.messages // MESSAGES_PER_CUSTOMER)
        return {
            number: whatsapp_message(
                f"{self.lot.choice(TEXTS)} #{number:05d}#",
                sender=f"{CUSTOMERS}{self.lot.randrange(customers):08d}",
                message_id=f"wamid.CHAOS{number:08d}",
                timestamp=str(int(time.time())),
                name=NAME,
            )
            for number in range(self.first, self.first + self.messages)
        }

    def _posts(self) -> Iterator[_Post]:
        """Each message in as many bodies, each time between other neighbours."""
        items = self._items()
        for copy in range(self.copies):
            waiting = list(items)
            if copy:
                self.lot.shuffle(waiting)
                waiting.sort(key=lambda number: (number - self.first) // max(1, int(self.rate * 10)))
            while waiting:
                size = self.lot.randint(1, MAX_IN_BODY)
                numbers, waiting = waiting[:size], waiting[size:]
                due_s = (max(numbers) - self.first) / self.rate + copy * self.lot.uniform(0.0, COPIES_WITHIN_S / 2)
                yield _Post(due_s, tuple(numbers), whatsapp_body(*[items[number] for number in numbers]))

    def _post(self, client: httpx2.Client, post: _Post) -> None:
        headers = {"X-Hub-Signature-256": signature(post.body, self.secret)}
        deadline = time.monotonic() + GIVE_UP_S
        while time.monotonic() < deadline:
            if self._once(client, post.body, headers) == 200:
                with self._lock:
                    self.sent.acknowledged.update(post.numbers)
                return
            time.sleep(0.5)

    def _once(self, client: httpx2.Client, body: bytes, headers: dict[str, str]) -> int:
        began, status = time.monotonic(), 0
        try:
            status = client.post(self.url, content=body, headers=headers).status_code
        except Exception as error:
            # As Meta sees it: no answer. The client's own errors are not all of one class when a socket dies in mid-air.
            self.breaks[type(error).__name__] += 1
        with self._lock:
            self.answers.append(Acknowledgement(began, time.monotonic() - began, status))
        return status

    def _forge(self, client: httpx2.Client, body: bytes) -> None:
        forged = body.replace(b"wamid.CHAOS", b"wamid.FORGED")
        headers = {"X-Hub-Signature-256": signature(forged, "not the secret")}
        try:
            status = client.post(self.url, content=forged, headers=headers).status_code
        except Exception as error:
            self.breaks[type(error).__name__] += 1
            return
        with self._lock:
            self.sent.forged.append(status)


@dataclass
class Pulse:
    """Asks the receiver for an answer that touches nothing, again and again: how long that takes is the machine's share."""

    url: str
    answers: list[Acknowledgement] = field(default_factory=list[Acknowledgement])
    _over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Returns after `stop`."""
        with httpx2.Client(timeout=10) as client:
            while not self._over.wait(0.1):
                began, status = time.monotonic(), 0
                with suppress(Exception):
                    status = client.get(self.url).status_code
                self.answers.append(Acknowledgement(began, time.monotonic() - began, status))

    def stop(self) -> None:
        """Ask no more."""
        self._over.set()
