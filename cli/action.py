"""`earshot action list | approve | cancel | settle | replay | tasks | done`"""

import argparse
from collections.abc import Callable, Sequence
from typing import get_args

from cli.connect import find_installation
from cli.errors import CommandError
from cli.main import add_data_argument
from cli.output import print_rows
from cli.tenant_scope import as_uuid, tenant_transaction
from config.words import ActionState
from store.action_desk import (
    approve_action,
    cancel_action,
    list_actions,
    list_failed_webhooks,
    replay_webhook,
    settle_uncertain,
)
from store.agent_tasks import finish_task, list_open_tasks
from store.db import Connection

LISTED_AT_MOST = 200


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Subcommands."""
    actions = parser.add_subparsers(dest="action", required=True)
    listing = actions.add_parser("list", help="actions with their states, newest first; no words of anybody")
    listing.add_argument("--state", action="append", default=[], choices=get_args(ActionState))
    listing.add_argument("--waiting", action="store_true", help="only those that wait for a person to agree")
    listing.add_argument("--limit", type=int, default=LISTED_AT_MOST)
    tasks = actions.add_parser("tasks", help="what a person has to do because no automation could")
    several = {
        "approve": "agree to actions that wait for a person; they leave within seconds",
        "cancel": "call actions off that have not left yet",
        "done": "tasks that a person has done",
    }
    parsers = [listing, tasks]
    for name, help_text in several.items():
        parsers.append(actions.add_parser(name, help=help_text))
        parsers[-1].add_argument("ids", nargs="+", type=as_uuid, metavar="ID")
    settle = actions.add_parser("settle", help="say of an uncertain send whether it arrived; nothing is sent again")
    settle.add_argument("ids", nargs="+", type=as_uuid, metavar="ID")
    arrived = settle.add_mutually_exclusive_group(required=True)
    arrived.add_argument("--arrived", dest="became", action="store_const", const="sent")
    arrived.add_argument("--not-arrived", dest="became", action="store_const", const="failed")
    replay = actions.add_parser("replay", help="tell webhooks again that were given up, under their own ids")
    replay.add_argument("ids", nargs="*", type=as_uuid, metavar="ID")
    replay.add_argument("--all", action="store_true")
    for one in (*parsers, settle, replay):
        one.add_argument("--tenant", required=True, metavar="SLUG")
        add_data_argument(one)
    for one in (listing, tasks):
        one.add_argument("--json", action="store_true", help="one JSON object a line")


def run(options: argparse.Namespace) -> int:
    """Look, or do what was asked."""
    with tenant_transaction(find_installation(options.data), options.tenant) as (conn, tenant_id):
        match options.action:
            case "list":
                found = list_actions(
                    conn,
                    tenant_id,
                    states=tuple(options.state),
                    unapproved_only=options.waiting,
                    limit=max(1, options.limit),
                )
                print_rows([vars(one) for one in found], as_json=options.json, empty="no such actions")
            case "tasks":
                rows = [vars(one) for one in list_open_tasks(conn, tenant_id)]
                print_rows(rows, as_json=options.json, empty="nothing waits for a person")
            case "replay":
                ids = list_failed_webhooks(conn, tenant_id) if options.all else options.ids
                if not ids:
                    message = "name the webhooks to replay, or --all; see earshot action list --state failed"
                    raise CommandError(message)
                _each(ids, lambda one: replay_webhook(conn, tenant_id, one), other="is no webhook that was given up")
            case _:
                _change(conn, tenant_id, options)
    return 0


def _change(conn: Connection, tenant_id: int, options: argparse.Namespace) -> None:
    changes: dict[str, tuple[Callable[[str], bool], str]] = {
        "approve": (lambda one: approve_action(conn, tenant_id, one), "does not wait for a person to agree"),
        "cancel": (lambda one: cancel_action(conn, tenant_id, one), "is not pending any more"),
        "done": (lambda one: finish_task(conn, tenant_id, one), "is no open task"),
        "settle": (
            lambda one: settle_uncertain(conn, tenant_id, one, became=options.became),
            "is not uncertain; see earshot action list --state uncertain",
        ),
    }
    change, other = changes[options.action]
    _each(options.ids, change, other=other)


def _each(ids: Sequence[str], change: Callable[[str], bool], *, other: str) -> None:
    """All or none. Raises: CommandError naming the ids that don't fit."""
    wrong = [one for one in dict.fromkeys(ids) if not change(one)]
    if wrong:
        raise CommandError("nothing was changed\n" + "\n".join(f"{one} {other}" for one in wrong))
    print(f"{len(set(ids))} changed")
