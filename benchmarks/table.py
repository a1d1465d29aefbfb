"""`make bench`: every figure that matters beside its baseline and its limit, in one table: `python -m benchmarks.table [--quick]`.

Under 15 minutes on two cores. Prints the table and writes it into docs/performance.md between two marks; with --quick all parts run for seconds
only, to see that they work, and nothing is written.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg
import redis

from benchmarks import chains, console_pages, cost, model_calls, queue_delay, receiver, scale_out, stack_load
from benchmarks.console_database import filled_servers
from benchmarks.figures import Row
from benchmarks.last_run import last_run
from benchmarks.live_event import running_stack
from benchmarks.many_tenants import add_tenants
from benchmarks.peers import NoIndex, install_peers

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- make bench: begin -->", "<!-- make bench: end -->"
OVER_AFTER_S = 14.5 * 60
# Filling a million messages, counting them, and asking for each page, on two cores with nothing else on them: 115 s on the faster of two
# machines, 220 on the other.
PAGES_TAKE_S = 150.0
PACKAGES = ("celery", "kombu", "redis", "flask", "gunicorn", "gevent", "psycopg", "anthropic")


class Overdue(Exception):
    """A part took longer than it may."""


@dataclass
class Section:
    """A part of the table."""

    title: str
    rows: list[Row]
    failed: bool = False


@dataclass
class Run:
    """The sections so far, and how long there is for the others. servers: versions that only running servers tell."""

    is_quick: bool
    began: float = field(default_factory=time.monotonic)
    sections: list[Section] = field(default_factory=list[Section])
    servers: list[str] = field(default_factory=list[str])

    @property
    def left_s(self) -> float:
        """Until the whole run must be over."""
        return OVER_AFTER_S - (time.monotonic() - self.began)

    def attempt(self, title: str, most_s: float, measure: Callable[[], list[Row]]) -> None:
        """Add a section. One that fails or takes too long says so in the table, and the others go on."""
        print(f"{time.monotonic() - self.began:5.0f} s  {title}", file=sys.stderr)
        try:
            with _at_most_s(max(min(most_s, self.left_s), 1.0)):
                self.sections.append(Section(title, measure()))
        except Overdue:
            self.sections.append(Section(title, [Row("not measured: it took too long", "")], failed=True))
        except Exception as error:  # noqa: BLE001 -- one part that fails must not take the others' figures along
            said = f"{type(error).__name__}: {error}".partition("\n")[0]
            self.sections.append(Section(title, [Row(f"not measured: {said}", "")], failed=True))


@contextmanager
def _at_most_s(seconds: float) -> Generator[None]:
    def strike(*_: object) -> None:
        raise Overdue

    before = signal.signal(signal.SIGALRM, strike)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def measure(run: Run) -> None:
    """All parts in order: the page's readers look for the receiver first, and what takes longest comes last."""
    quick = run.is_quick
    run.attempt("The receiver", 180, lambda: receiver.rows(is_quick=quick))
    try:
        with tempfile.TemporaryDirectory(prefix="earshot-bench-", dir="/tmp") as name:
            folder = Path(name)
            folder.chmod(0o711)
            with running_stack(folder) as stack:
                _measure_on_stack(run, folder, stack)
    except Exception as error:  # noqa: BLE001 -- see Run.attempt
        run.sections.append(Section("A whole stack", [Row(f"not measured: {type(error).__name__}: {error}", "")], failed=True))  # fmt: skip
    run.attempt("The whole pipe", 330, lambda: chains.rows(is_quick=quick))
    run.attempt("Live messages beside many that wait", 270, lambda: queue_delay.rows(is_quick=quick))
    run.attempt("Twice the workers", 170, lambda: scale_out.rows(is_quick=quick))
    run.attempt("Tokens and cost", 30, cost.rows)
    run.attempt("Pages with a million messages", OVER_AFTER_S, lambda: _pages(run))


def _measure_on_stack(run: Run, folder: Path, stack: dict[str, Any]) -> None:
    quick = run.is_quick
    run.servers += _server_versions(stack)
    run.attempt("The stack at rest", 100, lambda: stack_load.idle_rows(stack, seconds=8.0 if quick else stack_load.IDLE_S))  # fmt: skip
    accounts = add_tenants(folder, stack, count=model_calls.TENANTS)
    # Before any other load: memory that a process took once is kept.
    run.attempt("A model that answers after 1.5 s", 150, lambda: model_calls.rows(stack, accounts, is_quick=quick))
    run.attempt("Half load", 150, lambda: stack_load.loaded_rows(folder, stack, accounts, is_quick=quick))


def _pages(run: Run) -> list[Row]:
    if run.is_quick or run.left_s < PAGES_TAKE_S:
        rows = last_run("pages-1", command="python -m benchmarks.console pages")
    else:
        with filled_servers(None, scale=1.0, say=lambda _: None) as servers:
            bare = console_pages.bare_page()
            rows = console_pages.page_rows(bare, console_pages.measure(servers)[0], scale=1.0)
    return [*rows, *last_run("pages-10", command="make bench-large")]


def _server_versions(stack: dict[str, Any]) -> list[str]:
    with psycopg.connect(stack["database_url"]) as conn, redis.Redis.from_url(stack["redis_url"]) as broker:
        postgres = conn.info.server_version
        told: Any = broker.info("server")
    return [f"Postgres {postgres // 10000}.{postgres % 10000}", f"Valkey {told.get('valkey_version', told['redis_version'])}"]  # fmt: skip


def describe_machine(servers: Sequence[str], *, load_before: float) -> str:
    """What the figures were made with, and how busy the machine was before the first of them."""
    cpu = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    memory = re.search(r"^MemTotal:\s+(\d+) kB", Path("/proc/meminfo").read_text(encoding="ascii"), re.MULTILINE)
    gigabytes = int(memory[1]) / 1024 / 1024 if memory else 0
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    busy = (
        ""
        if load_before < 0.5
        else ": **others used the machine too, so times and rates are worse than they are alone**"
    )
    return (
        f"{datetime.now():%Y-%m-%d %H:%M}, commit {_commit()}. {os.cpu_count()} cores ({cpu[1] if cpu else 'unknown'}), {gigabytes:.0f} GB; "
        f"load average before the first part {load_before:.1f}{busy}. Python {sys.version.split()[0]}, {', '.join(servers)}, {packages}."
    )  # fmt: skip


def _commit() -> str:
    try:
        said = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, check=True, capture_output=True, text=True)  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return said.stdout.strip()


def render(sections: Sequence[Section], *, machine: str, took_s: float) -> str:
    """Markdown, as it stands between the marks."""
    lines = [
        "## Every figure in one table",
        "",
        f"`make bench` made it in {took_s / 60:.1f} minutes: {machine}",
        "",
        "Median, and in brackets the least and the most of several rounds; pairs are measured by turns, and the ratio is that of each pair. The load",
        "itself, stand-ins, broker and Postgres share the cores. A limit is compared with the unrounded figure.",
        "",
        "| | Earshot | beside | ratio | limit | met? |",
        "|---|---|---|---|---|---|",
    ]
    for section in sections:
        lines.append(f"| **{section.title}** | | | | | |")
        for row in section.rows:
            met = {None: "", True: "yes", False: "**no**"}[row.met]
            cells = (row.what, row.ours, row.baseline, row.ratio, row.limit, met)
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def put_between_marks(page: str, section: str) -> str:
    """The page with this section in place of what stood between the marks. Raises: ValueError when a mark is missing."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        message = f"the page has no {BEGIN} followed by {END}: put both back where the table shall stand"
        raise ValueError(message)
    return f"{before}{BEGIN}\n{section}{END}{after}"


def main() -> int:
    """Print and write the table; 1 when a part could not be measured. A missed limit is a figure, not a failure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="all parts for seconds only; nothing is written")
    options = parser.parse_args()
    try:
        install_peers()  # before the clock runs: how quick an index is, is nobody's figure
    except NoIndex as missing:
        print(missing, file=sys.stderr)
    load_before = os.getloadavg()[0]
    run = Run(options.quick)
    measure(run)
    took_s = time.monotonic() - run.began
    table = render(run.sections, machine=describe_machine(run.servers, load_before=load_before), took_s=took_s)
    print(table)
    if not options.quick:
        PAGE.write_text(put_between_marks(PAGE.read_text(encoding="utf-8"), table), encoding="utf-8")
        print(f"written into {PAGE.relative_to(ROOT)}", file=sys.stderr)
    return 1 if any(section.failed for section in run.sections) else 0


if __name__ == "__main__":
    sys.exit(main())
