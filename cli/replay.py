"""`earshot replay`: stored decisions made again from what is stored with them."""

import argparse
import json
from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from cli.tenant_scope import as_uuid
from cli.workbench import add_tenant_argument, open_workbench
from routing.facts import RoutingPolicy
from routing.policy_snapshot import count_unknown, policy_from_json
from routing.replay import Difference, replay
from routing.stored_facts import StoredInputsError, facts_from_json
from store.db import Connection
from store.decisions import StoredDecision, iterate_decisions
from store.policies import list_policies

EXIT_DIFFERS = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which decisions."""
    chosen = parser.add_mutually_exclusive_group(required=True)
    chosen.add_argument(
        "message", nargs="?", type=as_uuid, metavar="MESSAGE_ID", help="all decisions about one message"
    )
    chosen.add_argument("--since", type=_as_day, metavar="YYYY-MM-DD", help="all decisions from this day on (UTC)")
    chosen.add_argument("--days", type=int, metavar="N", help="all decisions of the last N days")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    add_tenant_argument(parser)


def _as_day(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        message = f"{text!r} is no day; days look like 2026-11-25"
        raise argparse.ArgumentTypeError(message) from None


def run(options: argparse.Namespace) -> int:
    """Replay, and fail when anything came out differently."""
    since: datetime | None = options.since
    if options.days is not None:
        since = datetime.now(UTC) - timedelta(days=options.days)
    with open_workbench(options) as bench, bench.transaction() as conn:
        counts = replay_all(conn, bench.tenant_id, message_id=options.message, since=since, as_json=options.json)
    if not options.json:
        print(_summary(counts))
    return EXIT_DIFFERS if counts["different"] else 0


def replay_all(
    conn: Connection, tenant_id: int, *, message_id: str | None, since: datetime | None, as_json: bool
) -> Counter[str]:
    """Print each decision that came out differently (with as_json: each decision); how many came out how."""
    counts: Counter[str] = Counter()
    policies: dict[str, tuple[RoutingPolicy, int]] = {}
    documents = list_policies(conn, tenant_id)
    for stored in iterate_decisions(conn, tenant_id, message_id=message_id, since=since):
        outcome, differences, newer = _outcome(stored, documents, policies)
        counts[outcome] += 1
        counts["newer"] += newer
        if as_json:
            print(json.dumps(_as_row(stored, outcome, differences), ensure_ascii=False))
        elif differences:
            print(f"decision {stored.id} of message {stored.message_id}, {stored.created_at:%Y-%m-%d %H:%M}:")
            for one in differences:
                print(f"  {one.part}\n    - {one.stored}\n    + {one.now}")
    return counts


def _outcome(
    stored: StoredDecision, documents: dict[str, dict[str, Any]], policies: dict[str, tuple[RoutingPolicy, int]]
) -> tuple[str, tuple[Difference, ...], bool]:
    """(word, differences, whether a newer version wrote more than this one reads)."""
    document = documents.get(stored.policy_hash or "")
    if document is None or stored.policy_hash is None:
        return "without_policy", (), False
    try:
        read = facts_from_json(stored.inputs)
        if stored.policy_hash not in policies:
            policies[stored.policy_hash] = policy_from_json(document), count_unknown(document)
    except StoredInputsError:
        return "unreadable", (), False
    policy, unknown = policies[stored.policy_hash]
    differences = replay(stored.as_decision(), read.facts, policy, has_actions=stored.actions is not None)
    newer = bool(read.unknown) or unknown > 0
    return ("different" if differences else "same"), differences, newer


def _as_row(stored: StoredDecision, outcome: str, differences: tuple[Difference, ...]) -> dict[str, Any]:
    return {
        "decision_id": stored.id,
        "message_id": stored.message_id,
        "outcome": outcome,
        "differences": [asdict(one) for one in differences],
    }


def _summary(counts: Counter[str]) -> str:
    parts = [f"{counts['same']} the same, {counts['different']} different"]
    if counts["without_policy"]:
        parts.append(f"{counts['without_policy']} from before policies were stored, which can't be replayed")
    if counts["unreadable"]:
        parts.append(f"{counts['unreadable']} that this version can't read")
    if counts["newer"]:
        parts.append(f"{counts['newer']} written by a newer version, of which a part was left out")
    return "; ".join(parts)
