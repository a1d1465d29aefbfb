"""`earshot doctor`: what is wrong with this installation, a line each."""

import argparse
import json

from cli.connect import find_installation
from cli.main import add_data_argument
from store.health import Finding, list_findings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`--json`."""
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    add_data_argument(parser)


def run(options: argparse.Namespace) -> int:
    """0 when nothing is wrong, else 1."""
    with find_installation(options.data).system_transaction() as conn:
        findings: list[Finding] = list_findings(conn)
    for finding in findings:
        print(json.dumps(vars(finding)) if options.json else f"{finding.subject}: {finding.problem}. {finding.fix}")
    if not findings and not options.json:
        print("nothing is wrong")
    return 1 if findings else 0
