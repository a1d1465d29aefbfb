"""`earshot dead list | replay`"""

import argparse

from cli.connect import find_installation
from cli.errors import CommandError
from cli.main import add_data_argument
from cli.output import print_rows
from store.audit_log import COMMAND_LINE, note_deed
from store.db import act_for_tenant
from store.dead_runs import list_dead, replay_dead
from store.runs import RunRef


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Subcommands."""
    actions = parser.add_subparsers(dest="action", required=True)
    listing = actions.add_parser("list", help="parked messages with their reasons")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    replay = actions.add_parser(
        "replay", help="put parked messages back to work; the reconciler starts them within seconds"
    )
    replay.add_argument("run_ids", nargs="*", metavar="RUN_ID")
    replay.add_argument("--all", action="store_true")
    for action in (listing, replay):
        add_data_argument(action)


def run(options: argparse.Namespace) -> int:
    """List or replay."""
    with find_installation(options.data).system_transaction() as conn:
        dead = list_dead(conn)
        if options.action == "list":
            print_rows([vars(run) for run in dead], as_json=options.json, empty="nothing is parked")
            return 0
        chosen = [run for run in dead if options.all or run.run_id in options.run_ids]
        if not chosen:
            message = "name the run ids to replay, or --all; see earshot dead list"
            raise CommandError(message)
        for run in chosen:
            act_for_tenant(conn, run.tenant_id)
            if replay_dead(conn, RunRef(run.tenant_id, run.message_id, run.run_id)):
                details = {"runs": 1, **COMMAND_LINE}
                deed, message_id = "dead_letters_replayed", run.message_id
                note_deed(conn, run.tenant_id, by=None, deed=deed, subject=message_id, details=details)
    print(f"{len(chosen)} replayed")
    return 0
