"""`earshot crm check | provision | backfill | status | log | link | unlink | retry`"""

import argparse
import json
import sys

from cli.crm_target import CrmTarget, as_told, find_target, open_crm
from cli.errors import CommandError
from cli.main import add_data_argument
from cli.output import print_rows
from cli.tenant_scope import as_uuid
from crm_sync.base import Crm, CrmError
from crm_sync.record_pages import describe_record_id, read_record_id
from store.conversation_events import Actor
from store.crm_connections import find_account, note_check, note_provisioned, pause_and_tell
from store.crm_erasures import list_failed_erasures, retry_erasures
from store.crm_events import retry_events
from store.crm_links import find_any_record, find_link
from store.crm_picks import lock_customer, pick_record, take_away
from store.crm_report import CrmStatus, count_backfill, find_card_state, list_writes, read_status
from store.crm_searches import list_ambiguous
from store.crm_states import mark_all_dirty

MAX_LINES = 10_000
# Of what a person must do, so many are named.
NAMED = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Subcommands."""
    actions = parser.add_subparsers(dest="action", required=True)
    check = actions.add_parser("check", help="do the credentials work? lifts a pause when they do")
    provision = actions.add_parser("provision", help="make our fields where they are missing")
    provision.add_argument("--dry-run", action="store_true", help="only say what is there and what is missing")
    backfill = actions.add_parser("backfill", help="write every customer's card, behind live ones")
    backfill.add_argument("--dry-run", action="store_true", help="only say how many cards and searches it would be")
    status = actions.add_parser("status", help="what waits, what failed, who must be picked by a person")
    log = actions.add_parser("log", help="what was written to whom, when and why, newest first")
    log.add_argument("--customer", metavar="ID", type=as_uuid, help="only of this one")
    log.add_argument("--limit", type=_count, default=50, metavar="N")
    link = actions.add_parser("link", help="say which record is a customer's; what stands on a wrong one goes")
    link.add_argument("--record", required=True, metavar="ID", help="the CRM's own id of the record")
    unlink = actions.add_parser("unlink", help="take a wrong record away; what stands on it goes")
    unlink.add_argument("--search-again", action="store_true", help="have the customer looked for anew, now")
    retry = actions.add_parser("retry", help="try notes, tasks and erasures again that were given up")
    for action in (link, unlink):
        action.add_argument("--customer", required=True, metavar="ID", type=as_uuid)
    for action in (check, provision, backfill, status, log, link, unlink, retry):
        action.add_argument("--tenant", required=True, metavar="SLUG")
        add_data_argument(action)
    for action in (check, provision, backfill, status, log):
        action.add_argument("--json", action="store_true", help="for programs")


def _count(text: str) -> int:
    """A number of lines. Raises: ArgumentTypeError."""
    if text.isdigit() and 1 <= int(text) <= MAX_LINES:
        return int(text)
    message = f"give a number from 1 to {MAX_LINES}"
    raise argparse.ArgumentTypeError(message)


def run(options: argparse.Namespace) -> int:
    """One subcommand for one tenant's CRM."""
    target = find_target(options)
    commands = {
        "check": _check,
        "provision": _provision,
        "backfill": _backfill,
        "status": _status,
        "log": _log,
        "link": _link,
        "unlink": _unlink,
        "retry": _retry,
    }
    return commands[options.action](options, target)


def _check(options: argparse.Namespace, target: CrmTarget) -> int:
    kind = target.connection.kind
    unreadable: CrmError | None = None
    try:
        with open_crm(target) as crm:
            account = crm.check()
            unreadable = _unreadable_field(crm, target)
    except CrmError as error:
        if error.connection_broken:
            with target.transaction() as conn:
                pause_and_tell(conn, target.tenant_id, kind, code=error.code)
                note_check(conn, target.tenant_id, works=False, because=error.code)
        raise as_told(target, error) from None
    with target.transaction() as conn:
        note_check(conn, target.tenant_id, works=True, account_id=account.account_id)
    if options.json:
        told = {"crm": kind, "account_id": account.account_id, "facts": list(account.facts)}
        print(json.dumps(told | {"unreadable": unreadable.code if unreadable else None}))
    else:
        print(f"{kind}: the credentials work" + (f", account {account.account_id}" if account.account_id else ""))
        for fact in account.facts:
            print(f"  {fact}")
        if unreadable:
            fix = "correct high_value, tier_field or value_field under [crm], or grant the right to read it"
            print(f"  a field of yours cannot be read: {unreadable.code}: {fix}")
    return 1 if unreadable else 0


def _unreadable_field(crm: Crm, target: CrmTarget) -> CrmError | None:
    """Why the tenant's own fields can't be read from a record that is known; None also where none is known yet."""
    fields = target.connection.settings.fields_read
    with target.transaction() as conn:
        record_id = find_any_record(conn, target.tenant_id) if fields else None
    if record_id is None:
        return None
    try:
        crm.read_fields([record_id], fields)
    except CrmError as error:
        if not error.permanent:
            raise
        return error
    return None


def _provision(options: argparse.Namespace, target: CrmTarget) -> int:
    try:
        with open_crm(target) as crm:
            report = crm.provision(dry_run=options.dry_run)
    except CrmError as error:
        raise as_told(target, error) from None
    if not options.dry_run:
        with target.transaction() as conn:
            note_provisioned(conn, target.tenant_id, missing=report.missing)
    if options.json:
        print(json.dumps({"created": report.created, "present": report.present, "missing": report.missing}))
    else:
        made = "" if options.dry_run else f"created {len(report.created)}, "
        hint = "; without --dry-run those are made that may be" if options.dry_run and report.missing else ""
        print(f"{made}present {len(report.present)}, missing {len(report.missing)}{hint}")
        for line in report.missing:
            print(("missing: " if options.dry_run else "make by hand: ") + line)
    return 1 if report.missing and not options.dry_run else 0


def _backfill(options: argparse.Namespace, target: CrmTarget) -> int:
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


def _status(options: argparse.Namespace, target: CrmTarget) -> int:
    with target.transaction() as conn:
        status = read_status(conn, target.tenant_id)
        ambiguous = list_ambiguous(conn, target.tenant_id, limit=NAMED)
        by_hand = list_failed_erasures(conn, target.tenant_id, limit=NAMED)
        account = find_account(conn, target.tenant_id)
    assert account is not None
    if options.json:
        told = {
            **status.as_dict(),
            "ambiguous_customers": [one.customer_id for one in ambiguous],
            "erase_by_hand": [{"record_id": record_id, "error_code": code} for record_id, code in by_hand],
        }
        print(json.dumps(told))
    else:
        _print_status(status)
        for one in ambiguous:
            print(f"  pick one for customer {one.customer_id} (earshot crm link):")
            for candidate in one.candidates:
                where = account.url_of(candidate["record_id"])
                print(f"    {candidate['record_id']} by {candidate['matched_on']}" + (f"  {where}" if where else ""))
        for record_id, code in by_hand:
            print(f"  not cleared: record {record_id} ({code}); by hand, or earshot crm retry")
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


def _log(options: argparse.Namespace, target: CrmTarget) -> int:
    with target.transaction() as conn:
        if options.customer and find_card_state(conn, target.tenant_id, options.customer) is None:
            raise _no_customer(options)
        writes = list_writes(conn, target.tenant_id, customer_id=options.customer, limit=options.limit)
    rows = [
        {
            "written_at": one.written_at.isoformat(timespec="seconds"),
            "customer_id": one.customer_id,
            "record_id": one.record_id,
            "because": one.because,
            **({"fields": one.fields} if options.json else {"label": _in_short(one.fields)}),
        }
        for one in writes
    ]
    print_rows(rows, as_json=options.json, empty="nothing was written yet")
    return 0


def _in_short(fields: dict[str, str]) -> str:
    """What an agent sees first on the card; a cleared one has no label."""
    return fields.get("earshot_label") or "cleared"


def _no_customer(options: argparse.Namespace) -> CommandError:
    return CommandError(f"--customer: {options.tenant} has no customer with this id")


def _link(options: argparse.Namespace, target: CrmTarget) -> int:
    kind = target.connection.kind
    record_id = read_record_id(kind, options.record)
    if record_id is None:
        message = f"--record: {options.record!r} is no id of {kind}'s: give {describe_record_id(kind)}"
        raise CommandError(message)
    with target.transaction() as conn:
        if find_card_state(conn, target.tenant_id, options.customer) is None:
            raise _no_customer(options)
    try:
        with open_crm(target) as crm:
            is_there = record_id in crm.read_fields([record_id], ())
    except CrmError as error:
        is_there = True  # the person knows; a record that is not there shows with the first write
        print(f"warning: not looked up, {as_told(target, error)}", file=sys.stderr)
    if not is_there:
        message = f"--record: {kind} has no contact {record_id}"
        raise CommandError(message)
    with target.transaction() as conn:
        if not lock_customer(conn, target.tenant_id, options.customer):
            raise _no_customer(options)
        done = pick_record(
            conn,
            target.tenant_id,
            customer_id=options.customer,
            record_id=record_id,
            actor=Actor(),
            may_correct=True,
        )
    print("nothing changed" if done == "unchanged" else "linked; the card is written with the next round")
    return 0


def _unlink(options: argparse.Namespace, target: CrmTarget) -> int:
    with target.transaction() as conn:
        if not lock_customer(conn, target.tenant_id, options.customer):
            raise _no_customer(options)
        link = find_link(conn, options.customer)
        take_away(
            conn,
            target.tenant_id,
            customer_id=options.customer,
            actor=Actor(),
            then_search=options.search_again,
        )
    told = (
        f"taken away from record {link.record_id}, which is cleared with the next round"
        if link
        else "no record is linked"
    )
    print(told + ("; looked for again" if options.search_again else ""))
    return 0


def _retry(options: argparse.Namespace, target: CrmTarget) -> int:
    del options
    with target.transaction() as conn:
        events, erasures = retry_events(conn, target.tenant_id), retry_erasures(conn, target.tenant_id)
    print(f"{events} notes and tasks, {erasures} erasures are tried again")
    return 0
