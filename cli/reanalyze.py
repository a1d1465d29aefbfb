"""`earshot reanalyze`"""

import argparse

from cli.connect import find_installation
from cli.errors import CommandError
from cli.main import add_data_argument
from cli.tenant_scope import as_uuid, tenant_transaction
from store.reanalysis import add_reanalyses, find_newest_message


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Messages or a conversation of one tenant."""
    parser.add_argument("--tenant", required=True, metavar="SLUG")
    chosen = parser.add_mutually_exclusive_group(required=True)
    chosen.add_argument("--message", nargs="+", type=as_uuid, metavar="ID", help="each as it stood when it was written")
    chosen.add_argument(
        "--conversation", type=as_uuid, metavar="ID", help="its newest message, seen with all up to now"
    )
    add_data_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Begin fresh passes; workers start them within seconds."""
    with tenant_transaction(find_installation(options.data), options.tenant) as (conn, tenant_id):
        message_ids: list[str] = options.message or []
        if options.conversation:
            newest = find_newest_message(conn, tenant_id, options.conversation)
            if newest is None:
                message = f"{options.tenant} has no conversation {options.conversation} with words of a customer"
                raise CommandError(message)
            message_ids = [newest]
        begun, under_way = add_reanalyses(conn, tenant_id, message_ids, until_now=bool(options.conversation))
    if not begun and not under_way:
        message = "none of these is a message of the tenant's customers with words in it"
        raise CommandError(message)
    print(f"{len(begun)} begun, {under_way} under way already")
    return 0
