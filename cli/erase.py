"""`earshot erase`"""

import argparse
import sys
import time
from typing import Any

from cli.connect import Installation, find_installation
from cli.customer_choice import add_choice, choose_customer, is_chosen
from cli.errors import CommandError
from cli.main import add_data_argument
from cli.output import print_rows
from cli.tenant_scope import as_uuid, tenant_transaction
from store.customer_erasure import Erasure, ask_erasure, find_erasure, list_erasures

LISTED = 100
LOOK_EVERY_S = 0.5

WHAT_GOES = """\
This erases the customer in every store of Earshot: messages with raw bodies and earlier versions, stripped text and summaries,
what the ledger says has left, identities and name, conversations, actions, notes, alerts, examples and trials drawn from their words.
The CRM is asked to clear its card. Nothing can bring it back.
It leaves labels, counts and costs without a person, and keyed hashes by which late repetitions are recognised. Backups: docs/privacy.md."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whom, or `--list`, or `--receipt`."""
    parser.add_argument("--tenant", required=True, metavar="SLUG")
    add_choice(parser, required=False)
    parser.add_argument("--list", action="store_true", help="receipts, newest first")
    parser.add_argument("--receipt", type=as_uuid, metavar="ID", help="how far one erasure is")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--wait", type=int, default=60, metavar="SECONDS", help="for workers to finish (default 60; 0: do not wait)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    add_data_argument(parser)


def run(options: argparse.Namespace) -> int:
    """0: erased (or listed), 1: not (yet)."""
    installation = find_installation(options.data)
    if options.list:
        with tenant_transaction(installation, options.tenant) as (conn, tenant_id):
            found = list_erasures(conn, tenant_id, limit=LISTED)
        print_rows([_row(one) for one in found], as_json=options.json, empty="nobody was erased")
        return 0
    if options.receipt:
        return _show(_get(installation, options.tenant, options.receipt), as_json=options.json)
    if not is_chosen(options):
        message = "name somebody with --phone, --channel-id or --customer, or ask for --list"
        raise CommandError(message)
    with tenant_transaction(installation, options.tenant) as (conn, tenant_id):
        customer_id = choose_customer(conn, tenant_id, options)
    if not options.yes and not _agrees(customer_id):
        print("nothing was erased")
        return 1
    with tenant_transaction(installation, options.tenant) as (conn, tenant_id):
        erasure_id = ask_erasure(conn, tenant_id, customer_id, by=None)
    if erasure_id is None:
        message = "they have been erased or merged with somebody meanwhile; look for them again"
        raise CommandError(message)
    return _wait(installation, options, erasure_id)


def _agrees(customer_id: str) -> bool:
    if not sys.stdin.isatty():
        message = "nobody is there to agree; say --yes"
        raise CommandError(message)
    print(f"{WHAT_GOES}\n")
    return input(f"Erase customer {customer_id}? Type yes: ").strip().lower() == "yes"


def _get(installation: Installation, slug: str, erasure_id: str) -> Erasure:
    with tenant_transaction(installation, slug) as (conn, tenant_id):
        erasure = find_erasure(conn, tenant_id, erasure_id)
    if erasure is None:
        message = f"there is no erasure {erasure_id}; see earshot erase --list"
        raise CommandError(message)
    return erasure


def _wait(installation: Installation, options: argparse.Namespace, erasure_id: str) -> int:
    ends_at = time.monotonic() + max(options.wait, 0)
    while True:
        erasure = _get(installation, options.tenant, erasure_id)
        if erasure.state == "done" or time.monotonic() >= ends_at:
            return _show(erasure, as_json=options.json)
        time.sleep(LOOK_EVERY_S)


def _show(erasure: Erasure, *, as_json: bool) -> int:
    print_rows([_row(erasure)], as_json=as_json, empty="")
    if erasure.state != "done" and not as_json:
        print(
            f"asked for; workers go on with it: earshot erase --receipt {erasure.id}. None there? See earshot doctor."
        )
    return 0 if erasure.state == "done" else 1


def _row(one: Erasure) -> dict[str, Any]:
    return {
        "id": one.id,
        "state": one.state,
        "requested_at": one.requested_at.isoformat(timespec="seconds"),
        "finished_at": one.finished_at.isoformat(timespec="seconds") if one.finished_at else None,
        **{name: one.counts.get(name, 0) for name in ("messages", "bodies", "ledger", "conversations", "identities")},
        "crm_pending": one.crm_pending,
        "crm_done": one.crm_done,
        "crm_failed": one.crm_failed,
        "error_code": one.error_code,
    }
