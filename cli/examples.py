"""`earshot examples preview | publish | rollback | list | show`"""

import argparse
import json
from dataclasses import asdict
from typing import Any

from analysis.examples import ChosenExample
from cli.errors import CommandError
from cli.output import print_rows
from cli.workbench import MAY_PUBLISH, Workbench, add_tenant_argument, open_workbench
from store.audit_log import note_deed
from store.conversation_events import Actor
from store.examples import find_snapshot, list_snapshots
from worker.examples import Proposal, preview, publish, roll_back


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Subcommands."""
    actions = parser.add_subparsers(dest="action", required=True)
    show_first = actions.add_parser(
        "preview", help="what publishing would change; asks the model about held-back corrections"
    )
    show_first.add_argument("--no-check", action="store_true", help="do not ask the model")
    publishing = actions.add_parser(
        "publish", help="check the proposal and put it into the prompt; refused when it is worse"
    )
    publishing.add_argument("--version", type=int, metavar="N", help="only this proposal, as the preview showed it")
    publishing.add_argument(
        "--accept-unchecked", action="store_true", help="publish although nobody can say whether it is worse"
    )
    publishing.add_argument("--force", action="store_true", help="publish although it is worse; needs --note")
    back = actions.add_parser("rollback", help="bring the snapshot before back, as a new version")
    back.add_argument("--to", type=int, metavar="N", help="this version instead; 0: no examples at all")
    for action in (publishing, back):
        action.add_argument("--by", required=True, metavar="EMAIL", help="an admin of the tenant")
        action.add_argument("--note", help="why; kept with the version")
    listing = actions.add_parser("list", help="all versions, newest first")
    show = actions.add_parser("show", help="one version's examples")
    show.add_argument("version", type=int)
    for action in (show_first, listing, show):
        action.add_argument("--json", action="store_true", help="JSON")
    for action in (show_first, publishing, back, listing, show):
        add_tenant_argument(action)


def run(options: argparse.Namespace) -> int:
    """One of the five."""
    with open_workbench(options) as bench:
        actions = {"preview": _preview, "publish": _publish, "rollback": _roll_back, "list": _list, "show": _show}
        return actions[options.action](bench, options)


def _preview(bench: Workbench, options: argparse.Namespace) -> int:
    proposal = preview(bench.deps, bench.tenant_id, with_check=not options.no_check)
    print(json.dumps(_as_json(proposal), ensure_ascii=False, default=str) if options.json else _told(proposal))
    return 0


def _as_json(proposal: Proposal) -> dict[str, Any]:
    choice = proposal.choice
    return {
        "version": proposal.version,
        "live_version": proposal.live_version,
        **asdict(proposal.difference),
        "conflicts": [asdict(one) for one in choice.conflicts],
        "screened_out": [asdict(one) for one in choice.screened_out],
        "held_back": len(choice.held_back),
        "more_tokens": proposal.more_tokens,
        "more_dollars_per_1000_messages": proposal.more_dollars_per_1000,
        "check": asdict(proposal.check) if proposal.check else None,
        "check_cost_microusd": proposal.cost_microusd,
    }


def _told(proposal: Proposal) -> str:
    choice, difference = proposal.choice, proposal.difference
    lines = [f"Live: {_version(proposal.live_version)}. Proposed: version {proposal.version}."]
    if proposal.changes_nothing:
        lines = [f"Nothing to publish: {_version(proposal.live_version)} is what the corrections give."]
    for sign, examples in (("+", difference.added), ("-", difference.removed), ("=", difference.kept)):
        lines += [f"{sign} {_line(one)}" for one in examples]
    for conflict in choice.conflicts:
        told = ", ".join(f"{message_id} {value or 'none'}" for message_id, value in conflict.messages.items())
        lines.append(f"Conflict, so left out: nearly the same words with another {conflict.field}: {told}.")
    lines += [f"Left out: {one.message_id}: {one.because}." for one in choice.screened_out]
    lines.append(f"Held back for the check: {len(choice.held_back)}.")
    dollars = proposal.more_dollars_per_1000
    price = (
        "price unknown" if dollars is None else f"{'-' if dollars < 0 else ''}${abs(dollars):.4f} per 1,000 messages"
    )
    lines.append(f"Prompt: {proposal.more_tokens:+d} tokens, {price} (estimated, with 95 % cache hits).")
    if proposal.check:
        lines.append(f"{proposal.check.sentence} The check cost ${proposal.cost_microusd / 1_000_000:.4f}.")
        if proposal.check.in_question:
            lines.append(f"In question: {', '.join(proposal.check.in_question)}.")
    return "\n".join(lines)


def _version(version: int) -> str:
    return f"version {version}" if version else "no examples"


def _line(one: ChosenExample) -> str:
    example = one.example
    topics = None if example.topics is None else ",".join(example.topics) or "no topics"
    values = " ".join(value for value in (example.sentiment, example.intent, topics) if value)
    return f"{values}: {example.text} ({one.message_id})"


def _publish(bench: Workbench, options: argparse.Namespace) -> int:
    if options.force and not (options.note or "").strip():
        raise CommandError("--force needs --note: say why, for those who read the history")
    by = bench.person(options.by, may=MAY_PUBLISH)
    published = publish(
        bench.deps,
        bench.tenant_id,
        by=by,
        version=options.version,
        note=options.note,
        force=options.force,
        accept_unchecked=options.accept_unchecked,
    )
    print(f"version {published.version} is in the prompt. {published.sentence}")
    print(f"back: earshot examples rollback --tenant {options.tenant} --by {options.by}")
    return 0


def _roll_back(bench: Workbench, options: argparse.Namespace) -> int:
    by = bench.person(options.by, may=MAY_PUBLISH)
    version = roll_back(bench.deps, bench.tenant_id, by=by, to=options.to, note=options.note)
    actor, subject, details = Actor(user_id=by), f"version:{version}", {"to": options.to}
    with bench.transaction() as conn:
        note_deed(conn, bench.tenant_id, by=actor, deed="examples_rolled_back", subject=subject, details=details)
    print(f"version {version} is in the prompt")
    return 0


def _list(bench: Workbench, options: argparse.Namespace) -> int:
    with bench.transaction() as conn:
        snapshots = list_snapshots(conn, bench.tenant_id)
    rows = [
        {
            "version": one.version,
            "state": "live" if one.is_live else "retired" if one.published_at else "proposed",
            "examples": len(one.chosen),
            "verdict": one.evaluation.get("verdict"),
            "published_at": one.published_at,
            "note": one.note,
        }
        for one in snapshots
    ]
    print_rows(rows, as_json=options.json, empty="nothing was ever proposed: earshot examples preview")
    return 0


def _show(bench: Workbench, options: argparse.Namespace) -> int:
    with bench.transaction() as conn:
        snapshot = find_snapshot(conn, bench.tenant_id, version=options.version)
    if snapshot is None:
        raise CommandError(f"there is no version {options.version}; see earshot examples list")
    if options.json:
        print(json.dumps(asdict(snapshot), ensure_ascii=False, default=str))
        return 0
    print("\n".join(_line(one) for one in snapshot.chosen) or "no examples")
    return 0
