"""`earshot accounting`: what became of every message, by tenant and hour, and whether that adds up."""

import argparse
from datetime import UTC, datetime, timedelta
from typing import Any

from cli.connect import find_installation
from cli.errors import CommandError
from cli.main import add_data_argument
from cli.output import print_rows
from store.accounting import FATES, LOSSES, HourAccount, account_for, list_hours, list_unbalanced, restart_lost
from store.db import Connection, act_for_tenant
from store.tenants import TenantRow, list_tenants

MAX_HOURS = 24 * 35
HOUR = timedelta(hours=1)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`--tenant`, `--hours`, `--recount`, `--restart-lost`, `--json`."""
    parser.add_argument("--tenant", metavar="SLUG", help="only this tenant")
    parser.add_argument("--hours", type=_hours, default=24, metavar="N", help="so far back (default: 24)")
    parser.add_argument(
        "--recount", action="store_true", help="count these hours now instead of showing the last count"
    )
    parser.add_argument(
        "--restart-lost", action="store_true", help="give messages that nobody works on a new run, then count anew"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    add_data_argument(parser)


def _hours(text: str) -> int:
    hours = int(text) if text.isdecimal() and len(text) < len(str(MAX_HOURS)) + 1 else 0
    if not 0 < hours <= MAX_HOURS:
        message = f"{text!r} is not a whole number of hours from 1 to {MAX_HOURS}"
        raise argparse.ArgumentTypeError(message)
    return hours


def run(options: argparse.Namespace) -> int:
    """0 when everything adds up, else 1. Hours that don't are shown however old they are."""
    now = datetime.now(UTC)
    until = now.replace(minute=0, second=0, microsecond=0) + HOUR
    rows: list[dict[str, Any]] = []
    missing = restarted = 0
    with find_installation(options.data).system_transaction() as conn:
        for tenant in _chosen(conn, options.tenant):
            act_for_tenant(conn, tenant.id)
            span = {"since": until - options.hours * HOUR, "until": until}
            if options.restart_lost:
                restarted += restart_lost(conn, tenant.id, **span)
            read = account_for if options.recount or options.restart_lost else list_hours
            hours = read(conn, tenant.id, **span)
            shown = {one.hour: one for one in (*list_unbalanced(conn, tenant.id), *hours)}
            rows += [_row(tenant.slug, shown[hour]) for hour in sorted(shown)]
            missing += sum(one.unaccounted for one in shown.values())
    print_rows(rows, as_json=options.json, empty="nothing was received, as far as that was counted")
    if options.restart_lost and not options.json:
        print(f"\n{restarted} messages are worked on again")
    if not options.json:
        print(f"\n{missing} messages can't be accounted for" if missing else "\neverything is accounted for")
    return 1 if missing else 0


def _chosen(conn: Connection, slug: str | None) -> list[TenantRow]:
    tenants = list_tenants(conn)
    chosen = [tenant for tenant in tenants if slug in {None, tenant.slug}]
    if slug and not chosen:
        message = f"there is no tenant {slug}; see earshot tenant list"
        raise CommandError(message)
    return chosen


def _row(slug: str, one: HourAccount) -> dict[str, Any]:
    figures = {name: getattr(one, name) for name in ("received", *FATES, *LOSSES)}
    return {"tenant": slug, "hour": f"{one.hour:%Y-%m-%dT%H:00Z}", **figures, "unaccounted": one.unaccounted}
