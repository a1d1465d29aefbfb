"""How long the server takes for each page and each API route that reads, beside a bare Flask page made by the same process."""

import statistics
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from flask import Flask, render_template_string
from flask.testing import FlaskClient

from benchmarks.console_addresses import Address, find_ids, list_addresses
from benchmarks.console_database import KEY, TENANTS, Servers
from benchmarks.figures import Row, at_most, number
from benchmarks.last_run import note_run
from config.settings import Settings, load_settings
from console.app import create_app
from console.visitors import SESSION_KEY
from store.users import create_api_key
from store.web_sessions import begin_session

LIMIT_MS = 150.0
# What has a tighter limit of its own, by the name of its address.
TIGHTER = {
    "/insights": ("the heat map", 100.0),
    "/api/v1/customers/<customer_id>": ("the customer's card, which stands beside a conversation", 20.0),
}
ROUNDS = 5
SECRET = "b" * 40


@dataclass(frozen=True)
class Timing:
    """Milliseconds of ROUNDS answers after one that is not counted. work: of them, what processors did, here and in Postgres."""

    name: str
    status: int
    work_ms: float
    median_ms: float
    worst_ms: float
    kilobytes: float


def bench_settings(servers: Servers) -> Settings:
    """The console's settings for these servers."""
    return load_settings(
        {
            "DATABASE_URL": servers.app_url,
            "REDIS_URL": servers.redis_url,
            "EARSHOT_KEYS": KEY,
            "SECRET_KEY": SECRET,
            "LOG_LEVEL": "ERROR",
        }
    )


def make_app(servers: Servers) -> Flask:
    """The console in this process."""
    return create_app({}, settings=bench_settings(servers))


def sign_in(
    app: Flask, servers: Servers, *, slug: str, role: str = "admin"
) -> tuple[FlaskClient, Mapping[str, str], int]:
    """A browser in which somebody of the tenant is signed in, headers with the same person's API key, and the tenant's id."""
    with psycopg.connect(servers.owner_url) as owner:
        row = owner.execute(
            "SELECT m.user_id, t.id FROM membership AS m JOIN tenant AS t ON t.id = m.tenant_id WHERE t.slug = %s AND m.role = %s LIMIT 1",
            (slug, role),
        ).fetchone()
    assert row is not None
    user_id, tenant_id = row
    with app.extensions["database"].system_transaction() as conn:
        token = begin_session(conn, user_id)
        key = create_api_key(conn, tenant_id=tenant_id, name="bench", role=role, user_id=user_id)[1]
    client = app.test_client()
    with client.session_transaction() as session:
        session[SESSION_KEY] = token
    return client, {"Authorization": f"Bearer {key}"}, tenant_id


class Work:
    """Processor time of this process and of its connections' backends; others on the machine don't lengthen it."""

    def __init__(self, owner_url: str | None) -> None:
        self._owner = psycopg.connect(owner_url, autocommit=True) if owner_url else None

    def so_far_ms(self) -> float:
        """Up to now."""
        total_ms = time.process_time() * 1000
        if self._owner:
            query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'earshot'"
            for (pid,) in self._owner.execute(query).fetchall():
                with suppress(OSError):
                    total_ms += int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[0]) / 1e6
        return total_ms


def time_address(client: FlaskClient, address: Address, headers: Mapping[str, str], work: Work) -> Timing:
    """Ask once to warm up, then ROUNDS times."""
    taken: list[float] = []
    worked: list[float] = []
    size = status = 0
    for _ in range(ROUNDS + 1):
        before_ms = work.so_far_ms()
        began = time.perf_counter()
        answer = client.get(address.path, headers=headers, buffered=not address.is_file)
        size = len(next(iter(answer.response), b"")) if address.is_file else len(answer.data)
        taken.append((time.perf_counter() - began) * 1000)
        answer.close()
        worked.append(work.so_far_ms() - before_ms)
        status = answer.status_code
    return Timing(
        address.name, status, statistics.median(worked[1:]), statistics.median(taken[1:]), max(taken[1:]), size / 1024
    )


def bare_page() -> Timing:
    """The baseline: a Flask application that renders a list of fifty lines, without a database."""
    app = Flask("bare")

    @app.get("/")
    def page() -> str:
        return render_template_string(
            "<ul>{% for one in rows %}<li><a href='/{{ one }}'>{{ one }}</a></li>{% endfor %}</ul>", rows=range(50)
        )

    return time_address(app.test_client(), Address("bare Flask page", "/", is_file=False), {}, Work(None))


def measure(servers: Servers, *, only: str = "") -> tuple[list[Timing], list[str]]:
    """All pages and routes, slowest first, and the routes that could not be filled in."""
    app = make_app(servers)
    try:
        client, key, tenant_id = sign_in(app, servers, slug="large")
        work = Work(servers.owner_url)
        found: dict[str, Any] = find_ids(servers.owner_url, tenant_id)
        addresses, unknown = list_addresses(app, found)
        # Two kinds of callers: pages go by the cookie, the API by a key.
        timings = [
            time_address(client, one, key if one.path.startswith("/api/") else {}, work)
            for one in addresses
            if only in one.name
        ]
    finally:
        app.extensions["database"].close()
    return sorted(timings, key=lambda one: -one.work_ms), unknown


def page_rows(bare: Timing, timings: list[Timing], *, scale: float) -> list[Row]:
    """The pages' part of the table of `make bench`; timings: slowest first."""
    slow = [one for one in timings if one.work_ms > LIMIT_MS]
    slowest, median_ms = timings[0], statistics.median(one.work_ms for one in timings)
    limit, met = at_most(slowest.work_ms, LIMIT_MS, "ms")
    size = f"{TENANTS['large'].messages * scale:,.0f} messages"
    beside = f"a bare Flask page {number(bare.work_ms)} ms"
    named = ", ".join(f"{one.name} {one.work_ms:.0f}" for one in slow[:8]) + (", …" if len(slow) > 8 else "")
    tighter = [
        Row(f"… of {what}", f"{number(one.work_ms)} ms", beside, f"{one.work_ms / bare.work_ms:.0f}x", *at_most(one.work_ms, limit_ms, "ms"))
        for one in timings
        for what, limit_ms in [TIGHTER.get(one.name, ("", 0.0))]
        if what
    ]  # fmt: skip
    return [
        Row(f"work of a page or route, median of {len(timings)}, {size}", f"{number(median_ms)} ms", beside, f"{median_ms / bare.work_ms:.0f}x"),
        Row(f"… of the slowest ({slowest.name})", f"{number(slowest.work_ms)} ms", beside, f"{slowest.work_ms / bare.work_ms:.0f}x", limit, met),
        Row(f"… how many take more than {LIMIT_MS:g} ms", f"{len(slow)}{': ' + named if slow else ''}", limit="0", met=not slow),
        *tighter,
    ]  # fmt: skip


def print_pages(servers: Servers, *, only: str = "", scale: float = 1.0) -> bool:
    """The table; returns whether every page was quick enough and answered. A run of all pages is noted for the table of `make bench`.

    What counts is the work: on a machine that others use too, the time on the clock is also theirs.
    """
    bare = bare_page()
    timings, unknown = measure(servers, only=only)
    print(
        f"\nServer time in ms, {ROUNDS} answers each with warm caches: work of console and Postgres (p50), on the clock (p50, worst);"
        f"\nratio of the work to a bare Flask page without a database ({bare.work_ms:.1f} ms of work, {bare.median_ms:.1f} on the clock)\n"
    )
    print(f"{'work':>8} {'ratio':>6} {'p50':>8} {'worst':>8} {'kB':>7}  page")
    for one in timings:
        late = "  <-- slow" if one.work_ms > LIMIT_MS else ""
        wrong = "" if one.status in {200, 302} else f"  <-- {one.status}"
        print(
            f"{one.work_ms:8.1f} {one.work_ms / bare.work_ms:5.0f}x {one.median_ms:8.1f} {one.worst_ms:8.1f} {one.kilobytes:7.1f}  "
            f"{one.name}{late}{wrong}"
        )
    for rule in unknown:
        print(f"not measured, nobody says how to fill it in: {rule}")
    if not only:
        note_run(f"pages-{scale:g}", page_rows(bare, timings, scale=scale))
    slow = [one for one in timings if one.work_ms > LIMIT_MS]
    late = [one for one in timings if one.worst_ms > LIMIT_MS]
    print(
        f"\n{len(timings)} addresses, {len(slow)} with more than {LIMIT_MS:.0f} ms of work, {len(late)} once later than that on the clock"
    )
    return not slow and not unknown
