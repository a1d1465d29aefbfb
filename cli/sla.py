"""`earshot sla status | report`"""

import argparse
import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

from cli.connect import find_installation
from cli.errors import CommandError
from cli.main import add_data_argument
from cli.output import print_rows
from cli.tenant_scope import tenant_transaction
from routing.answer_times import FEWEST_WAITS, Comparison, SideFigures
from store.sla_report import find_switched_on, list_open_clocks, list_weeks
from store.tenants import get_tenant_config
from worker.sla_claim import Claim, measure_claim, plain

MAX_WEEKS = 260
MAX_DAYS = 365


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Subcommands."""
    actions = parser.add_subparsers(dest="action", required=True)
    status = actions.add_parser("status", help="clocks that run now, by queue: fine, soon, late")
    report = actions.add_parser("report", help="kept and missed targets by week, and time to answer before and after")
    report.add_argument("--weeks", type=_number(MAX_WEEKS), default=8, metavar="N", help="how many weeks (default 8)")
    report.add_argument(
        "--since", type=_day, metavar="YYYY-MM-DD", help="before and after this day (default: first decision)"
    )
    report.add_argument("--days", type=_number(MAX_DAYS), default=90, metavar="N", help="of each side (default 90)")
    for action in (status, report):
        action.add_argument("--tenant", required=True, metavar="SLUG")
        action.add_argument("--json", action="store_true", help="one JSON object a line")
        add_data_argument(action)


def _number(most: int) -> Any:
    def whole(text: str) -> int:
        if not text.isdecimal() or not 1 <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {most}")
        return int(text)

    return whole


def _day(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day like 2026-11-25") from None


def run(options: argparse.Namespace) -> int:
    """One subcommand."""
    return {"status": _status, "report": _report}[options.action](options)


def _status(options: argparse.Namespace) -> int:
    with tenant_transaction(find_installation(options.data), options.tenant) as (conn, tenant_id):
        rows = [vars(row) for row in list_open_clocks(conn, tenant_id)]
    for row in rows:
        row["next_due_at"] = row["next_due_at"].isoformat(timespec="seconds")
    print_rows(rows, as_json=options.json, empty="no clock is running")
    return 0


def _report(options: argparse.Namespace) -> int:
    now = datetime.now(UTC)  # an entry point's clock
    with tenant_transaction(find_installation(options.data), options.tenant) as (conn, tenant_id):
        tenant = get_tenant_config(conn, tenant_id)
        since = now - timedelta(weeks=options.weeks)
        weeks = [vars(row) for row in list_weeks(conn, tenant_id, since=since, time_zone=tenant.hours.time_zone)]
        switched_at = options.since or find_switched_on(conn, tenant_id)
        if options.since and options.since > now:
            raise CommandError("--since lies in the future; give a day that has passed")
        claim = (
            measure_claim(conn, tenant_id, switched_at=switched_at, days=options.days, now=now) if switched_at else None
        )
    for row in weeks:
        row["week"] = row["week"].isoformat()
        row["median_min"], row["p90_min"] = (
            None if row[name] is None else round(row[name], 1) for name in ("median_min", "p90_min")
        )
    if options.json:
        for row in weeks:
            print(json.dumps({"kind": "week", **row}))
        print(
            json.dumps({"kind": "answer_times", **plain(claim.as_json())})
            if claim
            else json.dumps({"kind": "answer_times"})
        )
        return 0
    print_rows(weeks, as_json=False, empty="no clock has stopped yet")
    print()
    print("\n".join(claim_lines(claim)) if claim else "nothing decided yet: there is no before and after")
    return 0


def claim_lines(claim: Claim) -> list[str]:
    """What the numbers say, and what they are made of."""
    history = (
        f"{claim.history_share:.0%} of the messages before are from uploaded history" if claim.history_share else None
    )
    made_of = {
        "labels": "negative by the labels (model and corrections) on both sides",
        "keywords": "negative by keyword reading on both sides, because the messages before were not analyzed",
    }[claim.reading]
    return [
        f"Time to the first answer of a person, {claim.days} days before and after {claim.switched_at:%Y-%m-%d %H:%M} UTC",
        f"({'; '.join(part for part in (made_of, history) if part)}):",
        f"  negatives: {_sentence(claim.negatives)}",
        f"  all messages: {_sentence(claim.everything)}",
    ]


def _sentence(found: Comparison) -> str:
    if found.verdict == "not_enough":
        return f"not enough: {found.before.waits} waits before, {found.after.waits} after, {FEWEST_WAITS} needed on each side"
    sides = f"median {_minutes(found.before.median)} → {_minutes(found.after.median)} ({_side(found.before)} before, {_side(found.after)} after)"
    chance = f"p = {found.p_value:.4f}" if found.p_value is not None else ""
    interval = f"; difference {found.interval[0]:+.1f} to {found.interval[1]:+.1f} min (95 %)" if found.interval else ""
    verdict = {
        "faster": "faster",
        "slower": "slower",
        "no_difference": "no difference beyond chance",
    }[found.verdict]
    return f"{verdict}: {sides}{interval}, {chance}"


def _side(side: SideFigures) -> str:
    return f"n = {side.waits}, {side.unanswered} never answered, 90 % within {_minutes(side.p90)}"


def _minutes(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1f} min" if math.isfinite(value) else "never"
