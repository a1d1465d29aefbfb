"""`earshot history`"""

import argparse
import json
from itertools import groupby

from cli.connect import find_installation
from cli.errors import CommandError
from cli.main import add_data_argument
from cli.output import print_rows
from cli.tenant_scope import as_uuid, tenant_transaction
from store.history import PastAnalysis, find_prompt, list_history


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A message or conversation of one tenant, or a prompt by its hash."""
    parser.add_argument("--tenant", required=True, metavar="SLUG")
    chosen = parser.add_mutually_exclusive_group(required=True)
    chosen.add_argument("--message", type=as_uuid, metavar="ID")
    chosen.add_argument("--conversation", type=as_uuid, metavar="ID")
    chosen.add_argument("--prompt", metavar="HASH", help="the system prompt that an analysis names by its hash")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, with everything")
    add_data_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Print the timeline, and each analysis with what made it."""
    with tenant_transaction(find_installation(options.data), options.tenant) as (conn, tenant_id):
        if options.prompt:
            system_text = find_prompt(conn, options.prompt)
            if system_text is None:
                message = f"no prompt with the hash {options.prompt} was ever sent from here"
                raise CommandError(message)
            print("\n\n".join(block["text"] for block in json.loads(system_text)))
            return 0
        past = list_history(conn, tenant_id, message_id=options.message, conversation_id=options.conversation)
    if not options.json and past:
        for _, of_message in groupby(
            sorted(past, key=lambda one: (one.sent_at, one.message_id)), lambda o: o.message_id
        ):
            print(timeline(list(of_message)))
        print()
    rows = [vars(one) for one in past]
    if not options.json:
        shown = ("analyzed_at", "run_kind", "sentiment", "score", "intent", "model", "prompt_version", "cost_microusd")
        rows = [{name: row[name] for name in shown} for row in rows]
    print_rows(rows, as_json=options.json, empty="nothing was made of it yet")
    return 0


def timeline(past: list[PastAnalysis]) -> str:
    """One message's labels over time: "negative 14:32 → positive 15:10"; what was provisional is marked with "?"."""
    return " → ".join(f"{one.sentiment}{'?' if one.provisional else ''} {one.analyzed_at:%H:%M}" for one in past)
