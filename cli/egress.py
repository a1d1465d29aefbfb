"""`earshot egress`"""

import argparse
import csv
import sys
from datetime import UTC, datetime

from cli.connect import find_installation
from cli.main import add_data_argument
from cli.output import print_rows
from cli.tenant_scope import as_uuid, tenant_transaction
from store.history import EgressRow, list_egress

# A spreadsheet takes a cell that begins with one of these for a formula.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One tenant's ledger, narrowed down."""
    parser.add_argument("--tenant", required=True, metavar="SLUG")
    parser.add_argument("--message", type=as_uuid, metavar="ID")
    parser.add_argument("--customer", type=as_uuid, metavar="ID")
    parser.add_argument("--since", type=_as_time, metavar="DATE", help="2026-11-01, or with a time; UTC")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object a line")
    form.add_argument("--csv", action="store_true", help="for a spreadsheet")
    add_data_argument(parser)


def _as_time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        message = f"{text!r} is no date; write 2026-11-01 or 2026-11-01T14:30"
        raise argparse.ArgumentTypeError(message) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def run(options: argparse.Namespace) -> int:
    """Print what has left."""
    with tenant_transaction(find_installation(options.data), options.tenant) as (conn, tenant_id):
        found: list[EgressRow] = []
        while True:
            page = list_egress(
                conn,
                tenant_id,
                message_id=options.message,
                customer_id=options.customer,
                since=options.since,
                after_id=found[-1].id if found else None,
            )
            found += page
            if not page:
                break
    rows = [vars(one) for one in found]
    if options.csv:
        _print_csv(rows)
    else:
        print_rows(rows, as_json=options.json, empty="nothing has left")
    return 0


def _print_csv(rows: list[dict[str, object]]) -> None:
    sys.stdout.write("\ufeff")
    writer = csv.writer(sys.stdout)
    if rows:
        writer.writerow(rows[0])
    writer.writerows([[_safe(value) for value in row.values()] for row in rows])


def _safe(value: object) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
