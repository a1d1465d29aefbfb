"""`earshot agent list | set`"""

import argparse

from cli.connect import find_installation
from cli.errors import CommandError
from cli.main import add_data_argument
from cli.output import print_rows
from cli.tenant_scope import tenant_transaction
from config.queue_names import why_unknown
from config.skills import is_skill
from store.agents import find_colleague, list_agents, note_heartbeat, set_agent
from store.tenants import get_tenant_config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Subcommands."""
    actions = parser.add_subparsers(dest="action", required=True)
    listing = actions.add_parser("list", help="agents with presence, skills, capacity and load")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    change = actions.add_parser("set", help="say what a person can do and how much; what is left out stays")
    change.add_argument("--email", required=True)
    change.add_argument("--skill", action="append", metavar="WORD", help='again for more; "" for none')
    change.add_argument(
        "--queue", action="append", metavar="QUEUE", help='serve only this one; again for more; "" for all'
    )
    change.add_argument("--capacity", type=int, help="open conversations at once")
    change.add_argument("--presence", choices=("available", "away", "offline"))
    for action in (listing, change):
        action.add_argument("--tenant", required=True, metavar="SLUG")
        add_data_argument(action)


def run(options: argparse.Namespace) -> int:
    """List or set."""
    if options.action == "set":
        return _set(options)
    with tenant_transaction(find_installation(options.data), options.tenant) as (conn, tenant_id):
        rows = [vars(row) for row in list_agents(conn, tenant_id)]
    print_rows(rows, as_json=options.json, empty="no agents yet: earshot agent set")
    return 0


def _set(options: argparse.Namespace) -> int:
    queues = _words(options.queue)
    wrong = next((word for word in _words(options.skill) or () if not is_skill(word)), None)
    if wrong is not None:
        raise CommandError(f"--skill {wrong!r}: a skill is lower case, digits, - and _, at most 40")
    if options.capacity is not None and not 0 <= options.capacity <= 1000:
        message = "--capacity must be from 0 to 1000"
        raise CommandError(message)
    with tenant_transaction(find_installation(options.data), options.tenant) as (conn, tenant_id):
        config = get_tenant_config(conn, tenant_id)
        unknown = why_unknown(queues or (), config)
        if unknown:
            raise CommandError(f"--queue: {unknown}")
        found = find_colleague(conn, tenant_id, email=options.email)
        if found is None or found[2] == "auditor":
            message = f"{options.email} may not answer customers of {options.tenant}; see earshot user add --role agent"
            raise CommandError(message)
        set_agent(
            conn,
            tenant_id,
            found[0],
            presence=options.presence,
            skills=_words(options.skill),
            queues=queues,
            capacity=options.capacity,
            default_capacity=config.assignment.default_capacity,
        )
        if options.presence == "available":
            note_heartbeat(conn, tenant_id, found[0])
    print(f"{options.email}: set")
    return 0


def _words(given: list[str] | None) -> list[str] | None:
    """None keeps what is there; one empty word clears it."""
    return [word for word in given if word] if given is not None else None
