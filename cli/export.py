"""`earshot export customer`"""

import argparse
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from cli.connect import find_installation
from cli.customer_choice import add_choice, choose_customer
from cli.errors import CommandError
from cli.main import add_data_argument
from cli.tenant_scope import tenant_transaction
from store.audit_log import COMMAND_LINE, note_deed
from store.customer_export import write_customer
from store.db import Connection


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`customer`, and whom."""
    things = parser.add_subparsers(dest="thing", required=True)
    customer = things.add_parser(
        "customer", help="all that is held of one customer, for whoever asks what you know of them"
    )
    customer.add_argument("--tenant", required=True, metavar="SLUG")
    add_choice(customer, required=True)
    customer.add_argument(
        "--out", type=Path, metavar="FILE", help="write it there, for nobody else to read (default: standard output)"
    )
    add_data_argument(customer)


def run(options: argparse.Namespace) -> int:
    """Write one JSON document."""
    installation = find_installation(options.data)
    with tenant_transaction(installation, options.tenant) as (conn, tenant_id):
        customer_id = choose_customer(conn, tenant_id, options)
        note_deed(conn, tenant_id, by=None, deed="customer_exported", subject=customer_id, details=COMMAND_LINE)

    @contextmanager
    def begin() -> Generator[Connection]:
        with tenant_transaction(installation, options.tenant) as (conn, _):
            yield conn

    pieces = write_customer(begin, tenant_id, customer_id)
    if options.out is None:
        for piece in pieces:
            sys.stdout.write(piece)
        return 0
    try:
        # Made before it is written, so that at no moment others may read it.
        options.out.touch(mode=0o600, exist_ok=False)
        with options.out.open("w", encoding="utf-8") as file:
            for piece in pieces:
                file.write(piece)
    except OSError as error:
        message = f"{options.out}: {error.strerror}; name a new file in a folder that you may write"
        raise CommandError(message) from None
    print(f"written to {options.out}")
    return 0
