"""/insights/…: answer times, load, surveys, accuracy and cost: figures that other code computes, as pages."""

from collections.abc import Sequence
from datetime import date, timedelta

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from console.api.tenant_queues import list_purposes
from console.heat_map import line_points
from console.insight_query import InsightQuery
from console.insight_reading import accuracy_of, corrected_lines, queue_loads, split_of, survey_lines
from console.pages.insights import asked, current_time, for_insights
from console.pages.notices import give_notice
from console.visitors import database, let_in, speech, visitor
from store.agents import list_agents
from store.answer_time_reports import ask_for_report, find_report
from store.conversation_lists import count_queues
from store.label_days import list_corrected_days
from store.sla_report import list_open_clocks
from store.spend import DaySpend, list_day_spend
from store.tenants import get_tenant_config

blueprint = Blueprint("insight_figures", __name__, url_prefix="/insights")
blueprint.before_request(let_in)
blueprint.context_processor(for_insights)


@blueprint.get("/answers")
def answers() -> str:
    """How long customers wait before and after a day: the tenant's first decision, or ?since=, which somebody must have asked for."""
    who, now = visitor(), current_time()
    since = request.args.get("since", "")
    split_at = split_of(since, now=now, zone=speech().zone)
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
    split_at = split_of(since, now=current_time(), zone=speech().zone)
    if split_at is None:
        give_notice("report", code="no_day")
        return redirect(url_for("insight_figures.answers"))
    with database().tenant_transaction(who.tenant_id) as conn:
        report = find_report(conn, who.tenant_id, split_at=split_at)
        if report is None or report.figures is None:
            give_notice("report", code="asked")
        ask_for_report(conn, who.tenant_id, split_at=split_at)
    return redirect(url_for("insight_figures.answers", since=since))


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


@blueprint.get("/surveys")
def surveys() -> str:
    """NPS and CSAT of the invitations of these days."""
    who, now = visitor(), current_time()
    query = asked(now)
    with database().tenant_transaction(who.tenant_id) as conn:
        lines = survey_lines(conn, who.tenant_id, query, zone=speech().zone, now=now)
    return render_template("insight_surveys.html", query=query, lines=lines)


@blueprint.get("/accuracy")
def accuracy() -> str:
    """How often the model is right, in samples; and what people corrected."""
    who = visitor()
    query = asked(current_time())
    with database().tenant_transaction(who.tenant_id) as conn:
        found = accuracy_of(conn, who.tenant_id, query, zone=speech().zone)
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
