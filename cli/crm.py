"""`earshot crm check | provision | backfill | status | link`"""

import argparse
import json
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from cli.connect import Installation, find_installation
from cli.errors import CommandError
from cli.main import add_data_argument
from cli.tenant_scope import as_uuid, tenant_transaction
from config.settings import SettingsError, load_settings
from crm_sync.base import Crm, CrmError
from crm_sync.registry import build_crm, has_constant_token
from store.crm_connections import CrmConnection, find_connection, note_check, note_provisioned
from store.crm_links import link_customer
from store.crm_report import CrmStatus, count_backfill, read_status
from store.crm_searches import list_ambiguous
from store.crm_states import mark_all_dirty
from store.db import Connection, Database
from store.tenants import get_tenant_config
from worker.crm_tokens import SharedToken

# Which stand-in answers for which variable of the environment.
_STANDINS = {
    "hubspot_api_url": "hubspot",
    "salesforce_login_url": "salesforce",
    "zoho_api_url": "zoho",
    "zoho_accounts_url": "zoho",
    "pipedrive_api_url": "pipedrive",
    "pipedrive_oauth_url": "pipedrive",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Subcommands."""
    actions = parser.add_subparsers(dest="action", required=True)
    check = actions.add_parser("check", help="do the credentials work? lifts a pause when they do")
    provision = actions.add_parser("provision", help="make our fields where they are missing")
    provision.add_argument("--dry-run", action="store_true", help="only say what is there and what is missing")
    backfill = actions.add_parser("backfill", help="write every customer's card, behind live ones")
    backfill.add_argument("--dry-run", action="store_true", help="only say how many cards and searches it would be")
    status = actions.add_parser("status", help="what waits, what failed, who must be picked by a person")
    link = actions.add_parser("link", help="say which record is a customer's, once and for all")
    link.add_argument("--customer", required=True, metavar="ID", type=as_uuid)
    link.add_argument("--record", required=True, metavar="ID", help="the CRM's own id of the record")
    for action in (check, provision, backfill, status, link):
        action.add_argument("--tenant", required=True, metavar="SLUG")
        add_data_argument(action)
    for action in (check, provision, backfill, status):
        action.add_argument("--json", action="store_true", help="for programs")


@dataclass(frozen=True)
class _Target:
    """One tenant's CRM."""

    installation: Installation
    slug: str
    tenant_id: int
    connection: CrmConnection
    default_region: str | None

    @contextmanager
    def transaction(self) -> Generator[Connection]:
        with tenant_transaction(self.installation, self.slug) as (conn, _):
            yield conn


def run(options: argparse.Namespace) -> int:
    """One subcommand for one tenant's CRM."""
    installation = find_installation(options.data)
    with tenant_transaction(installation, options.tenant) as (conn, tenant_id):
        connection = find_connection(conn, tenant_id, keyring=installation.keyring)
        region = get_tenant_config(conn, tenant_id).default_region
    if connection is None:
        message = f"{options.tenant} has no [crm] in its tenant file"
        raise CommandError(message)
    target = _Target(installation, options.tenant, tenant_id, connection, region)
    commands = {"check": _check, "provision": _provision, "backfill": _backfill, "status": _status, "link": _link}
    return commands[options.action](options, target)


def _build(target: _Target) -> Crm:
    connection, installation = target.connection, target.installation
    overrides: dict[str, str] = {"database_url": installation.database_url, "redis_url": "redis://unused"}
    standins = installation.stack.get("standins", {})
    overrides |= {name: standins[kind] for name, kind in _STANDINS.items() if kind in standins}
    try:
        settings = load_settings({**os.environ, "EARSHOT_KEYS": "k1:unused"}, **overrides)
    except SettingsError as error:
        raise CommandError(str(error)) from None
    # The workers' own token: a command must not use up another of the few that a CRM gives.
    shared = None
    if not has_constant_token(connection.kind, connection.credentials):
        database = Database(installation.database_url, pool_size=1)
        shared = SharedToken(database, target.tenant_id, keyring=installation.keyring, settings=settings)
    return build_crm(
        connection.kind,
        connection.credentials,
        settings=settings,
        default_region=target.default_region,
        tokens=shared,
    )


def _check(options: argparse.Namespace, target: _Target) -> int:
    kind = target.connection.kind
    try:
        account = _build(target).check()
    except CrmError as error:
        if error.connection_broken:
            with target.transaction() as conn:
                note_check(conn, target.tenant_id, works=False, because=error.code)
        raise CommandError(f"{kind}: {error}") from None
    with target.transaction() as conn:
        note_check(conn, target.tenant_id, works=True, account_id=account.account_id)
    if options.json:
        print(json.dumps({"crm": kind, "account_id": account.account_id, "facts": list(account.facts)}))
        return 0
    print(f"{kind}: the credentials work" + (f", account {account.account_id}" if account.account_id else ""))
    for fact in account.facts:
        print(f"  {fact}")
    return 0


def _provision(options: argparse.Namespace, target: _Target) -> int:
    try:
        report = _build(target).provision(dry_run=options.dry_run)
    except CrmError as error:
        raise CommandError(f"{target.connection.kind}: {error}") from None
    if not options.dry_run:
        with target.transaction() as conn:
            note_provisioned(conn, target.tenant_id, missing=report.missing)
    if options.json:
        print(json.dumps({"created": report.created, "present": report.present, "missing": report.missing}))
    else:
        print(f"created {len(report.created)}, present {len(report.present)}, missing {len(report.missing)}")
        for line in report.missing:
            print(("missing: " if options.dry_run else "make by hand: ") + line)
    return 1 if report.missing and not options.dry_run else 0


def _backfill(options: argparse.Namespace, target: _Target) -> int:
    with target.transaction() as conn:
        cards, searches = count_backfill(conn, target.tenant_id)
        if not options.dry_run:
            cards = mark_all_dirty(conn, target.tenant_id)
    if options.json:
        print(json.dumps({"cards": cards, "searches": searches, "dry_run": options.dry_run}))
    else:
        verb = (
            "would be written" if options.dry_run else "will be written, behind live ones and within the day's budget"
        )
        print(f"{cards} cards {verb}; {searches} customers are to be looked for first")
    return 0


def _status(options: argparse.Namespace, target: _Target) -> int:
    with target.transaction() as conn:
        status = read_status(conn, target.tenant_id)
        ambiguous = list_ambiguous(conn, target.tenant_id, limit=20)
    if options.json:
        print(json.dumps({**status.as_dict(), "ambiguous_customers": [one.customer_id for one in ambiguous]}))
    else:
        _print_status(status)
        for one in ambiguous:
            records = ", ".join(candidate["record_id"] for candidate in one.candidates)
            print(f"  pick one for customer {one.customer_id}: {records}")
    return 1 if status.paused_because else 0


def _print_status(status: CrmStatus) -> None:
    account = f", account {status.account_id}" if status.account_id else ""
    print(f"{status.kind}{account}: {status.sentence}")
    print(f"  cards: {status.cards_waiting} wait ({status.cards_bulk} of them in bulk), {status.cards_failing} refused")
    print(f"  notes and tasks: {status.events_waiting} wait, {status.events_failed} failed")
    print(f"  customers: {status.linked} linked, {status.unlinked} without a record, {status.ambiguous} to be picked")
    print(f"  erasures: {status.erasures_waiting} wait, {status.erasures_failed} failed")
    if status.last_written_at:
        print(f"  last card written: {status.last_written_at:%Y-%m-%d %H:%M:%S} UTC")
    for code, count in status.errors.items():
        print(f"  {count} x {code}")
    for line in status.fields_missing:
        print(f"  make by hand: {line}")


def _link(options: argparse.Namespace, target: _Target) -> int:
    with target.transaction() as conn:
        is_linked = link_customer(
            conn, target.tenant_id, customer_id=options.customer, record_id=options.record, matched_on="person"
        )
    if not is_linked:
        message = f"--customer: {options.tenant} has no customer with this id"
        raise CommandError(message)
    print("linked; the card is written with the next round")
    return 0
