"""`earshot correction add | undo | list`"""

import argparse

from cli.output import print_rows
from cli.workbench import MAY_CORRECT, Workbench, add_tenant_argument, open_workbench
from routing.rules import explain
from store.corrections import FIELDS, list_corrections
from worker.correction_step import Corrected, correct, undo


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Subcommands."""
    actions = parser.add_subparsers(dest="action", required=True)
    add = actions.add_parser("add", help="set a field of a message's label; it counts at once and fires nothing")
    add.add_argument("--value", required=True, help="topics: names joined by commas, or an empty string for none")
    add.add_argument("--reason", help="for colleagues; never leaves the building")
    take_back = actions.add_parser(
        "undo", help="take back the correction that counts; the value before it counts again"
    )
    for action in (add, take_back):
        action.add_argument("--message", required=True, metavar="ID")
        action.add_argument("--field", required=True, choices=FIELDS)
        action.add_argument("--by", required=True, metavar="EMAIL", help="who says so")
    listing = actions.add_parser("list", help="corrections, newest first")
    listing.add_argument("--message", metavar="ID", help="of this message only")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    for action in (add, take_back, listing):
        add_tenant_argument(action)


def run(options: argparse.Namespace) -> int:
    """Add, undo or list."""
    with open_workbench(options) as bench:
        if options.action == "list":
            return _list(bench, options)
        by = bench.person(options.by, may=MAY_CORRECT)
        with bench.transaction() as conn:
            if options.action == "undo":
                done = undo(
                    conn,
                    bench.tenant_id,
                    tenant=bench.tenant,
                    message_id=options.message,
                    field=options.field,
                    by=by,
                )
            else:
                done = correct(
                    conn,
                    bench.tenant_id,
                    tenant=bench.tenant,
                    message_id=options.message,
                    field=options.field,
                    value=options.value,
                    by=by,
                    reason=options.reason,
                )
    print(_told(done, options.field))
    return 0


def _told(done: Corrected, field: str) -> str:
    if done.label is None:
        return f"{field} is set; it will stand on the analysis that comes"
    value = done.label.value_of(field) or "none"
    source = "a person's word" if field in done.label.corrected else "the model's word"
    if done.correction_id is None:
        return f"{field} is {value} already ({source}); nothing changed"
    told = f"{field} is {value} now ({source})"
    if done.decision is None:
        return f"{told}; the conversation stays where it is"
    return f"{told}\n{explain(done.decision)}" + ("" if done.moved else " It stays where an earlier message keeps it.")


def _list(bench: Workbench, options: argparse.Namespace) -> int:
    with bench.deps.database.system_transaction() as conn:
        rows = [vars(one) for one in list_corrections(conn, bench.tenant_id, message_id=options.message)]
    print_rows(rows, as_json=options.json, empty="nobody has corrected anything yet")
    return 0
