"""/insights: what customers write about and how they feel about it, by topic and by day, and the messages behind each count."""

from datetime import date, datetime, timedelta
from typing import Any

from babel import Locale
from flask import Blueprint, render_template, request, url_for

from console import leading_sentence
from console.api.cursors import read_moment, write_cursor
from console.api.problems import Problem
from console.heat_map import ALL_TOPICS, SENTIMENTS, draw_days, draw_heat_map
from console.insight_query import InsightQuery, read_insight_query
from console.insight_reading import fitting, list_page, trend_lines
from console.languages import isolated
from console.visitors import database, let_in, speech, visitor
from store.alerts import list_alerts
from store.audit_log import note_deed
from store.insight_messages import LabelledMessage
from store.label_days import CountedMessage, get_count_state, list_choices, list_day_counts

blueprint = Blueprint("insights", __name__, url_prefix="/insights")
blueprint.before_request(let_in)
PAGE = 50


def asked(now: datetime) -> InsightQuery:
    """What this address asks for, in the tenant's days."""
    return read_insight_query(request.args, today=now.astimezone(speech().zone).date())


def topic_word(topic: str) -> str:
    """A topic as people read it."""
    return leading_sentence.topic_word(topic, speech())


def language_word(code: str) -> str:
    """A language's name in the visitor's language; "und" where none was told."""
    return Locale.parse(speech().language).languages.get(code) or code


def day_text(day: date) -> str:
    """A day of the tenant, short."""
    return speech().day(day)


@blueprint.context_processor
def for_insights() -> dict[str, Any]:
    """What the templates of this family use."""
    return {
        "topic_word": topic_word,
        "isolated": isolated,
        "language_word": language_word,
        "day_text": day_text,
        "sentiments": SENTIMENTS,
    }


@blueprint.get("")
def show() -> str:
    """The heat map, each topic's days, and the trends that are being told of."""
    who = visitor()
    now = current_time()
    query = asked(now)
    period = query.period
    with database().tenant_transaction(who.tenant_id) as conn:
        counts = list_day_counts(conn, who.tenant_id, query.only)
        choices = list_choices(conn, who.tenant_id, first=period.first, last=period.last)
        state = get_count_state(conn, who.tenant_id, first=period.first, last=period.last)
        alerts = list_alerts(conn, who.tenant_id, kind="trend")
    heat_map = draw_heat_map(counts)
    topics = [ALL_TOPICS, *(row.topic for row in heat_map.rows)]
    return render_template(
        "insights.html",
        query=query,
        heat_map=heat_map,
        leading=leading_sentence.leading_sentence(heat_map, query, speech(), in_line=isolated),
        days=draw_days(counts, first=period.first, last=period.last, topics=topics) if heat_map.whole.messages else [],
        choices=choices,
        state=state,
        trends=[line for alert in alerts for line in trend_lines(alert)],
    )


def current_time() -> datetime:
    """When the page is asked for."""
    return datetime.now(speech().zone)


@blueprint.get("/messages")
def messages() -> str:
    """The messages behind a count."""
    who = visitor()
    query = asked(current_time())
    try:
        place = read_moment(request.args.get("cursor"))
    except Problem:
        place = None
    with database().tenant_transaction(who.tenant_id) as conn:
        counted, more = list_page(conn, who.tenant_id, query, after=_after(place), limit=PAGE)
        found = fitting(conn, who.tenant_id, query, counted)
        if found:
            note_deed(conn, who.tenant_id, by=who.actor, deed="messages_read", details={"messages": len(found)})
    here = query.cell(query.topic, query.sentiment)
    return render_template(
        "insight_messages.html",
        query=query,
        rows=found,
        changed=len(counted) - len(found),
        more=_cursor(counted[-1]) if more else None,
        here_address=here,
        is_later_page=place is not None,
        conversation_address=_conversation_address,
    )


def _conversation_address(one: LabelledMessage) -> str | None:
    """Where the message is chosen, among those before and shortly after it."""
    if one.conversation_id is None:
        return None
    before = write_cursor((one.sent_at + timedelta(days=1), one.id))
    address = url_for("conversation.show", conversation_id=one.conversation_id, message=one.id, before=before)
    return f"{address}#m-{one.id}"


def _cursor(last: CountedMessage) -> str:
    return write_cursor((f"{last.day.isoformat()}T00:00:00+00:00", last.message_id))


def _after(place: tuple[datetime, str] | None) -> tuple[date, str] | None:
    return (place[0].date(), place[1]) if place else None
