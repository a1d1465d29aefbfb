"""`earshot up`: everything on this machine, until Ctrl-C."""

import argparse
import os

from cli.main import add_data_argument
from devstack.up import UpOptions
from devstack.up import run as run_stack


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Ports, number of workers, and whether to use real providers."""
    for name in ("receiver", "console", "flower"):
        parser.add_argument(
            f"--{name}-port", type=int, default=0, metavar="PORT", help="0 (the default) picks a free one"
        )
    parser.add_argument(
        "--workers",
        type=_positive,
        default=1,
        metavar="N",
        help="worker processes per role, and processes of the receiver (default 1)",
    )
    parser.add_argument("--live", action="store_true", help="use the real providers: no stand-ins")
    add_data_argument(parser)


def _positive(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 64:
        message = "must be from 1 to 64"
        raise argparse.ArgumentTypeError(message)
    return number


def stack_options(options: argparse.Namespace) -> UpOptions:
    """What the stack needs to know, from the command line and the environment."""
    return UpOptions(
        data_dir=options.data,
        receiver_port=options.receiver_port,
        console_port=options.console_port,
        flower_port=options.flower_port,
        workers=options.workers,
        live=options.live,
        environ=os.environ,
    )


def run(options: argparse.Namespace) -> int:
    """Start, print READY, and stay until told to stop."""
    return run_stack(stack_options(options))
