"""`earshot simulate`: other thresholds, rules and actions over a tenant's own history, before they are saved."""

import argparse
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

from cli.errors import CommandError
from cli.output import print_rows
from cli.workbench import add_tenant_argument, open_workbench
from config.tenant import TenantConfig
from config.tenant_file import TenantFileError, load_tenant_file
from config.words import QUEUES, Priority
from routing.simulation_report import Counts, Judged, Simulation
from worker.laboratory import LabSetup, tried_config
from worker.simulator import Trial, try_settings

MAX_DAYS = 366
_THRESHOLDS = ("escalate", "unsure")
_PRIORITIES: tuple[str, ...] = get_args(Priority)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to try, and over how much history."""
    add_tenant_argument(parser)
    parser.add_argument("--days", type=_as_days, default=30, metavar="N", help="of history (default: 30)")
    parser.add_argument("--escalate", type=float, metavar="SCORE", help="thresholds.escalate, 0 to 1")
    parser.add_argument("--unsure", type=float, metavar="SCORE", help="thresholds.unsure, 0 to 1")
    parser.add_argument(
        "--file", type=Path, metavar="FILE.toml", help="a whole tenant file: its rules, thresholds and actions"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")


def _as_days(text: str) -> int:
    if text.isdecimal() and 0 < int(text) <= MAX_DAYS:
        return int(text)
    message = f"{text!r} is no number of days from 1 to {MAX_DAYS}"
    raise argparse.ArgumentTypeError(message)


def run(options: argparse.Namespace) -> int:
    """Simulate and tell."""
    with open_workbench(options) as bench:
        tried = _tried(options, bench.tenant)
        with bench.transaction() as conn:
            trial = try_settings(
                conn, bench.tenant_id, live=bench.tenant, tried=tried, now=datetime.now(UTC), days=options.days
            )
    if options.json:
        print(json.dumps(as_document(trial), ensure_ascii=False))
    else:
        print_trial(trial)
    return 0


def _tried(options: argparse.Namespace, live: TenantConfig) -> TenantConfig | None:
    """The settings to try, None when none are given. Raises: CommandError, TrialError."""
    config = None
    if options.file:
        try:
            config = load_tenant_file(options.file, environ=os.environ)
        except TenantFileError as error:
            raise CommandError(str(error)) from None
        if config.slug != live.slug:
            raise CommandError(f"{options.file} is the file of {config.slug!r}, not of {live.slug!r}")
    limits = {name: value for name in _THRESHOLDS if (value := getattr(options, name)) is not None}
    return tried_config(config or live, LabSetup(thresholds=limits)) if limits else config


def as_document(trial: Trial) -> dict[str, Any]:
    """The whole result as one JSON object. Messages appear by their ids only."""
    one = trial.simulation
    return {
        "sentence": trial.sentence,
        "changes": list(trial.changes),
        "messages": one.messages,
        "moved": one.moved,
        "more_p1": vars(one.more_urgent),
        "fewer_p1": vars(one.less_urgent),
        "other_actions": vars(one.other_actions),
        "kinds_of_change": [{**change._asdict(), **vars(moved)} for change, moved in _biggest(one)],
        "before": _as_counts(one.before),
        "after": _as_counts(one.after),
        "unlike_history": one.unlike_history,
        "second_looks": one.second_looks,
        "unreadable": one.unreadable,
    }


def _biggest(one: Simulation) -> list[Any]:
    return sorted(one.changes.items(), key=lambda item: (-item[1].messages, item[0]))


def _as_counts(counts: Counts) -> dict[str, Any]:
    days: dict[str, dict[str, int]] = {}
    for (day, priority), number in sorted(counts.days.items()):
        days.setdefault(day.isoformat(), {})[priority] = number
    actions = [
        {"kind": kind, "state": state, "count": number} for (kind, state), number in sorted(counts.actions.items())
    ]
    judged = {**vars(counts.judged), "precision": counts.judged.precision, "recall": counts.judged.recall}
    return {
        "priorities": dict(sorted(counts.priorities.items())),
        "queues": dict(sorted(counts.queues.items())),
        "days": days,
        "actions": actions,
        "judged_p1": judged,
    }


def print_trial(trial: Trial) -> None:
    """The result for a person: the sentence first, then what moves."""
    one = trial.simulation
    print(trial.sentence)
    if not one.messages:
        print("There is no decision in this time.")
        return
    print()
    print_rows(_places(one), as_json=False, empty="")
    if one.changes:
        print("\nWhat would move, with ids of the first messages:")
        rows = [
            {
                "from": f"{change.from_priority} {change.from_queue}",
                "to": f"{change.to_priority} {change.to_queue}",
                "messages": moved.messages,
                "corrected": moved.corrected,
                "for_example": " ".join(moved.examples),
            }
            for change, moved in _biggest(one)
        ]
        print_rows(rows, as_json=False, empty="")
    if rows := _action_rows(one):
        print("\nActions planned by these decisions:")
        print_rows(rows, as_json=False, empty="")
    print("\n" + "\n".join(_remarks(one)))


def _places(one: Simulation) -> list[dict[str, Any]]:
    days = len({day for day, _ in one.after.days}) or 1
    own = sorted({*one.before.queues, *one.after.queues} - set(QUEUES))
    queues = (*QUEUES, *own)
    rows = [("P1 per day", one.before.priorities["P1"] / days, one.after.priorities["P1"] / days)]
    rows += [(name, one.before.priorities[name], one.after.priorities[name]) for name in _PRIORITIES]
    rows += [(name, one.before.queues[name], one.after.queues[name]) for name in queues]
    return [
        {
            "": name,
            "before": _short(before),
            "after": _short(after),
            "difference": f"{_short(after - before, sign='+')}",
        }
        for name, before, after in rows
        if before or after
    ]


def _short(number: float, *, sign: str = "") -> str:
    return f"{number:{sign}.1f}" if isinstance(number, float) else f"{number:{sign}d}"


def _action_rows(one: Simulation) -> list[dict[str, Any]]:
    kinds = sorted({*one.before.actions, *one.after.actions})
    return [
        {
            "action": kind.kind + (" (recorded only)" if kind.state == "shadow" else ""),
            "before": one.before.actions[kind],
            "after": one.after.actions[kind],
        }
        for kind in kinds
    ]


def _remarks(one: Simulation) -> list[str]:
    told = [f"{one.messages} messages, each by its first decision. Churn alerts look at labels only and do not change."]
    if one.unlike_history:
        told.append(
            f"{one.unlike_history} of them were decided otherwise at the time, under earlier settings or by earlier code."
        )
    if one.second_looks:
        told.append(f"{one.second_looks} second looks (re-analyses, corrections) would come out differently too.")
    if one.unreadable:
        told.append(f"{one.unreadable} decisions are left out: this version can't read what is stored with them.")
    told += _judged_remarks(one.before.judged, one.after.judged)
    return told


def _judged_remarks(before: Judged, after: Judged) -> list[str]:
    """Only where people have judged messages; corrected ones are no random sample, and the reader must know."""
    if not (before.right + before.needless + before.missed + after.right + after.needless + after.missed):
        return []
    sides = [
        f"{name} {judged.right} of {judged.right + judged.needless} P1 borne out, {judged.missed} missed"
        for name, judged in (("before", before), ("after", after))
    ]
    return ["By what people said of messages (corrections and audits, no random sample): " + "; ".join(sides) + "."]
