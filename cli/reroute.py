"""`earshot reroute`: changed settings for the conversations that are open, after a look at what would move."""

import argparse

from cli.output import print_rows
from cli.workbench import add_tenant_argument, open_workbench
from worker.rerouting import Rerouted, reroute


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which tenant, and whether to do it."""
    add_tenant_argument(parser)
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--dry-run", action="store_true", help="only show what would move (the default)")
    chosen.add_argument("--apply", action="store_true", help="move them; nothing is sent and no automation fires")


def run(options: argparse.Namespace) -> int:
    """Show what would move, then move it where that was asked for."""
    with open_workbench(options) as bench:
        preview = reroute(bench.deps.database, bench.tenant_id, tenant=bench.tenant, apply=False)
        print_moves(preview)
        if not options.apply:
            if preview.moved:
                print("Nothing was moved; add --apply to do it.")
            return 0
        done = reroute(bench.deps.database, bench.tenant_id, tenant=bench.tenant, apply=True)
        print(f"{done.moved} of {done.conversations} open conversations moved; nothing was sent")
    return 0


def print_moves(result: Rerouted) -> None:
    """Counts before and after."""
    rows = [
        {"from": before, "to": after, "conversations": number}
        for (before, after), number in sorted(result.moves.items(), key=lambda item: (-item[1], item[0]))
    ]
    print_rows(rows, as_json=False, empty=f"All {result.conversations} open conversations stand where they should.")
    if result.skipped:
        print(
            f"{result.skipped} stay where they are: they still wait for an analysis, or can't be read by this version."
        )
