"""`earshot eval FILE`: how good an analyzer is on a labelled file, what it costs, and how sure that is."""

import argparse
import hashlib
import ipaddress
import json
import os
import random
import re
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from analysis.base import Analyzer
from analysis.evaluation import evaluate
from analysis.evaluation_compare import Comparison, SavedResult, compare, read_result, result_document
from analysis.evaluation_file import Case, Problem, read_labelled
from analysis.evaluation_readers import analyzer_ask, estimate_microusd, lexicon_ask, request_for
from analysis.evaluation_report import Report, Setup, Source
from analysis.evaluation_run import Ask, Asked, Questioner
from analysis.evaluation_text import describe, note_of
from analysis.lexicon import LEXICON_MODEL, LEXICON_NAME
from cli.errors import CommandError
from cli.main import EXIT_FAILED, EXIT_WRONG_USE, add_data_argument
from config.industries import Industry, industry_names, load_industry
from config.settings import Settings, SettingsError, environment_value, load_settings

BOOTSTRAP_SEED = 20261
MAX_FILE_BYTES = 256 * 1024 * 1024
MAX_CONCURRENCY = 64
SHOWN_PROBLEMS = 20
# The analyzer needs no database: what settings ask for beside it is left empty.
_UNUSED = {"database_url": "unused", "redis_url": "unused", "earshot_keys": "unused"}
_USED_SETTINGS = ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "ANTHROPIC_MODEL", "ANALYZE_TIMEOUT_S")


class WrongUseError(Exception):
    """Printed as it is, then exit code 2."""


@dataclass(frozen=True)
class _Chosen:
    """Who is asked. analyzer: None for the lexicon. base_url: where, when it is not the provider's own address."""

    source: Source
    name: str
    model: str
    analyzer: Analyzer | None = field(default=None, repr=False)
    base_url: str | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The file and how to ask about it."""
    parser.add_argument("file", type=Path, metavar="FILE.jsonl", help="labelled messages, one JSON object a line")
    parser.add_argument("--analyzer", choices=("claude", "lexicon"), default="claude", help="who is asked (claude)")
    parser.add_argument(
        "--industry", choices=industry_names(), default="general", help="whose topics and tone are told (general)"
    )
    parser.add_argument("--region", type=_region, default="US", metavar="CC", help="country of phone numbers (US)")
    parser.add_argument("--limit", type=_positive, metavar="N", help="only the first N messages")
    parser.add_argument("--concurrency", type=_concurrency, default=8, metavar="N", help="calls side by side (8)")
    parser.add_argument("--compare", type=Path, metavar="OTHER.json", help="an earlier result, as --json printed it")
    parser.add_argument("--errors", action="store_true", help="list what was wrong, by line and id")
    parser.add_argument("--json", action="store_true", help="the whole result as one JSON object")
    parser.add_argument("--yes", action="store_true", help="spend on a real key without asking")
    add_data_argument(parser)


def run(options: argparse.Namespace) -> int:
    """0 when every message was asked, 1 when the run stopped early or nothing was answered, 2 when a file is unusable."""
    try:
        return _evaluate(options)
    except WrongUseError as error:
        print(f"earshot eval: {error}", file=sys.stderr)
        return EXIT_WRONG_USE


def _evaluate(options: argparse.Namespace) -> int:
    industry = load_industry(options.industry)
    content = _read(options.file)
    file_sha256 = hashlib.sha256(content).hexdigest()
    labelled = read_labelled(content, topics=industry.all_topics())
    if labelled.problems:
        raise WrongUseError(_listed(options.file, labelled.problems))
    cases = labelled.cases[: options.limit]
    before = _saved_result(options.compare, cases) if options.compare else None
    chosen = _choose(options)
    if chosen.source == "live" and chosen.analyzer is not None:
        _confirm(chosen.analyzer, cases, options=options, industry=industry)
    asked = _ask_all(_ask(chosen, options=options, industry=industry), cases, concurrency=options.concurrency)
    setup = Setup(
        analyzer=chosen.name,
        source=chosen.source,
        model_asked=chosen.model,
        date=datetime.now(UTC).date().isoformat(),
        file=options.file.name,
        file_sha256=file_sha256,
        in_file=len(labelled.cases),
        industry=options.industry,
        region=options.region,
        concurrency=options.concurrency,
        base_url=_without_password(chosen.base_url),
    )
    rng = random.Random(BOOTSTRAP_SEED)  # noqa: S311 -- draws samples, guards nothing
    report = evaluate(asked.outcomes, setup=setup, rng=rng, not_asked=asked.not_asked, stopped=asked.stopped)
    comparison = compare(report.rows, file_sha256=file_sha256, before=before) if before else None
    _print(report, comparison, options=options)
    return EXIT_FAILED if report.stopped or not report.answered else 0


def _without_password(base_url: str | None) -> str | None:
    """The address as it may be shown."""
    scheme, mark, rest = (base_url or "").partition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}" if base_url else None


def _read(path: Path) -> bytes:
    """The whole file. Raises: WrongUseError."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            message = f"{path} is larger than {MAX_FILE_BYTES // 1024**2} MB; split it"
            raise WrongUseError(message)
        return path.read_bytes()
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise WrongUseError(message) from None


def _listed(path: Path, problems: tuple[Problem, ...]) -> str:
    shown = [f"  {problem}" for problem in problems[:SHOWN_PROBLEMS]]
    if len(problems) > SHOWN_PROBLEMS:
        shown.append(f"  and {len(problems) - SHOWN_PROBLEMS} more")
    return "\n".join([f"{path} cannot be used; nothing was sent:", *shown])


def _saved_result(path: Path, cases: tuple[Case, ...]) -> SavedResult:
    """The result to compare with, read before anything is spent. Raises: WrongUseError."""
    try:
        saved = read_result(_read(path))
    except ValueError as error:
        message = f"{path}: {error}"
        raise WrongUseError(message) from None
    if not {case.id for case in cases} & {row.id for row in saved.rows}:
        message = f"{path} has no message of this file: give both files the same `id`s"
        raise WrongUseError(message)
    return saved


def _choose(options: argparse.Namespace) -> _Chosen:
    """Raises: CommandError when there is nobody to ask, naming what to set."""
    if options.analyzer == "lexicon":
        return _Chosen("local", LEXICON_NAME, LEXICON_MODEL)
    try:
        environ = {name: value for name, value in os.environ.items() if name.removesuffix("_FILE") in _USED_SETTINGS}
        key, base_url = (environment_value(environ, name) for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"))
        if base_url and not _is_address(base_url):
            message = "ANTHROPIC_BASE_URL is no URL; it is scheme, host and port, like https://api.anthropic.com"
            raise CommandError(message)
        if base_url and _is_standin(base_url):
            return _standin(environ, base_url)
        if not key and not base_url:
            return _standin(environ, _stack_standin(options.data))
        if not key:
            message = (
                "ANTHROPIC_BASE_URL is set and ANTHROPIC_API_KEY is not; set it too (or ANTHROPIC_API_KEY_FILE), "
                "unset ANTHROPIC_BASE_URL to ask the running stack's stand-in, or take --analyzer lexicon"
            )
            raise CommandError(message)
        settings = load_settings(environ, **_UNUSED, analyzer_label="claude")
    except SettingsError as error:
        raise CommandError(str(error)) from None
    return _with_claude("live", settings, base_url=base_url)


def _stack_standin(data_dir: Path) -> str:
    from devstack.stack_error import StackError
    from devstack.stack_file import find_stack

    try:
        info = find_stack(data_dir)
    except StackError as error:
        raise CommandError(str(error)) from None
    if info is None or "anthropic" not in info["standins"]:
        state = f"no stack runs for {data_dir}" if info is None else f"the stack of {data_dir} runs without a stand-in"
        message = (
            f"ANTHROPIC_API_KEY is not set and {state}: set ANTHROPIC_API_KEY (or ANTHROPIC_API_KEY_FILE) to measure "
            "Claude, start the stand-in with `earshot up`, or take --analyzer lexicon, which needs neither"
        )
        raise CommandError(message)
    return info["standins"]["anthropic"]


def _standin(environ: dict[str, str], base_url: str) -> _Chosen:
    """The stand-in, which never sees a real key."""
    replaced = ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL")
    kept = {name: value for name, value in environ.items() if not name.startswith(replaced)}
    overrides = {"anthropic_api_key": "stand-in", "anthropic_base_url": base_url, "analyzer_label": "stand-in"}
    return _with_claude("stand-in", load_settings(kept, **_UNUSED, **overrides), base_url=base_url)


def _with_claude(source: Source, settings: Settings, *, base_url: str | None) -> _Chosen:
    from analysis.registry import build_analyzer  # the SDK takes a second to import

    analyzer = build_analyzer(settings)
    assert analyzer is not None
    return _Chosen(source, settings.analyzer_label, settings.anthropic_model, analyzer, base_url)


def _is_standin(base_url: str) -> bool:
    """Our own stand-in on this machine; anything else may spend money."""
    from devstack.health import http_answers

    host = urlsplit(base_url).hostname
    try:
        on_this_machine = host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:  # the name of another machine
        on_this_machine = False
    return on_this_machine and http_answers(f"{base_url.rstrip('/')}/_received")


def _is_address(base_url: str) -> bool:
    """Whether it can be taken apart at all: the HTTP client would raise an error of its own."""
    try:
        return urlsplit(base_url).port != 0
    except ValueError:
        return False


def _confirm(analyzer: Analyzer, cases: tuple[Case, ...], *, options: argparse.Namespace, industry: Industry) -> None:
    """Say what it will cost and ask. Raises: CommandError unless the answer is yes."""
    calls = [analyzer.prepare(request_for(case, region=options.region, industry=industry)) for case in cases]
    cost = estimate_microusd(calls)
    model = calls[0].model
    price = f"about ${cost / 1e6:.2f}" if cost is not None else "an unknown sum (its price is not in analysis/cost.py)"
    print(
        f"{len(calls):,} messages to {model}: {price}, estimated without prompt cache and without repeats, give or take 40 %",
        file=sys.stderr,
    )
    if options.yes:
        return
    if not sys.stdin.isatty():
        message = (
            "this would spend money on a real key and nobody is here to confirm; repeat with --yes. Nothing was sent"
        )
        raise CommandError(message)
    print("Send them? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        message = "not confirmed; nothing was sent"
        raise CommandError(message)


def _ask(chosen: _Chosen, *, options: argparse.Namespace, industry: Industry) -> Ask:
    if chosen.analyzer is None:
        return lexicon_ask(region=options.region, industry=industry)
    return analyzer_ask(chosen.analyzer, region=options.region, industry=industry)


def _ask_all(ask: Ask, cases: tuple[Case, ...], *, concurrency: int) -> Asked:
    questioner = Questioner(ask, clock=time.monotonic, pause=lambda stop, seconds: stop.wait(seconds))
    if not sys.stderr.isatty():
        return questioner.ask_all(cases, concurrency=concurrency)

    def told(done: int) -> None:
        print(f"\r{done:,} of {len(cases):,}", end="", file=sys.stderr, flush=True)

    asked = questioner.ask_all(cases, concurrency=concurrency, told=told)
    print(file=sys.stderr)
    return asked


def _print(report: Report, comparison: Comparison | None, *, options: argparse.Namespace) -> None:
    if not options.json:
        print("\n".join(describe(report, comparison=comparison, with_errors=options.errors)))
        return
    document = result_document(report, note=note_of(report), comparison=comparison)
    print(json.dumps(document, ensure_ascii=False, indent=1))


def _region(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z]{2}", value):
        message = "must be a country of two letters, like DE"
        raise argparse.ArgumentTypeError(message)
    return value.upper()


def _positive(value: str) -> int:
    if not value.isdecimal() or int(value) < 1:
        message = "must be a whole number from 1 on"
        raise argparse.ArgumentTypeError(message)
    return int(value)


def _concurrency(value: str) -> int:
    if _positive(value) > MAX_CONCURRENCY:
        message = f"must be at most {MAX_CONCURRENCY}"
        raise argparse.ArgumentTypeError(message)
    return int(value)
