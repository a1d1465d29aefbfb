"""What the insights show, read once for pages, files and the API."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from analysis.accuracy import Accuracy, Rate, measure, rate
from config.surveys import SurveyKind
from console.insight_query import InsightQuery
from console.periods import midnight, read_day
from routing.survey_figures import SurveyFigures
from routing.survey_figures import measure as measure_survey
from store.alerts import Alert
from store.audits import CorrectedShare, list_audited
from store.conversation_lists import QueueCount
from store.db import Connection
from store.insight_messages import LabelledMessage, read_labelled
from store.label_days import CountedMessage, list_counted_messages
from store.survey_report import ALL, tally_by_channel
from store.tenants import get_tenant_config

# A comparison with what was longer ago says nothing about today.
OLDEST_SPLIT = timedelta(days=3 * 365)
SURVEYS: tuple[SurveyKind, ...] = ("nps", "csat")


def split_of(text: str, *, now: datetime, zone: ZoneInfo) -> datetime | None:
    """The midnight with which a day begins that has passed; None for any other text."""
    day = read_day(text)
    if day is None or not now.date() - OLDEST_SPLIT <= day <= now.date():
        return None
    return midnight(day, zone)


@dataclass(frozen=True)
class TrendLine:
    """A topic that has risen. Shares from 0 to 1."""

    topic: str
    since: datetime
    base_share: float
    share: float
    negatives: int
    messages: int
    window_h: int


def trend_lines(alert: Alert) -> list[TrendLine]:
    """The topics of one alert, by the names they have in its figures."""
    topics: dict[str, Any] = alert.details.get("topics") or {}
    return [
        TrendLine(
            topic,
            alert.created_at,
            float(one["base_share"]),
            float(one["share"]),
            int(one["window"]["negatives"]),
            int(one["window"]["messages"]),
            int(one["window_h"]),
        )
        for topic, one in sorted(topics.items())
    ]


def list_page(
    conn: Connection, tenant_id: int, query: InsightQuery, *, after: tuple[date, str] | None, limit: int
) -> tuple[list[CountedMessage], bool]:
    """One page of what was counted, and whether there is more."""
    counted = list_counted_messages(
        conn, tenant_id, query.only, topic=query.topic, sentiment=query.sentiment, after=after, limit=limit + 1
    )
    return counted[:limit], len(counted) > limit


def fitting(
    conn: Connection, tenant_id: int, query: InsightQuery, counted: Sequence[CountedMessage]
) -> list[LabelledMessage]:
    """Those that are still what was asked for, in the order of the list."""
    found = read_labelled(conn, tenant_id, [one.message_id for one in counted])
    return [found[one.message_id] for one in counted if one.message_id in found and query.fits(found[one.message_id])]


@dataclass(frozen=True)
class QueueLoad:
    """One queue, all priorities together, without what is snoozed. oldest: since when somebody has waited."""

    queue: str
    urgent: int
    open: int
    unassigned: int
    waiting: int
    snoozed: int
    oldest: datetime | None


def queue_loads(counts: Sequence[QueueCount]) -> list[QueueLoad]:
    """By name."""
    found: list[QueueLoad] = []
    for queue in sorted({one.queue for one in counts}):
        its = [one for one in counts if one.queue == queue]
        since = [one.oldest_waiting_since for one in its if one.oldest_waiting_since]
        found.append(
            QueueLoad(
                queue,
                sum(one.open for one in its if one.priority == "P1"),
                sum(one.open for one in its),
                sum(one.unassigned for one in its),
                sum(one.waiting for one in its),
                sum(one.snoozed for one in its),
                min(since, default=None),
            )
        )
    return found


@dataclass(frozen=True)
class SurveyLine:
    """One survey, of one channel or of all."""

    part: str
    figures: SurveyFigures


def survey_lines(
    conn: Connection, tenant_id: int, query: InsightQuery, *, zone: ZoneInfo, now: datetime
) -> list[SurveyLine]:
    """Each survey as a whole, then by channel where there are several."""
    tenant, period = get_tenant_config(conn, tenant_id), query.period
    found: list[SurveyLine] = []
    for survey in SURVEYS:
        tallies = tally_by_channel(
            conn,
            tenant_id,
            survey,
            since=period.begin(zone),
            until=period.end(zone),
            open_since=now - timedelta(hours=tenant.surveys.of(survey).answer_within_h),
        )
        channels = len(tallies) - 1
        found += [
            SurveyLine(part, measure_survey(survey, tally))
            for part, tally in tallies.items()
            if part == ALL or channels > 1
        ]
    return found


@dataclass(frozen=True)
class CorrectedLine:
    """Corrected messages of all analyzed ones, of a language or of a band of confidence."""

    part: str
    name: str
    analyzed: int
    corrected: int
    share: Rate


def accuracy_of(conn: Connection, tenant_id: int, query: InsightQuery, *, zone: ZoneInfo) -> Accuracy:
    """From samples that were picked within these days."""
    period = query.period
    return measure(list_audited(conn, tenant_id, days=period.days, until=period.end(zone)))


def corrected_lines(shares: Sequence[CorrectedShare]) -> list[CorrectedLine]:
    """By language, then by band."""
    found: list[CorrectedLine] = []
    for part in ("language", "band"):
        for name in sorted({getattr(one, part) for one in shares}):
            members = [one for one in shares if getattr(one, part) == name]
            analyzed, corrected = sum(one.analyzed for one in members), sum(one.corrected for one in members)
            found.append(CorrectedLine(part, name, analyzed, corrected, rate(corrected, analyzed)))
    return found
