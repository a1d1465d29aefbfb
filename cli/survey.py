"""`earshot survey report`: who was asked, who answered, and what the scores are, never beyond what the data say."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from analysis.accuracy import MIN_SHOWN, Rate
from cli.connect import find_installation
from cli.errors import CommandError
from cli.output import print_rows
from cli.tenant_scope import tenant_transaction
from cli.workbench import add_tenant_argument
from config.surveys import SurveyKind
from config.tenant import TenantConfig
from routing.survey_figures import Asked, Change, NetScore, SurveyFigures, compare, measure, split_by, tally_of
from store.survey_report import list_asked
from store.tenants import get_tenant_config

NOT_ENOUGH = f"not enough (under {MIN_SHOWN})"
_SURVEYS: tuple[SurveyKind, ...] = ("nps", "csat")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Subcommands."""
    report = parser.add_subparsers(dest="action", required=True).add_parser("report", help="rates and scores")
    report.add_argument("--survey", choices=_SURVEYS, help="one of them (default: both)")
    report.add_argument(
        "--from", dest="since", type=_day, metavar="DAY", help="asked on this day or later (2026-01-31)"
    )
    report.add_argument("--to", dest="until", type=_day, metavar="DAY", help="asked before this day")
    report.add_argument("--by", choices=("channel", "topic", "month"), help="one line for each")
    report.add_argument("--split", type=_day, metavar="DAY", help="compare before this day with from it on")
    report.add_argument("--json", action="store_true", help="one JSON object a line")
    add_tenant_argument(report)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        message = f"{text!r} is no day; days look like 2026-01-31"
        raise argparse.ArgumentTypeError(message) from None


def run(options: argparse.Namespace) -> int:
    """Print the report."""
    if options.by and options.split:
        message = "--by and --split can't stand together: leave one out"
        raise CommandError(message)
    if options.since and options.until and options.since >= options.until:
        message = "--from must be before --to"
        raise CommandError(message)
    surveys = (options.survey,) if options.survey else _SURVEYS
    with tenant_transaction(find_installation(options.data), options.tenant) as (conn, tenant_id):
        tenant = get_tenant_config(conn, tenant_id)
        zone = ZoneInfo(tenant.hours.time_zone)
        asked = {
            survey: list_asked(
                conn,
                tenant_id,
                survey,
                since=_midnight(options.since, zone=zone),
                until=_midnight(options.until, zone=zone),
                time_zone=tenant.hours.time_zone,
            )
            for survey in surveys
        }
    split = _midnight(options.split, zone=zone)
    if split:
        changes = [_change(survey, asked[survey], tenant=tenant, split=split) for survey in surveys]
        _print_changes(changes, as_json=options.json)
        return 0
    rows = [row for survey in surveys for row in _rows(survey, asked[survey], tenant=tenant, by=options.by)]
    if options.json:
        print_rows([{"part": part, **asdict(figures)} for part, figures in rows], as_json=True, empty="")
        return 0
    print_rows(
        [_row(part, one) for part, one in rows if one.invited or not options.by], as_json=False, empty="nobody asked"
    )
    for part, one in rows:
        if one.answered and part == "all":
            print(f"{one.survey}: " + ", ".join(f"{score}: {count}" for score, count in one.distribution.items()))
    return 0


def _midnight(day: date | None, *, zone: ZoneInfo) -> datetime | None:
    return datetime.combine(day, time(), tzinfo=zone) if day else None


def _figures(survey: SurveyKind, asked: Sequence[Asked], *, tenant: TenantConfig) -> SurveyFigures:
    open_since = datetime.now(UTC) - timedelta(hours=tenant.surveys.of(survey).answer_within_h)
    return measure(survey, tally_of(asked, open_since=open_since))


def _rows(survey: SurveyKind, asked: list[Asked], *, tenant: TenantConfig, by: Any) -> list[tuple[str, SurveyFigures]]:
    parts = split_by(asked, by) if by else {"all": asked}
    return [(part, _figures(survey, members, tenant=tenant)) for part, members in parts.items()]


def _row(part: str, one: SurveyFigures) -> dict[str, Any]:
    return {
        "survey": one.survey,
        "part": part,
        "invited": one.invited,
        "delivered": one.delivered,
        "failed": one.failed,
        "still_open": one.still_open,
        "answered": one.answered,
        "with_words": one.commented,
        "response": _share(one.response),
        "score": _net(one.nps) if one.nps else _share(one.csat),
        "median_hours": one.median_hours,
    }


def _share(one: Rate | None) -> str:
    if one is None or one.share is None or one.low is None or one.high is None:
        return NOT_ENOUGH
    return f"{one.share:.1%} ({one.low:.1%} to {one.high:.1%})"


def _net(one: NetScore) -> str:
    if one.value is None or one.low is None or one.high is None:
        return NOT_ENOUGH
    return f"{one.value:+.0f} ({one.low:+.0f} to {one.high:+.0f})"


def _change(survey: SurveyKind, asked: list[Asked], *, tenant: TenantConfig, split: datetime) -> Change:
    before = _figures(survey, [one for one in asked if one.asked_at < split], tenant=tenant)
    return compare(before, _figures(survey, [one for one in asked if one.asked_at >= split], tenant=tenant))


def _print_changes(changes: list[Change], *, as_json: bool) -> None:
    if as_json:
        for change in changes:
            print(json.dumps({"survey": change.before.survey, **asdict(change)}))
        return
    print_rows(
        [_row(part, one) for change in changes for part, one in (("before", change.before), ("after", change.after))],
        as_json=False,
        empty="",
    )
    for change in changes:
        print(told(change))


def told(change: Change) -> str:
    """The change of the response rate as one sentence, with its counts."""
    before, after = change.before, change.after
    counts = f"{before.answered} of {before.invited} answered before, {after.answered} of {after.invited} after"
    if change.ratio is None or change.low is None or change.high is None:
        return f"{before.survey}: {counts}: not enough to compare (under {MIN_SHOWN} answers on a side)"
    ratio = f"{change.ratio:.2f} times the rate ({change.low:.2f} to {change.high:.2f})"
    return f"{before.survey}: {counts}: {ratio}: {change.verdict}; this does not say why"
