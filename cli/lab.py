"""`earshot lab`: messages with other topics, thresholds, examples or another model, beside what is live."""

import argparse
import json
import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cli.errors import CommandError
from cli.workbench import add_tenant_argument, open_workbench
from worker.laboratory import LabReading, LabRow, LabSetup, run_lab


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to read, and what to try."""
    words = parser.add_argument_group("messages")
    words.add_argument("--text", action="append", default=[], help="pasted words; may be repeated")
    words.add_argument("--message", action="append", default=[], metavar="ID", help="a stored message; may be repeated")
    words.add_argument("--file", type=Path, metavar="FILE", help="pasted words, a message a line")
    tried = parser.add_argument_group("what to try; whatever is not given stays as it is live")
    tried.add_argument(
        "--topics", type=Path, metavar="FILE.toml", help='the tenant\'s own topics: name = "one-line definition"'
    )
    tried.add_argument("--industry", metavar="NAME")
    tried.add_argument("--tone", metavar="TEXT")
    tried.add_argument("--examples", metavar="VERSION|none|proposed")
    tried.add_argument("--model", metavar="NAME")
    tried.add_argument("--rules", metavar="VERSION", help="a version of the global rules of the prompt, such as g1")
    tried.add_argument("--thresholds", metavar="NAME=0.6,…", help="escalate, unsure")
    parser.add_argument("--json", action="store_true", help="one JSON object a message")
    add_tenant_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Print both sides. Nothing is judged; what is sent stands in the ledger."""
    setup = LabSetup(
        topics=_read_topics(options.topics) if options.topics else None,
        industry=options.industry,
        tone=options.tone,
        examples=options.examples,
        model=options.model,
        rules=options.rules,
        thresholds=_read_thresholds(options.thresholds) if options.thresholds else {},
    )
    texts = [*options.text, *(_read_lines(options.file) if options.file else [])]
    with open_workbench(options) as bench:
        rows = run_lab(bench.deps, bench.tenant_id, setup=setup, texts=texts, message_ids=options.message)
    for row in rows:
        told = {**asdict(row), "changed": row.changed}
        print(json.dumps(told, ensure_ascii=False) if options.json else _told(row))
    return 0


def _read_file(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}"
        ) from None


def _read_lines(path: Path) -> list[str]:
    return [line for line in _read_file(path).splitlines() if line.strip()]


def _read_topics(path: Path) -> dict[str, str]:
    """From a table [topics], or a file of nothing else."""
    try:
        document: dict[str, Any] = tomllib.loads(_read_file(path))
    except tomllib.TOMLDecodeError as error:
        twice = "Cannot overwrite" in str(error)
        hint = "; a topic stands there twice, keep one" if twice else ""
        raise CommandError(f"{path} is not valid TOML: {error}{hint}") from None
    topics = document.get("topics", document)
    if not isinstance(topics, dict) or not all(isinstance(value, str) for value in topics.values()):
        raise CommandError(f'{path}: topics must be lines like name = "one-line definition"')
    return topics


def _read_thresholds(text: str) -> dict[str, float]:
    thresholds: dict[str, float] = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        try:
            thresholds[name.strip()] = float(value)
        except ValueError:
            raise CommandError(f"--thresholds: {part.strip()!r} is not name=number, as in unsure=0.4") from None
    return thresholds


def _told(row: LabRow) -> str:
    head = row.message_id or "pasted"
    words = row.words if len(row.words) <= 100 else row.words[:99] + "…"
    same = ", ".join(row.changed) if row.changed else "nothing"
    return "\n".join(
        [f"{head}: {words}", *_side("live", row.live), *_side("would be", row.trial), f"  changes: {same}", ""]
    )


def _side(name: str, one: LabReading) -> list[str]:
    cost = "stored, no cost" if one.is_stored else f"${one.cost_microusd / 1_000_000:.6f}"
    reading = f"no reading ({one.error_code})"
    if one.sentiment is not None:
        topics = ", ".join(one.topics) or "no topics"
        reading = f"{one.sentiment} {one.score:.2f}, {one.intent}, {topics}, advice {one.suggested_action}"
    return [
        f"  {name}: {reading} [{one.prompt}; {cost}]",
        f"    {one.priority}, {one.queue}: {' '.join(one.reasons)}",
        *([f"    actions: {', '.join(one.actions)}"] if one.actions else []),
    ]
