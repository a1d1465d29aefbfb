"""`earshot apikey create | revoke`"""

import argparse

from cli.connect import find_installation
from cli.errors import CommandError
from cli.main import add_data_argument
from console.api.scopes import SCOPES
from store.audit_log import COMMAND_LINE, note_deed
from store.db import Connection
from store.tenants import find_tenant_id
from store.users import create_api_key, find_key_tenant, find_member, revoke_api_key

ROLES = ("agent", "supervisor", "admin", "auditor")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Subcommands."""
    actions = parser.add_subparsers(dest="action", required=True)
    create = actions.add_parser("create", help="make a key and print it once")
    create.add_argument("--tenant", required=True, metavar="SLUG")
    create.add_argument("--name", required=True, help="what the key is for")
    create.add_argument("--role", choices=ROLES, default="agent")
    create.add_argument(
        "--user", metavar="EMAIL", help="the person whose key it is: it acts as them, with the smaller role"
    )
    create.add_argument(
        "--scope",
        action="append",
        choices=list(SCOPES),
        help="narrow the key to this; again for more (default: all that the role allows)",
    )
    revoke = actions.add_parser("revoke", help="end a key at once")
    revoke.add_argument("id", type=int)
    for action in (create, revoke):
        add_data_argument(action)


def run(options: argparse.Namespace) -> int:
    """Create or revoke."""
    with find_installation(options.data).system_transaction() as conn:
        if options.action == "revoke":
            tenant_id = find_key_tenant(conn, options.id)
            if not revoke_api_key(conn, options.id):
                message = f"there is no live key {options.id}"
                raise CommandError(message)
            subject = str(options.id)
            note_deed(conn, tenant_id, by=None, deed="key_revoked", subject=subject, details=COMMAND_LINE)
            print(f"key {options.id} is revoked")
            return 0
        tenant_id = find_tenant_id(conn, options.tenant)
        if tenant_id is None:
            message = f"there is no tenant {options.tenant!r}; see earshot tenant list"
            raise CommandError(message)
        user_id = _person(conn, options.user, tenant_id=tenant_id, slug=options.tenant) if options.user else None
        key_id, key = create_api_key(
            conn,
            tenant_id=tenant_id,
            name=options.name,
            role=options.role,
            user_id=user_id,
            scopes=options.scope or None,
        )
        details = {"role": options.role, "scopes": options.scope or None, "user_id": user_id, **COMMAND_LINE}
        note_deed(conn, tenant_id, by=None, deed="key_made", subject=str(key_id), details=details)
    print(f"key {key_id} (shown this once): {key}")
    return 0


def _person(conn: Connection, email: str, *, tenant_id: int, slug: str) -> int:
    member = find_member(conn, email=email, tenant_id=tenant_id)
    if member is None or member.role == "operator":
        message = f"--user {email} has no role in {slug}; give one with earshot user add"
        raise CommandError(message)
    return member.user_id
