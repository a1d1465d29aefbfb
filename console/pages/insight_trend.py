"""/insights/trend: one topic day by day, as a table and a line; a script makes the line one to point at (static/trend.js)."""

from dataclasses import dataclass
from datetime import date, timedelta

from flask import Blueprint, render_template

from console.heat_map import ALL_TOPICS, TopicDays, draw_days, draw_heat_map, line_points
from console.pages.insights import asked, current_time, for_insights
from console.visitors import database, let_in, visitor
from store.label_days import get_count_state, list_choices, list_day_counts

blueprint = Blueprint("insight_trend", __name__, url_prefix="/insights/trend")
blueprint.before_request(let_in)
blueprint.context_processor(for_insights)


@dataclass(frozen=True)
class TrendDay:
    """One day of a topic."""

    day: date
    messages: int
    negatives: int


def trend_days(days: TopicDays) -> list[TrendDay]:
    """Newest first."""
    found = [
        TrendDay(days.first + timedelta(days=number), messages, negatives)
        for number, (messages, negatives) in enumerate(zip(days.messages, days.negatives, strict=True))
    ]
    return found[::-1]


@blueprint.get("")
def show() -> str:
    """?topic= chooses one, else all messages."""
    who = visitor()
    query = asked(current_time())
    period = query.period
    with database().tenant_transaction(who.tenant_id) as conn:
        counts = list_day_counts(conn, who.tenant_id, query.only)
        choices = list_choices(conn, who.tenant_id, first=period.first, last=period.last)
        state = get_count_state(conn, who.tenant_id, first=period.first, last=period.last)
    (days,) = draw_days(counts, first=period.first, last=period.last, topics=[query.topic])
    topics = [ALL_TOPICS, *(row.topic for row in draw_heat_map(counts).rows)]
    # One scale for both lines, so that their distance means something.
    most = max(days.messages)
    return render_template(
        "insight_trend.html",
        query=query,
        topics=topics if query.topic in topics else [*topics, query.topic],
        days=trend_days(days),
        whole=TrendDay(period.last, sum(days.messages), sum(days.negatives)),
        lines={"messages": line_points(days.messages), "negatives": line_points(days.negatives, top=most)},
        most=most,
        choices=choices,
        state=state,
    )
