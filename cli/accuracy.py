"""`earshot accuracy`: how often the model is right for a tenant, from audited messages; and what people corrected."""

import argparse
import json
from dataclasses import asdict
from typing import Any

from analysis.accuracy import TOO_FEW, Accuracy, Rate, measure, rate
from cli.workbench import add_tenant_argument, open_workbench
from store.audits import CorrectedShare, list_audited, list_corrected_shares


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`--days`, `--json`."""
    parser.add_argument("--days", type=int, default=90, metavar="N", help="how far back (default 90)")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    add_tenant_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Print what the samples say."""
    with open_workbench(options) as bench, bench.transaction() as conn:
        accuracy = measure(list_audited(conn, bench.tenant_id, days=options.days))
        shares = list_corrected_shares(conn, bench.tenant_id, days=options.days)
    print(json.dumps(_as_json(accuracy, shares)) if options.json else _told(accuracy, shares))
    return 0


def _as_json(accuracy: Accuracy, shares: list[CorrectedShare]) -> dict[str, Any]:
    return {
        **asdict(accuracy),
        "sentiment_confusion": _matrix(accuracy.sentiment_confusion),
        "intent_confusion": _matrix(accuracy.intent_confusion),
        "corrected": [asdict(one) for one in shares],
    }


def _matrix(confusion: dict[tuple[str, str], int]) -> list[dict[str, Any]]:
    return [{"model": model, "person": person, "n": n} for (model, person), n in sorted(confusion.items())]


def _told(accuracy: Accuracy, shares: list[CorrectedShare]) -> str:
    lines = ["Right, in random samples that people judged:"]
    lines += [f"  {name}: {_rate(getattr(accuracy, name))}" for name in ("sentiment", "intent", "topics")]
    lines += [f"  sentiment, {language}: {_rate(one)}" for language, one in accuracy.by_language.items()]
    lines.append("Sentiment by the model's confidence:")
    for row in accuracy.calibration:
        promised = "" if row.mean_score is None or row.right.share is None else f", promised {row.mean_score:.0%}"
        lines.append(f"  {row.band}: {_rate(row.right)}{promised}")
    lines.append("Sentiment, the model's word and the person's:")
    matrix = [f"  {one['model']} -> {one['person']}: {one['n']}" for one in _matrix(accuracy.sentiment_confusion)]
    lines += matrix or [f"  {TOO_FEW}"]
    lines.append("Corrected, of all analyzed messages (no accuracy: people correct what they stumble over):")
    for part in ("language", "band"):
        for name in sorted({getattr(one, part) for one in shares}):
            members = [one for one in shares if getattr(one, part) == name]
            corrected, analyzed = sum(one.corrected for one in members), sum(one.analyzed for one in members)
            lines.append(f"  {name}: {_rate(rate(corrected, analyzed))}")
    return "\n".join(lines)


def _rate(one: Rate) -> str:
    if one.share is None:
        return f"{TOO_FEW} (n = {one.n})"
    return f"{one.share:.0%} ({one.low:.0%} to {one.high:.0%}, n = {one.n})"
