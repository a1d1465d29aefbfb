"""`earshot audit-log`"""

import argparse
import sys
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cli.connect import find_installation
from cli.errors import CommandError
from cli.main import add_data_argument
from cli.output import print_rows
from console.audit_words import keys_in, parts_of, people_in, template_of
from console.csv_lines import csv_chunks
from console.languages import Speech
from store.db import Connection, act_for_tenant
from store.deed_lists import DeedFilter, ListedDeed, list_deeds, list_emails, list_key_names
from store.people import find_person_id
from store.tenants import find_tenant_id

LISTED_AT_MOST = 200
ROWS_AT_ONCE = 1000
_ENGLISH = Speech("en", ZoneInfo("UTC"))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One tenant's log, narrowed down."""
    whose = parser.add_mutually_exclusive_group(required=True)
    whose.add_argument("--tenant", metavar="SLUG")
    whose.add_argument(
        "--installation", action="store_true", help="what concerns no tenant: sign-ins of unknown accounts"
    )
    parser.add_argument("--person", metavar="EMAIL", help="what this person did")
    parser.add_argument("--deed", metavar="WORD", help="as --json names it: role_changed, conversation_read, ...")
    parser.add_argument("--subject", metavar="ID", help="what it was done to: an id, or a person's e-mail")
    parser.add_argument("--since", type=_as_time, metavar="DATE", help="2026-11-01, or with a time; UTC")
    parser.add_argument("--until", type=_as_time, metavar="DATE", help="not including it; UTC")
    parser.add_argument(
        "--limit", type=_whole, default=LISTED_AT_MOST, help=f"newest so many (default {LISTED_AT_MOST})"
    )
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


def _whole(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1_000_000:
        message = f"{text!r} is not a whole number from 1 to 1000000"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Print what was done, newest first."""
    with find_installation(options.data).system_transaction() as conn:
        tenant_id = None
        if options.tenant:
            tenant_id = find_tenant_id(conn, options.tenant)
            if tenant_id is None:
                message = f"there is no tenant {options.tenant!r}; see earshot tenant list"
                raise CommandError(message)
            act_for_tenant(conn, tenant_id)
        found = _read(conn, tenant_id, options)
        emails = list_emails(conn, people_in(found))
        keys = list_key_names(conn, tenant_id, keys_in(found))
    rows = [
        {
            "at": one.at.isoformat(timespec="seconds"),
            "deed": one.deed,
            "subject": one.subject,
            "by_user": emails.get(one.by_user_id) if one.by_user_id is not None else None,
            "by_key": keys.get(one.by_key_id) if one.by_key_id is not None else None,
            "details": dict(one.details),
            "sentence": template_of(one, _ENGLISH) % parts_of(one, _ENGLISH, emails=emails, keys=keys),
        }
        for one in found
    ]
    if options.csv:
        sys.stdout.writelines(
            csv_chunks(list(rows[0]) if rows else ["at"], ([_cell(one) for one in row.values()] for row in rows))
        )
        return 0
    shown = rows if options.json else [{"at": row["at"], "what": row["sentence"]} for row in rows]
    print_rows(shown, as_json=options.json, empty="nothing fits")
    return 0


def _cell(value: object) -> str:
    return "" if value is None else str(value)


def _person(conn: Connection, email: str) -> int:
    user_id = find_person_id(conn, email)
    if user_id is None:
        message = f"nobody has the e-mail {email}; see earshot user list"
        raise CommandError(message)
    return user_id


def _read(conn: Connection, tenant_id: int | None, options: argparse.Namespace) -> list[ListedDeed]:
    subject = options.subject
    if subject and "@" in subject:
        subject = str(_person(conn, subject))
    wanted = DeedFilter(
        user_id=_person(conn, options.person) if options.person else None,
        deed=options.deed,
        subject=subject,
        since=options.since,
        until=options.until,
    )
    found: list[ListedDeed] = []
    while len(found) < options.limit:
        limit = min(ROWS_AT_ONCE, options.limit - len(found))
        page = list_deeds(conn, tenant_id, wanted, before_id=found[-1].id if found else None, limit=limit)
        found += page
        if len(page) < limit:
            break
    return found
