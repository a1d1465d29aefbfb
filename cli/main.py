"""`earshot`: one command with subcommands. Each lives in a module of its own, imported when it is called."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from cli.errors import CommandError

EXIT_FAILED = 1
EXIT_WRONG_USE = 2

# Subcommand to (module, one-line help), in the order of --help.
COMMANDS = {
    "up": ("cli.up", "start everything on this machine"),
    "demo": ("cli.demo", "up, three sample tenants and signed sample traffic; --once plays, verifies and exits"),
    "migrate": ("cli.migrate", "create or update roles and schema"),
    "tenant": ("cli.tenant", "apply, list and check tenant files"),
    "rules": ("cli.rules", "list routing rules, check those of a file, explain a decision"),
    "user": ("cli.user", "add and list users, let somebody choose a new password"),
    "agent": ("cli.agent", "who answers customers: skills, queues, capacity, presence"),
    "apikey": ("cli.apikey", "create and revoke API keys"),
    "reanalyze": ("cli.reanalyze", "have messages or a conversation judged again; the old labels stay in the history"),
    "history": ("cli.history", "what was made of a message or conversation, when, by what, for how much"),
    "egress": ("cli.egress", "what has left for the AI provider, word for word"),
    "accounting": ("cli.accounting", "what became of every message by tenant and hour, and whether that adds up"),
    "dead": ("cli.dead", "list and replay parked messages"),
    "sweep": ("cli.sweep", "judge past messages again: plan, run, watch, report"),
    "survey": ("cli.survey", "NPS and CSAT: who was asked, who answered, and the scores"),
    "crm": ("cli.crm", "a tenant's CRM: check it, make its fields, fill it, see what was written, pick records"),
    "eval": ("cli.eval", "how good an analyzer is on a labelled file, and how sure that is"),
    "correction": ("cli.correction", "correct a message's label, undo it, list corrections"),
    "examples": ("cli.examples", "preview, publish and roll back the examples in a tenant's prompt"),
    "audit": ("cli.audit", "pick random messages for people to judge, and judge them"),
    "audit-log": ("cli.audit_log", "who did what, and who read what customers wrote"),
    "accuracy": ("cli.accuracy", "how often the model is right for a tenant"),
    "action": (
        "cli.action",
        "automations: look, agree, call off, settle doubts, replay webhooks; what waits for a person",
    ),
    "lab": ("cli.lab", "try topics, thresholds, examples or a model before they are live"),
    "simulate": ("cli.simulate", "try thresholds, rules and actions on the history before they are saved"),
    "reroute": ("cli.reroute", "settle open conversations by the settings of now, after a look at what moves"),
    "replay": ("cli.replay", "make stored decisions again from what is stored with them, and show what differs"),
    "alert": ("cli.alert", "list, show, acknowledge and snooze alerts; send a test to their targets"),
    "webhook": ("cli.webhook", "programs that are told of events: add, test, what became of each event, tell again"),
    "sla": ("cli.sla", "clocks that run now, kept and missed targets, and time to answer before and after"),
    "erase": ("cli.erase", "erase a customer everywhere, and see the receipts"),
    "export": ("cli.export", "all that is held of one customer, as JSON"),
    "capacity": ("cli.capacity", "what a number of messages a day takes and costs, and what gives out first"),
    "rotate-keys": ("cli.rotate_keys", "seal stored secrets with the newest key, while everything runs"),
    "doctor": ("cli.doctor", "what is wrong with this installation"),
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="earshot",
        description="Hears every customer message: analyzed, routed, answered, synced.",
        epilog="Exit code 0: done, 1: failed, 2: wrong use. Every command takes --data DIR (default .earshot).",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (_, help_text) in COMMANDS.items():
        commands.add_parser(name, help=help_text, add_help=False)
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if not arguments or arguments[0] not in COMMANDS:
        _parser().parse_args(arguments[:1])
        sys.exit(EXIT_WRONG_USE)
    name = arguments[0]
    module = importlib.import_module(COMMANDS[name][0])
    parser = argparse.ArgumentParser(prog=f"earshot {name}", description=COMMANDS[name][1])
    module.add_arguments(parser)
    options = parser.parse_args(arguments[1:])
    try:
        sys.exit(module.run(options))
    except CommandError as error:
        print(f"earshot {name}: {error}", file=sys.stderr)
        sys.exit(EXIT_FAILED)
    except BrokenPipeError:
        # The reader of our output went away (`| head`): not our failure.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def add_data_argument(parser: argparse.ArgumentParser) -> None:
    """`--data DIR`, as every command takes it."""
    parser.add_argument(
        "--data", type=Path, default=Path(".earshot"), metavar="DIR", help="the stack's data folder (default: .earshot)"
    )


if __name__ == "__main__":
    main()
