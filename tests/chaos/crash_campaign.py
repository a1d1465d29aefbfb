"""One stack under a steady trickle of everything, whose processes die at each crash point at its first and its second hit."""

import itertools
import os
import random
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import psycopg

from tests.chaos.campaign import LIVE_AFTER_S, calm
from tests.chaos.invariants import Finding, look
from tests.chaos.load import NAME, Producer, Sent
from tests.conftest import ACME, ROOT
from tests.http_receiver import HttpReceiver
from tests.running_stack import RunningStack, start_stack, stop_stack
from tests.webhooks import whatsapp_body, whatsapp_echo, whatsapp_message, whatsapp_revocation

DEATHS = ("1", "2")
PER_ROUND, PER_S, CUSTOMERS = 12, 4.0, 100_000
TAKEN_BACK_AFTER = 4
TENANT = """
[actions.webhook]
enabled = true
url = "{url}"
secret = "a secret of at least 24 characters"
[[rules]]
name = "money_back"
because = "A test's rule."
when = {{ sentiment = ["negative"] }}
then = {{ queue = "senior", priority = "P1", actions = ["escalate_to_human", "send_refund_form", "webhook"] }}
"""
# An answer of another form: the model is asked once more.
_ODD = {"path": "/v1/messages", "status": 200, "body": {"id": "msg"}}


@dataclass(frozen=True)
class CrashReport:
    """unspent: points at which not every death happened. reached: points that were come by at all."""

    findings: tuple[Finding, ...]
    reached: frozenset[str]
    unspent: tuple[str, ...]
    deaths: int
    took_s: float

    @property
    def broken(self) -> list[Finding]:
        """Promises that did not hold."""
        return [finding for finding in self.findings if not finding.holds]


@dataclass
class Armoury:
    """The folder that the processes look into."""

    folder: Path

    def __post_init__(self) -> None:
        for name in ("armed", "reached"):
            (self.folder / name).mkdir(parents=True)

    def environment(self) -> dict[str, str]:
        """For processes that are to die."""
        paths = [str(Path(__file__).parent / "crash_hook"), str(ROOT), os.environ.get("PYTHONPATH", "")]
        return {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "TEST_CRASH_FOLDER": str(self.folder)}

    def arm(self, label: str, *, deaths: int) -> None:
        """The next so many processes that come by die there."""
        for death in DEATHS[:deaths]:
            (self.folder / "armed" / f"{label}.{death}").touch()

    def waiting(self, label: str) -> int:
        """How many deaths have not happened yet."""
        return sum((self.folder / "armed" / f"{label}.{death}").exists() for death in DEATHS)

    def disarm(self) -> None:
        for path in (self.folder / "armed").iterdir():
            path.unlink(missing_ok=True)

    def reached(self) -> frozenset[str]:
        return frozenset(path.name for path in (self.folder / "reached").iterdir())


def run_crash_campaign(
    data: Path, lanes: Mapping[str, Sequence[str]], *, deaths: int, point_timeout_s: float, workers: int = 1
) -> CrashReport:
    """Have processes die at each point of each lane, at its first `deaths` hits; then wait for calm and look."""
    began = time.monotonic()
    armoury = Armoury(data / "crashes")
    with _stack(data, armoury, workers=workers) as (stack, endpoint):
        life = _Life(stack, armoury, endpoint)
        unspent: list[str] = []
        working = [
            threading.Thread(target=_go_along, args=(life, labels, unspent, deaths, point_timeout_s), name=lane)
            for lane, labels in lanes.items()
        ]
        for thread in working:
            thread.start()
        with life.going_on():
            for thread in working:
                thread.join()
        armoury.disarm()
        over = threading.Event()
        hastening = threading.Thread(target=_until(over, life.hasten))
        hastening.start()
        calm(stack)
        over.set()
        hastening.join()
        findings = look(stack, life.sent, asked_again=True)
        died = sum(len(labels) for labels in lanes.values()) * deaths - len(unspent)
        return CrashReport(tuple(findings), armoury.reached(), tuple(unspent), died, took_s=time.monotonic() - began)


@contextmanager
def _stack(data: Path, armoury: Armoury, *, workers: int) -> Generator[tuple[RunningStack, HttpReceiver]]:
    endpoint = HttpReceiver()
    stack = start_stack(data / "stack", workers=workers, ALLOW_PRIVATE_URLS="true", **armoury.environment())
    try:
        path = data / "acme.toml"
        url = f"http://127.0.0.1:{endpoint.port}/hook"
        path.write_text(ACME + TENANT.format(url=url), encoding="utf-8")
        for command in (
            ("tenant", "apply", str(path)),
            ("webhook", "add", "--tenant", "acme", "--kind", "message.decided", url),
        ):
            done = stack.cli(*command, ALLOW_PRIVATE_URLS="true")
            assert done.returncode == 0, done.stderr
        time.sleep(LIVE_AFTER_S)
        yield stack, endpoint
    finally:
        stop_stack(stack)
        endpoint.stop()


def _go_along(life: "_Life", labels: Sequence[str], unspent: list[str], deaths: int, timeout_s: float) -> None:
    """One lane: each point until its deaths have happened."""
    for label in labels:
        life.armoury.arm(label, deaths=deaths)
        life.wanted.add(label)
        deadline = time.monotonic() + timeout_s
        while life.armoury.waiting(label) and time.monotonic() < deadline:
            time.sleep(0.1)
        life.wanted.discard(label)
        unspent += [label] * life.armoury.waiting(label)


def _until(over: threading.Event, act: Callable[[], None], *, every_s: float = 1.0) -> Callable[[], None]:
    def loop() -> None:
        while not over.wait(every_s):
            # Whatever is down at this moment comes back.
            with suppress(psycopg.Error, httpx2.HTTPError):
                act()

    return loop


@dataclass
class _Life:
    """What customers, people and programs do meanwhile. wanted: the points that are armed."""

    stack: RunningStack
    armoury: Armoury
    endpoint: HttpReceiver
    sent: Sent = field(default_factory=Sent)
    wanted: set[str] = field(default_factory=set[str])
    _lot: random.Random = field(default_factory=lambda: random.Random(31))
    _tapped: set[str] = field(default_factory=set[str])
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _written: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    @contextmanager
    def going_on(self) -> Generator[None]:
        over = threading.Event()
        acts = (self._write, self._echo, self._take_back, self._tap, self._ask_again, self._misread, self.hasten)
        threads = [threading.Thread(target=_until(over, act), name=act.__name__) for act in acts]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join()

    def _write(self) -> None:
        """A handful of messages, each three times."""
        Producer(
            url=f"{self.stack.info['receiver_url']}/webhooks/whatsapp",
            secret="acme-secret",
            messages=PER_ROUND,
            rate=PER_S,
            lot=self._lot,
            first=self.sent.messages,
            customers=CUSTOMERS,
            sent=self.sent,
        ).run()

    def _echo(self) -> None:
        """A person answers somebody in the channel's own app."""
        if "place.before_commit" in self.wanted:
            self.stack.post(whatsapp_echo("We are on it", to=f"9052{next(self._numbers):08d}"))

    def _take_back(self) -> None:
        """Somebody writes, and takes an earlier message back once it has its place."""
        if "clocks.before_commit" in self.wanted:
            number, at = next(self._numbers), str(int(time.time()))
            sender, message_id = f"9054{number:08d}", f"wamid.TAKENBACK{number:08d}"
            words = "Where is my parcel? I want my money back!"
            self.stack.post(whatsapp_body(whatsapp_message(words, sender=sender, message_id=message_id, timestamp=at)))
            self._written.append((sender, message_id))
            if len(self._written) > TAKEN_BACK_AFTER:
                sender, message_id = self._written.pop(0)
                self.stack.post(whatsapp_body(whatsapp_revocation(message_id, sender=sender, timestamp=at)))

    def _tap(self) -> None:
        """Somebody who was asked for a score gives one."""
        if "survey.answer_before_commit" not in self.wanted:
            return
        asked = self.stack.rows(
            """
            SELECT i.value
            FROM action AS a JOIN customer_identity AS i ON i.customer_id = a.customer_id AND i.kind = 'phone'
            WHERE a.kind = 'send_nps_invite' AND a.state = 'sent'
            """
        )
        for (phone,) in asked:
            if phone not in self._tapped:
                self._tapped.add(phone)
                reply = {"type": "list_reply", "list_reply": {"id": "nps:9", "title": "9"}}
                item = whatsapp_message("", sender=phone.lstrip("+"), timestamp=str(int(time.time())), name=NAME)
                del item["text"]
                self.stack.post(whatsapp_body(item | {"type": "interactive", "interactive": reply}))
                return

    def _ask_again(self) -> None:
        """A person has a message read again, or all of them."""
        again = any(label.startswith("reanalyze.") for label in self.wanted)
        swept = any(label.startswith("sweep.") for label in self.wanted)
        if again:
            newest = self.stack.rows("SELECT id::text FROM message WHERE state = 'done' AND text LIKE '%%#' LIMIT 1")
            for (message_id,) in newest:
                self._earshot("reanalyze", "--tenant", "acme", "--message", message_id)
        if swept and self.stack.rows("SELECT count(*) FROM sweep WHERE finished_at IS NULL") == [(0,)]:
            self._earshot("sweep", "run", "--tenant", "acme", "--no-batches", "--yes")

    def _earshot(self, *arguments: str) -> None:
        self.stack.cli(*arguments, **self.armoury.environment())

    def _misread(self) -> None:
        """The model's provider answers something else now and then; more often, and nobody would call it any more."""
        script = f"{self.stack.info['standins']['anthropic']}/_script"
        if "analyze.failure_before_commit" in self.wanted:
            httpx2.post(script, json={"steps": [_ODD]}, timeout=10)
            time.sleep(8)
        httpx2.delete(script, timeout=10)

    def hasten(self) -> None:
        """Minutes of waiting are shortened by moving the rows' times, never by touching a state: who began something a quarter of a
        minute ago and has not said a word since is dead.
        """
        for statement in _HASTEN:
            with psycopg.connect(self.stack.info["database_url"], autocommit=True, connect_timeout=3) as conn:
                conn.execute(statement)


_HASTEN = (
    "UPDATE webhook_subscription SET busy_until = '-infinity' WHERE busy_until < now() + interval '57 s'",
    "UPDATE webhook_subscription SET rests_until = '-infinity' WHERE rests_until > now()",
    "UPDATE webhook_delivery SET next_at = now() WHERE state = 'pending' AND next_at > now()",
    "UPDATE action SET next_at = now() WHERE state = 'pending' AND next_at > now() + interval '2 s' AND kind = 'webhook'",
)
