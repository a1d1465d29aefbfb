"""`earshot rules list | check FILE.toml … | explain MESSAGE_ID`"""

import argparse
from pathlib import Path

from cli.errors import CommandError
from cli.main import add_data_argument
from cli.output import print_rows
from cli.tenant import load_files, warn_of_unfed_rules
from cli.tenant_scope import as_uuid
from cli.workbench import Workbench, add_tenant_argument, open_workbench
from config.rules import Rule
from routing.conditions import PlaybookRule
from routing.near_misses import near_misses
from routing.playbooks import policy_for
from routing.policy_snapshot import policy_from_json
from routing.rules import explain
from routing.stored_facts import StoredInputsError, facts_from_json
from store.decisions import StoredDecision, iterate_decisions
from store.policies import find_policy


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Subcommands."""
    actions = parser.add_subparsers(dest="action", required=True)
    listing = actions.add_parser("list", help="a tenant's rules in the order they are tried, its own and ours")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    check = actions.add_parser("check", help="rules of files that can never decide, without applying them")
    check.add_argument("files", nargs="+", type=Path, metavar="FILE.toml")
    told = actions.add_parser("explain", help="why a message stands where it does, and which rules nearly decided")
    told.add_argument("message_id", type=as_uuid, metavar="MESSAGE_ID")
    for action in (listing, told):
        add_tenant_argument(action)
    add_data_argument(check)


def run(options: argparse.Namespace) -> int:
    """List, check or explain."""
    if options.action == "check":
        for path, config in zip(options.files, load_files(options.files), strict=True):
            unfed = warn_of_unfed_rules(config, path=path)
            can = len(config.rules) - unfed
            print(f"{config.slug}: {f'{can} of' if unfed else 'every one of'} its {len(config.rules)} rules can decide")
        return 0
    with open_workbench(options) as bench:
        if options.action == "list":
            rows = [_row(number, rule) for number, rule in enumerate(policy_for(bench.tenant).rules, 1)]
            print_rows(rows, as_json=options.json, empty="no rules")
            return 0
        for paragraph in _explained(bench, options.message_id):
            print(paragraph)
    return 0


def _row(number: int, rule: Rule) -> dict[str, object]:
    when = rule.when.model_dump(mode="json", exclude_none=True)
    if isinstance(rule, PlaybookRule) and rule.urgent:
        when["urgent"] = "yes"
    return {
        "order": number,
        "rule": rule.name,
        "whose": "Earshot" if isinstance(rule, PlaybookRule) else "tenant",
        "when": "; ".join(f"{key}={_listed(value)}" for key, value in when.items()) or "always",
        "queue": rule.then.queue,
        "priority": rule.then.priority,
        "skill": rule.then.skill or "",
        "actions": _listed(list(rule.then.actions)),
        "dry_run": rule.dry_run,
    }


def _listed(value: object) -> str:
    return ",".join(str(one) for one in value) if isinstance(value, list) else str(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


def _explained(bench: Workbench, message_id: str) -> list[str]:
    """One paragraph per decision of the message, oldest first."""
    with bench.transaction() as conn:
        stored = list(iterate_decisions(conn, bench.tenant_id, message_id=message_id))
        paragraphs = [
            paragraph
            for decision in stored
            for paragraph in _of_one(
                decision,
                find_policy(conn, bench.tenant_id, decision.policy_hash) if decision.policy_hash else None,
            )
        ]
    if not paragraphs:
        raise CommandError("no decision was made about this message; see earshot history")
    return paragraphs


def _of_one(stored: StoredDecision, policy: dict[str, object] | None) -> list[str]:
    told = [f"{stored.created_at:%Y-%m-%d %H:%M:%S} UTC, rule {stored.rule}: {explain(stored.as_decision())}"]
    if policy is None:
        return told
    try:
        facts = facts_from_json(stored.inputs).facts
        misses = near_misses(facts, policy_from_json(policy), decided_by=stored.rule)
    except StoredInputsError as error:
        return [*told, f"  The rules before it cannot be told: {error}."]
    return [*told, *(f"  {miss.rule} nearly decided; it lacked {miss.lacked}." for miss in misses)]
