"""`earshot audit sample | list | judge`: a small random sample that people confirm or correct."""

import argparse
from datetime import UTC, date, datetime, timedelta

from cli.errors import CommandError
from cli.output import print_rows
from cli.workbench import MAY_CORRECT, add_tenant_argument, open_workbench
from store.audits import list_open_audits
from worker.audits import WEEKLY_SAMPLE, judge, pick_week


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Subcommands."""
    actions = parser.add_subparsers(dest="action", required=True)
    sample = actions.add_parser("sample", help="pick a week's messages at random; a week is picked once")
    sample.add_argument("--week", metavar="YYYY-MM-DD", help="any day of it; default: the last whole week (UTC)")
    sample.add_argument("--size", type=int, default=WEEKLY_SAMPLE, metavar="N", help=f"default {WEEKLY_SAMPLE}")
    listing = actions.add_parser("list", help="what nobody has judged yet")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    judging = actions.add_parser("judge", help="confirm a message's label, or say what it should be")
    judging.add_argument("--message", required=True, metavar="ID")
    judging.add_argument("--by", required=True, metavar="EMAIL", help="who says so")
    for name in ("sentiment", "intent", "topics"):
        judging.add_argument(f"--{name}", help="only where the label is wrong")
    for action in (sample, listing, judging):
        add_tenant_argument(action)


def _monday(options: argparse.Namespace) -> date:
    today = datetime.now(UTC).date()  # an entry point's clock
    try:
        day = date.fromisoformat(options.week) if options.week else today - timedelta(days=7)
    except ValueError:
        raise CommandError("--week must be a day like 2026-11-23") from None
    return day - timedelta(days=day.weekday())


def run(options: argparse.Namespace) -> int:
    """Sample, list or judge."""
    with open_workbench(options) as bench:
        if options.action == "list":
            with bench.transaction() as conn:
                rows = [vars(one) for one in list_open_audits(conn, bench.tenant_id)]
            print_rows(rows, as_json=options.json, empty="nothing waits to be judged: earshot audit sample")
            return 0
        if options.action == "sample":
            if not 1 <= options.size <= 1000:
                raise CommandError("--size must be from 1 to 1000")
            monday = _monday(options)
            with bench.transaction() as conn:
                picked = pick_week(conn, bench.tenant_id, monday=monday, size=options.size)
            print(
                f"week of {monday}: {picked} picked" if picked else f"week of {monday}: picked already, or no messages"
            )
            return 0
        by = bench.person(options.by, may=MAY_CORRECT)
        with bench.transaction() as conn:
            wrong = judge(
                conn,
                bench.tenant_id,
                tenant=bench.tenant,
                message_id=options.message,
                by=by,
                sentiment=options.sentiment,
                intent=options.intent,
                topics=options.topics,
            )
        print(f"the model was wrong: {', '.join(wrong)}" if wrong else "the model was right")
    return 0
