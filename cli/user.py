"""`earshot user add | link | list`"""

import argparse
import os
import secrets
from pathlib import Path

from cli.connect import find_installation
from cli.errors import CommandError
from cli.main import add_data_argument
from cli.output import print_rows
from store.audit_log import COMMAND_LINE, note_deed
from store.db import StoreError
from store.one_time_links import AGE_H, make_link
from store.people import find_person_id, list_tenants_of
from store.tenants import find_tenant_id
from store.users import add_user, grant_role, list_users

ROLES = ("operator", "agent", "supervisor", "admin", "auditor")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Subcommands."""
    actions = parser.add_subparsers(dest="action", required=True)
    link = actions.add_parser("link", help="a one-time link to choose a new password, for somebody who is locked out")
    link.add_argument("--email", required=True)
    add = actions.add_parser("add", help="add a user, or give a known one another role")
    add.add_argument("--email", required=True)
    add.add_argument("--role", required=True, choices=ROLES, help="operator: all tenants; the others need --tenant")
    add.add_argument("--tenant", metavar="SLUG")
    add.add_argument("--password-file", type=Path, metavar="FILE", help="else a random password is printed once")
    add.add_argument("--if-missing", action="store_true", help="no error when the user exists")
    listing = actions.add_parser("list", help="all users")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    for action in (add, link, listing):
        add_data_argument(action)


def run(options: argparse.Namespace) -> int:
    """One of the three."""
    if options.action == "list":
        with find_installation(options.data).system_transaction() as conn:
            rows = [vars(row) for row in list_users(conn)]
        print_rows(rows, as_json=options.json, empty="no users yet: earshot user add")
        return 0
    return _link(options) if options.action == "link" else _add(options)


def _link(options: argparse.Namespace) -> int:
    installation = find_installation(options.data)
    with installation.system_transaction() as conn:
        user_id = find_person_id(conn, options.email)
        if user_id is None:
            message = f"nobody has the e-mail {options.email}; see earshot user list"
            raise CommandError(message)
        token = make_link(conn, tenant_id=None, user_id=user_id, purpose="password")
        for tenant_id in list_tenants_of(conn, user_id) or [None]:
            deed, subject = "link_made", str(user_id)
            note_deed(conn, tenant_id, by=None, deed=deed, subject=subject, details=COMMAND_LINE)
    address = installation.stack.get("console_url") or os.environ.get("CONSOLE_URL") or "CONSOLE_URL"
    print(f"shown this once, for {options.email} only, good for {AGE_H} hours: {address}/welcome/{token}")
    return 0


def _add(options: argparse.Namespace) -> int:
    from argon2 import PasswordHasher

    if (options.role == "operator") == bool(options.tenant):
        message = "--role operator goes without --tenant, every other role needs one"
        raise CommandError(message)
    if "@" not in options.email:
        message = "--email must be an e-mail address"
        raise CommandError(message)
    password = secrets.token_urlsafe(18)
    if options.password_file:
        try:
            password = options.password_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            message = f"--password-file {options.password_file} cannot be read"
            raise CommandError(message) from None
    with find_installation(options.data).system_transaction() as conn:
        user_id = add_user(
            conn,
            email=options.email,
            password_hash=PasswordHasher().hash(password),
            is_operator=options.role == "operator",
        )
        if options.tenant:
            tenant_id = find_tenant_id(conn, options.tenant)
            if tenant_id is None:
                message = f"there is no tenant {options.tenant!r}; see earshot tenant list"
                raise CommandError(message)
            try:
                grant_role(conn, email=options.email, tenant_id=tenant_id, role=options.role)
            except StoreError as error:
                raise CommandError(str(error)) from None
            known, details = find_person_id(conn, options.email), {"role": options.role, **COMMAND_LINE}
            note_deed(conn, tenant_id, by=None, deed="role_given", subject=str(known), details=details)
        elif user_id is None and not options.if_missing:
            message = f"{options.email} exists already"
            raise CommandError(message)
    if user_id is not None and not options.password_file:
        print(f"password of {options.email} (shown this once): {password}")
    else:
        print(f"{options.email}: {'added' if user_id is not None else 'is there'}, {options.role}")
    return 0
