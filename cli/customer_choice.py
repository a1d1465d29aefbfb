"""Which customer a command is about: by phone number, by an id of a channel, or by our own id."""

import argparse

from cli.errors import CommandError
from store.customer_search import FoundCustomer, find_by_channel_id, find_by_id, find_by_phone
from store.db import Connection
from store.tenants import get_tenant_config


def add_choice(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """`--phone`, `--channel-id` or `--customer`, one of them."""
    who = parser.add_mutually_exclusive_group(required=required)
    who.add_argument(
        "--phone", metavar="NUMBER", help="in any spelling; without country code it is one of the tenant's country"
    )
    who.add_argument(
        "--channel-id", metavar="ID", help="WhatsApp or Instagram id, a handle, or the id of your own channel"
    )
    who.add_argument("--customer", metavar="ID", help="our own id, as the console and the API show it")


def is_chosen(options: argparse.Namespace) -> bool:
    """Whether somebody is named."""
    return any((options.phone, options.channel_id, options.customer))


def choose_customer(conn: Connection, tenant_id: int, options: argparse.Namespace) -> str:
    """The id of the one customer who is meant. Raises: CommandError when it is nobody, or several. Nobody's name is printed."""
    found = _find(conn, tenant_id, options)
    if not found:
        message = "nobody is known by this; try another number or id of theirs"
        raise CommandError(message)
    if len(found) > 1:
        lines = [
            f"  --customer {one.customer_id}  since {one.first_seen_at:%Y-%m-%d}, {one.messages} messages"
            + (", had it formerly" if one.is_former else "")
            for one in found
        ]
        message = "\n".join([f"{len(found)} customers are or were known by this; name one:", *lines])
        raise CommandError(message)
    return found[0].customer_id


def _find(conn: Connection, tenant_id: int, options: argparse.Namespace) -> list[FoundCustomer]:
    if options.phone:
        region = get_tenant_config(conn, tenant_id).default_region
        return find_by_phone(conn, tenant_id, options.phone, region=region)
    if options.channel_id:
        return find_by_channel_id(conn, tenant_id, options.channel_id)
    return find_by_id(conn, tenant_id, options.customer)
