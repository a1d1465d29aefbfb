"""A whole stack whose wires, files and processes are all searched: each place with a way to plant something in it."""

import base64
import contextlib
import json
import os
import shelve
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import psycopg
import redis
from celery import Celery

from tests.conftest import ROOT
from tests.http_receiver import HttpReceiver
from tests.leaks import left_files, process_table
from tests.leaks.canaries import Canary
from tests.leaks.flower_pages import flower_pages
from tests.leaks.metrics_pages import metrics_pages
from tests.leaks.redis_contents import CommandsHeard, in_memory, on_disk
from tests.leaks.wire_tap import WireTap
from tests.running_stack import RunningStack

GENERATED = {
    "EARSHOT_KEYS": "key at rest", "SECRET_KEY": "cookie key", "FLOWER_BASIC_AUTH": "Flower password",
    "APP_DATABASE_PASSWORD": "database password", "OWNER_DATABASE_PASSWORD": "owner's database password",
    "REDIS_PASSWORD": "Redis password", "EARSHOT_ADMIN_PASSWORD": "operator's password",
}  # fmt: skip


@dataclass
class HuntedStack:
    """answers: what callers were told. outputs: what commands said. given: secrets that were made while it ran."""

    stack: RunningStack
    temporary: Path
    claude_url: str
    hubspot_url: str
    claude_wire: WireTap
    hubspot_wire: WireTap
    programs: HttpReceiver
    commands: CommandsHeard
    answers: list[bytes] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    given: list[Canary] = field(default_factory=list)
    process_roots: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        self.process_roots = (self.stack.process.pid,)

    def generated(self) -> list[Canary]:
        """Keys and passwords that the stack made for itself."""
        folder = self.stack.data / "secrets"
        return [
            Canary(kind, (folder / name).read_text().strip().rpartition(":")[2]) for name, kind in GENERATED.items()
        ]

    def ask(self, method: str, url: str, **request) -> httpx2.Response:
        """A call whose whole answer is kept."""
        answer = httpx2.request(method, url, timeout=20, **request)
        self.keep(answer)
        return answer

    def keep(self, answer: httpx2.Response) -> None:
        """An answer that may hold no secret."""
        self.answers.append(f"{answer.status_code} {dict(answer.headers)} {answer.text}".encode(errors="replace"))

    def command(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess:
        """A command whose whole output is kept."""
        done = self.stack.cli(*arguments, **environ)
        self.outputs.append(done.stdout + done.stderr)
        return done


Plant = Callable[[HuntedStack, list[str]], AbstractContextManager[None]]


@dataclass(frozen=True)
class Place:
    """read: all that is there now. plant: puts texts there by the way that a leak would take. may_hold: kinds that belong there."""

    name: str
    read: Callable[[HuntedStack], bytes]
    plant: Plant
    may_hold: frozenset[str] = frozenset()


def _by_calling(url: Callable[[HuntedStack], str]) -> Plant:
    @contextmanager
    def plant(hunted: HuntedStack, texts: list[str]) -> Iterator[None]:
        httpx2.post(url(hunted), json={"planted": texts}, timeout=20)
        yield

    return plant


def _by_file(path: Callable[[HuntedStack], Path]) -> Plant:
    @contextmanager
    def plant(hunted: HuntedStack, texts: list[str]) -> Iterator[None]:
        file = path(hunted)
        file.touch(mode=0o600)
        file.write_text(json.dumps(texts))
        yield
        file.unlink()

    return plant


@contextmanager
def _in_redis(hunted: HuntedStack, texts: list[str]) -> Iterator[None]:
    body = base64.b64encode(json.dumps([[], {"planted": texts[::2]}, {}]).encode())
    with redis.Redis.from_url(hunted.stack.info["redis_url"]) as client:
        client.rpush("planted:list", json.dumps({"body": body.decode(), "properties": {"body_encoding": "base64"}}))
        client.xadd("planted:stream", {"body": zlib.compress(json.dumps(texts[1::2]).encode())})
        yield
        client.delete("planted:list", "planted:stream")


@contextmanager
def _said_to_redis(hunted: HuntedStack, texts: list[str]) -> Iterator[None]:
    with redis.Redis.from_url(hunted.stack.info["redis_url"]) as client:
        client.publish("/0.planted", json.dumps({"body": base64.b64encode(json.dumps(texts).encode()).decode()}))
    time.sleep(0.3)
    yield


@contextmanager
def _in_postgres_log(hunted: HuntedStack, texts: list[str]) -> Iterator[None]:
    with psycopg.connect(hunted.stack.info["database_url"], autocommit=True) as conn:
        conn.execute(
            "CREATE FUNCTION planted(words text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE LOG '%', words; END $$"
        )
        conn.execute("SELECT planted(%s)", (json.dumps(texts, ensure_ascii=False),))
        conn.execute("DROP FUNCTION planted")
    yield


@contextmanager
def in_a_column(hunted: HuntedStack, texts: list[str]) -> Iterator[None]:
    with psycopg.connect(hunted.stack.info["database_url"], autocommit=True) as conn:
        conn.execute("CREATE TABLE planted (codes text[], raw bytea)")
        conn.execute("INSERT INTO planted VALUES (%s, %s)", (texts[::2], json.dumps(texts[1::2]).encode()))
        yield
        conn.execute("DROP TABLE planted")


@contextmanager
def _as_tasks(hunted: HuntedStack, texts: list[str]) -> Iterator[None]:
    """Tasks for a message that nobody knows; a word a task, because Celery shortens what it shows of one."""
    client = Celery("planted", broker=hunted.stack.info["redis_url"], set_as_current=False)
    nobody = {"tenant_id": 0, "message_id": "01990000-0000-7000-8000-000000000000", "run_id": 0}
    for text in texts:
        client.send_task("earshot.persist", kwargs={**nobody, "planted": text}, queue="persist")
    client.close()
    time.sleep(2)
    yield


@contextmanager
def _as_metrics(hunted: HuntedStack, texts: list[str]) -> Iterator[None]:
    """Counted by a further process of the receiver's."""
    folder = hunted.stack.data / "run" / "receiver-metrics"
    before = set(folder.iterdir())
    code = (
        "import json, sys, prometheus_client as p; c = p.Counter('planted', 'd', ['what'])\n"
        "for one in json.loads(sys.argv[1]): c.labels(one).inc()"
    )
    environ = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)}
    subprocess.run([sys.executable, "-c", code, json.dumps(texts)], env=environ, check=True)
    yield
    for file in set(folder.iterdir()) - before:
        file.unlink()


def _as_process(*arguments: str) -> Plant:
    """A parent with one child, who has it among its arguments and in its environment."""

    @contextmanager
    def plant(hunted: HuntedStack, texts: list[str]) -> Iterator[None]:
        code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import sys; sys.stdin.read()', *sys.argv[1:]])"
        environ = {**os.environ, "PLANTED": json.dumps(texts, ensure_ascii=False)}
        command = [sys.executable, "-c", code, *arguments, *texts]
        parent = subprocess.Popen(command, env=environ, stdin=subprocess.PIPE)
        hunted.process_roots = (hunted.stack.process.pid, parent.pid)
        while b"sys.stdin.read()\n" not in process_table.command_lines(parent.pid):
            time.sleep(0.02)
        yield
        parent.stdin.close()
        parent.wait(10)
        hunted.process_roots = (hunted.stack.process.pid,)

    return plant


@contextmanager
def _in_schedule(hunted: HuntedStack, texts: list[str]) -> Iterator[None]:
    path = hunted.stack.data / "beat" / "planted"
    with shelve.open(str(path)) as schedule:
        schedule["entries"] = {"planted": {"kwargs": texts}}
    yield
    for file in path.parent.glob("planted*"):
        file.unlink()


@contextmanager
def _as_answer(hunted: HuntedStack, texts: list[str]) -> Iterator[None]:
    hunted.programs.answers(400, {"error": texts})
    hunted.ask("POST", hunted.programs.url(path="/mirror"), content=b"")
    hunted.programs.answers(200, {})
    yield


@contextmanager
def _as_output(hunted: HuntedStack, texts: list[str]) -> Iterator[None]:
    done = subprocess.run([sys.executable, "-c", "import sys; raise ValueError(sys.argv[1:])", *texts],
                          cwd=ROOT, capture_output=True, text=True, check=False)  # fmt: skip
    hunted.outputs.append(done.stderr)
    yield


def _received(hunted: HuntedStack, path: str) -> bytes:
    kept = [one for one in hunted.programs.received if one.path.startswith(path)]
    return b"\n".join(f"{one.path} {one.headers}".encode() + one.body for one in kept)


# Text without personal data is what the model is for; streets and what is no secret at all are words like others.
WORDS = {"word", "edited word", "late word", "address"}
PLACES = (
    Place(
        "bytes to the AI provider", lambda h: h.claude_wire.contents(), _by_calling(lambda h: h.claude_wire.url + "/v1/messages"),
        frozenset(WORDS | {"provider key"}),
    ),
    Place(
        "bytes to the CRM", lambda h: h.hubspot_wire.contents(), _by_calling(lambda h: h.hubspot_wire.url + "/crm/planted"),
        frozenset({"sender", "name", "username", "CRM token"}),
    ),
    Place(
        "requests to Graph", lambda h: h.stack.received("graph").encode(),
        _by_calling(lambda h: h.stack.info["standins"]["graph"] + "/planted"),
        frozenset({"sender", "wamid", "scoped id", "comment id"}),
    ),
    Place("webhooks", lambda h: _received(h, "/labels"), _by_calling(lambda h: h.programs.url(path="/labels"))),
    Place(
        "webhooks with text", lambda h: _received(h, "/texts"), _by_calling(lambda h: h.programs.url(path="/texts")), frozenset(WORDS)
    ),
    Place(
        "alerts", lambda h: _received(h, "/alerts"), _by_calling(lambda h: h.programs.url(path="/alerts")), frozenset({"alert password"})
    ),
    Place("Redis", lambda h: in_memory(h.stack.info["redis_url"]), _in_redis),
    Place("commands to Redis", lambda h: h.commands.contents(), _said_to_redis),
    Place("files of Redis", lambda h: on_disk(h.stack.info["redis_url"], h.stack.data / "valkey"), _in_redis),
    Place("logs", lambda h: left_files.logs(h.stack.data), _by_file(lambda h: h.stack.data / "logs" / "planted.log")),
    Place("Postgres's log", lambda h: left_files.logs(h.stack.data, of="postgres"), _in_postgres_log),
    Place("Flower", lambda h: flower_pages(h.stack.info["flower_url"], password=h.stack.info["flower_auth"]), _as_tasks),
    Place(
        "metrics", lambda h: metrics_pages([*h.stack.info["metrics_urls"], h.stack.info["console_url"] + "/metrics"]), _as_metrics
    ),
    Place("command lines", lambda h: process_table.command_lines(*h.process_roots), _as_process()),
    Place(
        "environment of Flower", lambda h: process_table.environments(*h.process_roots, of="flower"), _as_process("flower"), frozenset({"Flower password"})
    ),
    Place("environments", lambda h: process_table.environments(*h.process_roots, besides="flower"), _as_process()),
    Place("beat's schedule", lambda h: left_files.schedule(h.stack.data), _in_schedule),
    Place(
        "files left", lambda h: left_files.other_files(h.stack.data, h.temporary), _by_file(lambda h: h.temporary / "planted")
    ),
    Place(
        "files with keys", lambda h: left_files.private_files(h.stack.data), _by_file(lambda h: h.stack.data / "secrets" / "planted"),
        frozenset({"app secret", *GENERATED.values()}),
    ),
    Place("answers of console, API and receiver", lambda h: b"\n".join(h.answers), _as_answer),
    Place("what commands say", lambda h: "\n".join(h.outputs).encode(), _as_output),
)  # fmt: skip


@contextmanager
def own_standins(ports_file: Path) -> Iterator[dict[str, str]]:
    """Providers behind the wires: a stack that is told of a provider's address starts none."""
    process = subprocess.Popen([sys.executable, "-m", "devstack.standins", "--ports-file", str(ports_file)], cwd=ROOT)
    try:
        give_up_at = time.monotonic() + 30
        while not ports_file.exists():
            assert time.monotonic() < give_up_at and process.poll() is None, "the stand-ins did not start"
            time.sleep(0.05)
        yield json.loads(ports_file.read_text())
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
