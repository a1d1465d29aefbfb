"""/insights: what customers write about and how they feel about it, by topic and by day, and the messages behind each count."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from babel import Locale
from flask import Blueprint, render_template, request, url_for

from console.api.cursors import read_moment, write_cursor
from console.api.problems import Problem
from console.heat_map import ALL_TOPICS, NO_TOPIC, SENTIMENTS, HeatMap, draw_days, draw_heat_map
from console.insight_query import InsightQuery, read_insight_query
from console.visitors import database, let_in, speech, visitor
from store.alerts import Alert, list_alerts
from store.db import Connection
from store.insight_messages import LabelledMessage, read_labelled
from store.label_days import CountedMessage, get_count_state, list_choices, list_counted_messages, list_day_counts

blueprint = Blueprint("insights", __name__, url_prefix="/insights")
blueprint.before_request(let_in)
PAGE = 50


def asked(now: datetime) -> InsightQuery:
    """What this address asks for, in the tenant's days."""
    return read_insight_query(request.args, today=now.astimezone(speech().zone).date())


def topic_word(topic: str) -> str:
    """A topic as people read it."""
    names = {ALL_TOPICS: speech().text("all messages"), NO_TOPIC: speech().text("no topic")}
    return names.get(topic) or topic.replace("_", " ")


def language_word(code: str) -> str:
    """A language's name in the visitor's language; "und" where none was told."""
    return Locale.parse(speech().language).languages.get(code) or code


def day_text(day: date) -> str:
    """A day of the tenant, short."""
    return speech().day(day)


@blueprint.context_processor
def for_insights() -> dict[str, Any]:
    """What the templates of this family use."""
    return {"topic_word": topic_word, "language_word": language_word, "day_text": day_text, "sentiments": SENTIMENTS}


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
        leading=leading_sentence(heat_map, query),
        days=draw_days(counts, first=period.first, last=period.last, topics=topics) if heat_map.whole.messages else [],
        choices=choices,
        state=state,
        trends=[line for alert in alerts for line in trend_lines(alert)],
    )


def current_time() -> datetime:
    """When the page is asked for."""
    return datetime.now(speech().zone)


def leading_sentence(heat_map: HeatMap, query: InsightQuery) -> str | None:
    """What most negatives are about, with its counts; None without messages."""
    if not heat_map.whole.messages:
        return None
    when = _when(query)
    row = heat_map.leading
    if row is None:
        if heat_map.whole.negatives:
            return speech().text("No negative message %(when)s has a topic.") % {"when": when}
        return speech().text("No message %(when)s is negative.") % {"when": when}
    return speech().text("%(share)s of the negative messages %(when)s are about %(topic)s: %(count)s of %(all)s.") % {
        "share": speech().percent(row.negatives / heat_map.whole.negatives),
        "when": when,
        "topic": topic_word(row.topic),
        "count": speech().number(row.negatives),
        "all": speech().number(heat_map.whole.negatives),
    }


def _when(query: InsightQuery) -> str:
    period = query.period
    if period.preset:
        return speech().texts("of the last %(n)s day", "of the last %(n)s days", period.preset)
    return speech().text("from %(first)s to %(last)s") % {
        "first": day_text(period.first),
        "last": day_text(period.last),
    }


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


def _cursor(last: CountedMessage) -> str:
    return write_cursor((f"{last.day.isoformat()}T00:00:00+00:00", last.message_id))


def _after(place: tuple[datetime, str] | None) -> tuple[date, str] | None:
    return (place[0].date(), place[1]) if place else None
