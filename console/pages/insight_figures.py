"""/insights/…: answer times, load, surveys, accuracy and cost: figures that other code computes, as pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from analysis.accuracy import Accuracy, Rate, measure, rate
from config.surveys import SurveyKind
from console.api.tenant_queues import list_purposes
from console.heat_map import line_points
from console.insight_query import InsightQuery
from console.pages.insights import asked, current_time, for_insights
from console.pages.notices import give_notice
from console.periods import midnight, read_day
from console.visitors import database, let_in, speech, visitor
from routing.survey_figures import SurveyFigures, split_by
from routing.survey_figures import measure as measure_survey
from store.agents import list_agents
from store.answer_time_reports import ask_for_report, find_report
from store.audits import CorrectedShare, list_audited
from store.conversation_lists import QueueCount, count_queues
from store.db import Connection
from store.label_days import list_corrected_days
from store.sla_report import list_open_clocks
from store.spend import DaySpend, list_day_spend
from store.survey_report import list_asked
from store.tenants import get_tenant_config

blueprint = Blueprint("insight_figures", __name__, url_prefix="/insights")
blueprint.before_request(let_in)
blueprint.context_processor(for_insights)
# A comparison with what was longer ago says nothing about today.
OLDEST_SPLIT = timedelta(days=3 * 365)
SURVEYS: tuple[SurveyKind, ...] = ("nps", "csat")


def split_of(text: str, *, now: datetime) -> datetime | None:
    """The midnight with which a day begins that has passed; None for any other text."""
    day = read_day(text)
    if day is None or not now.date() - OLDEST_SPLIT <= day <= now.date():
        return None
    return midnight(day, speech().zone)


@blueprint.get("/answers")
def answers() -> str:
    """How long customers wait before and after a day: the tenant's first decision, or ?since=, which somebody must have asked for."""
    who, now = visitor(), current_time()
    since = request.args.get("since", "")
    split_at = split_of(since, now=now)
    with database().tenant_transaction(who.tenant_id) as conn:
        report = find_report(conn, who.tenant_id, split_at=split_at)
    return render_template(
        "insight_answers.html", query=asked(now), report=report, split_at=split_at, since=since, today=now.date()
    )


@blueprint.post("/answers")
def ask() -> Response:
    """Have a day counted. Everybody may: it changes nothing but what is shown."""
    who = visitor()
    since = request.form.get("since", "")
    split_at = split_of(since, now=current_time())
    if split_at is None:
        give_notice("report", code="no_day")
        return redirect(url_for("insight_figures.answers"))
    with database().tenant_transaction(who.tenant_id) as conn:
        report = find_report(conn, who.tenant_id, split_at=split_at)
        if report is None or report.figures is None:
            give_notice("report", code="asked")
        ask_for_report(conn, who.tenant_id, split_at=split_at)
    return redirect(url_for("insight_figures.answers", since=since))


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


@blueprint.get("/load")
def load() -> str:
    """Queues, promises and people, as they stand now."""
    who, now = visitor(), current_time()
    with database().tenant_transaction(who.tenant_id) as conn:
        queues = queue_loads(count_queues(conn, who.tenant_id))
        clocks = list_open_clocks(conn, who.tenant_id)
        agents = list_agents(conn, who.tenant_id)
        purposes = list_purposes(get_tenant_config(conn, who.tenant_id))
    return render_template(
        "insight_load.html", query=asked(now), queues=queues, clocks=clocks, agents=agents, purposes=purposes, now=now
    )


@dataclass(frozen=True)
class SurveyLine:
    """One survey, of one channel or of all."""

    part: str
    figures: SurveyFigures


def survey_lines(conn: Connection, tenant_id: int, query: InsightQuery, *, now: datetime) -> list[SurveyLine]:
    """Each survey as a whole, then by channel where there are several."""
    tenant, period, zone = get_tenant_config(conn, tenant_id), query.period, speech().zone
    found: list[SurveyLine] = []
    for survey in SURVEYS:
        invited = list_asked(
            conn,
            tenant_id,
            survey,
            since=period.begin(zone),
            until=period.end(zone),
            time_zone=tenant.hours.time_zone,
            with_topics=False,
        )
        channels = split_by(invited, "channel")
        parts = {"all": invited, **(channels if len(channels) > 1 else {})}
        within_h = tenant.surveys.of(survey).answer_within_h
        found += [
            SurveyLine(part, measure_survey(survey, members, now=now, answer_within_h=within_h))
            for part, members in parts.items()
        ]
    return found


@blueprint.get("/surveys")
def surveys() -> str:
    """NPS and CSAT of the invitations of these days."""
    who, now = visitor(), current_time()
    query = asked(now)
    with database().tenant_transaction(who.tenant_id) as conn:
        lines = survey_lines(conn, who.tenant_id, query, now=now)
    return render_template("insight_surveys.html", query=query, lines=lines)


@dataclass(frozen=True)
class CorrectedLine:
    """Corrected messages of all analyzed ones, of a language or of a band of confidence."""

    part: str
    name: str
    analyzed: int
    corrected: int
    share: Rate


def accuracy_of(conn: Connection, tenant_id: int, query: InsightQuery) -> Accuracy:
    """From samples that were picked within these days."""
    period = query.period
    return measure(list_audited(conn, tenant_id, days=period.days, until=period.end(speech().zone)))


def corrected_lines(shares: Sequence[CorrectedShare]) -> list[CorrectedLine]:
    """By language, then by band."""
    found: list[CorrectedLine] = []
    for part in ("language", "band"):
        for name in sorted({getattr(one, part) for one in shares}):
            members = [one for one in shares if getattr(one, part) == name]
            analyzed, corrected = sum(one.analyzed for one in members), sum(one.corrected for one in members)
            found.append(CorrectedLine(part, name, analyzed, corrected, rate(corrected, analyzed)))
    return found


@blueprint.get("/accuracy")
def accuracy() -> str:
    """How often the model is right, in samples; and what people corrected."""
    who = visitor()
    query = asked(current_time())
    with database().tenant_transaction(who.tenant_id) as conn:
        found = accuracy_of(conn, who.tenant_id, query)
        shares = list_corrected_days(conn, who.tenant_id, first=query.period.first, last=query.period.last)
    return render_template("insight_accuracy.html", query=query, accuracy=found, corrected=corrected_lines(shares))


@blueprint.get("/cost")
def cost() -> str:
    """What the calls have cost, by day in UTC."""
    who = visitor()
    query = asked(current_time())
    with database().tenant_transaction(who.tenant_id) as conn:
        days = list_day_spend(conn, who.tenant_id, first=query.period.first, last=query.period.last)
    return render_template("insight_cost.html", query=query, days=days, line=_line(days, query) if days else "")


def _line(days: Sequence[DaySpend], query: InsightQuery) -> str:
    spent: dict[date, int] = {one.day: one.cost_microusd + one.bulk_microusd for one in days}
    period = query.period
    return line_points([spent.get(period.first + timedelta(days=number), 0) for number in range(period.days)])
