"""Five hundred pages that follow what happens, on one console process: its memory, what others wait, how soon all of them hear."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx2
import psycopg

from benchmarks.console_database import Servers
from benchmarks.console_process import Browser, Console, console_process, sign_in_many

PAGES = 500
EVENTS = 40
LOOKS = 200
SLOW_READERS = 20
MOST_MB, MOST_MORE_MS, MOST_EVENT_MS = 100.0, 100.0, 300.0


class Crowd:
    """The readers' process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def do(self, order: str, **values: Any) -> dict[str, Any]:
        """Have it done and hear what came of it."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": order, **values}) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def open(self, console: Console, browsers: Sequence[Browser], *, count: int, reads: bool = True) -> dict[str, Any]:
        """So many pages at once, of the browsers by turns."""
        known = [[one.tenant_id, one.cookie] for one in browsers]
        return self.do("open", port=console.port, browsers=known, count=count, reads=reads)


@contextmanager
def crowd() -> Generator[Crowd]:
    """Until the block ends."""
    argv = [sys.executable, "-m", "benchmarks.event_readers"]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Crowd(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(10)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share does not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def look(console: Console, browser: Browser, path: str) -> list[float]:
    """Milliseconds of LOOKS answers, one after the other."""
    taken: list[float] = []
    with httpx2.Client(base_url=console.url, headers={"Cookie": browser.cookie}) as client:
        client.get(path)
        for _ in range(LOOKS):
            began = time.perf_counter()
            assert client.get(path).status_code == 200
            taken.append((time.perf_counter() - began) * 1000)
    return taken


def tell(servers: Servers, readers: Crowd, *, tenants: dict[int, int]) -> tuple[list[float], list[float]]:
    """Change a conversation of each tenant by turns; milliseconds from the commit until the first and the last page hears.

    tenants: open pages by tenant.
    """
    first: list[float] = []
    last: list[float] = []
    with psycopg.connect(servers.owner_url, autocommit=True) as owner:
        for number in range(EVENTS):
            tenant_id = list(tenants)[number % len(tenants)]
            readers.do("forget")
            owner.execute(
                "UPDATE conversation SET version = version + 1"
                " WHERE id = (SELECT id FROM conversation WHERE tenant_id = %s AND state = 'open' LIMIT 1)",
                (tenant_id,),
            )
            committed = time.time()
            moments = readers.do("heard", tenant_id=tenant_id, count=tenants[tenant_id])["moments"]
            assert len(moments) == tenants[tenant_id], f"{len(moments)} of {tenants[tenant_id]} pages heard of it"
            first.append((moments[0] - committed) * 1000)
            last.append((moments[-1] - committed) * 1000)
            time.sleep(0.02 + 0.013 * (number % 10))  # not in step with the looks
    return first, last


def connections(servers: Servers) -> int:
    """Of the processes' role, that are in a transaction or at rest."""
    with psycopg.connect(servers.owner_url) as owner:
        row = owner.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'earshot'").fetchone()
    assert row is not None
    return row[0]


def print_open_pages(servers: Servers) -> bool:
    """The table; returns whether every limit was kept."""
    browsers = sign_in_many(servers)
    kept: list[bool] = []

    def say(what: str, value: str, *, limit: str = "", fits: bool = True) -> None:
        kept.append(fits)
        print(f"{what:<58} {value:>22}  {limit}{'' if fits else '  <-- missed'}")

    print(f"\n{PAGES} open pages of {len(browsers)} people in two tenants on one console process (gunicorn, gevent)\n")
    with crowd() as readers:
        with console_process(servers) as console:
            bare_look = look(console, browsers[0], "/healthz")
            # The process grows with its first pages, whoever asks for them.
            look(console, browsers[0], "/inbox")
            look(console, browsers[0], "/inbox")
            before_mb, alone = console.memory_mb(), look(console, browsers[0], "/inbox")
            opened = readers.open(console, browsers, count=PAGES)
            say(
                "opened at once, the last one after",
                f"{opened['opened']}, {opened['last_s']:.2f} s",
                fits=opened["lost"] == 0,
            )
            time.sleep(2)
            after_mb, among = console.memory_mb(), look(console, browsers[0], "/inbox")
            more_mb = after_mb - before_mb
            say(
                f"memory: {before_mb:.0f} MB before, with all pages {after_mb:.0f} MB",
                f"{more_mb:+.1f} MB ({after_mb / before_mb:.2f}x)",
                limit=f"limit {MOST_MB:.0f}",
                fits=more_mb < MOST_MB,
            )
            say("connections to the database", str(connections(servers)), limit="pool of 8")
            say("baseline /healthz p50", f"{statistics.median(bare_look):.1f} ms")
            for name, share in (("p50", 0.5), ("p95", 0.95)):
                alone_ms, among_ms = percentile(alone, share), percentile(among, share)
                say(
                    f"/inbox {name}: {alone_ms:.1f} ms alone, {among_ms:.1f} ms beside them",
                    f"{among_ms - alone_ms:+.1f} ms ({among_ms / alone_ms:.2f}x)",
                    limit=f"limit +{MOST_MORE_MS:.0f}",
                    fits=among_ms - alone_ms < MOST_MORE_MS,
                )
            tenants = {one: _share(browsers, one, count=PAGES) for one in {browser.tenant_id for browser in browsers}}
            _say_events(say, tell(servers, readers, tenants=tenants), "event")
            hung = readers.open(console, browsers, count=SLOW_READERS, reads=False)
            assert hung["opened"] == SLOW_READERS
            _say_events(say, tell(servers, readers, tenants=tenants), f"event, beside {SLOW_READERS} that hang")
            began = time.monotonic()
            readers.do("close")
            while console.open_pages() and time.monotonic() - began < 40:
                time.sleep(0.2)
            say("vanished pages are freed after", f"{time.monotonic() - began:.1f} s", fits=not console.open_pages())
            port = console.port
        with console_process(servers, port=port) as console:
            stormed = readers.open(console, browsers, count=PAGES)
            say(
                "after a restart, all at once: the last hello after",
                f"{stormed['last_s']:.2f} s",
                fits=stormed["lost"] == 0,
            )
            readers.do("close")
    return all(kept)


def _share(browsers: Sequence[Browser], tenant_id: int, *, count: int) -> int:
    return sum(browsers[number % len(browsers)].tenant_id == tenant_id for number in range(count))


def _say_events(say: Any, told: tuple[list[float], list[float]], what: str) -> None:
    for name, values in (("first", told[0]), ("last", told[1])):
        p50, p99 = statistics.median(values), percentile(values, 0.99)
        say(
            f"{what}: commit to the {name} page, p50",
            f"{p50:.0f} ms, p99 {p99:.0f} ms",
            limit=f"limit {MOST_EVENT_MS:.0f}",
            fits=p99 < MOST_EVENT_MS,
        )
