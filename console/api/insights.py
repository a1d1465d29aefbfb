"""/insights: what customers write about and how they feel, when people answer, and what it costs."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from flask import Response

from console.api.answers import AgentAnswer
from console.api.callers import caller
from console.api.cursors import read_moment, write_cursor
from console.api.insight_answers import (
    AnswerTimes,
    CostAnswer,
    CountedMessage,
    CountedMessagePage,
    DayCost,
    Days,
    InsightsAnswer,
    LoadAnswer,
    OpenClocks,
    QueueLoadAnswer,
    TopicCount,
    TopicCourse,
    Trend,
)
from console.api.insight_requests import CountedMessagesQuery, DaysQuery, InsightFilter, Split, SplitQuery, read_filter
from console.api.paths import new_blueprint
from console.api.problems import Problem
from console.api.rate_answers import AccuracyAnswer, SurveyAnswer, SurveysAnswer
from console.api.writing import answer, database, do_once
from console.heat_map import ALL_TOPICS, draw_days, draw_heat_map
from console.insight_reading import (
    accuracy_of,
    corrected_lines,
    fitting,
    list_page,
    queue_loads,
    split_of,
    survey_lines,
    trend_lines,
)
from console.languages import DEFAULT, Speech
from console.leading_sentence import leading_sentence
from store.agents import list_agents
from store.alerts import list_alerts
from store.answer_time_reports import ask_for_report, find_report
from store.conversation_lists import count_queues
from store.db import Connection
from store.label_days import get_count_state, list_choices, list_corrected_days, list_day_counts
from store.sla_report import list_open_clocks
from store.spend import list_day_spend
from store.tenants import get_tenant_config

blueprint = new_blueprint("insight_reports", __name__, under="/insights")
MICROUSD = 1_000_000


def _zone(conn: Connection, tenant_id: int) -> ZoneInfo:
    return ZoneInfo(get_tenant_config(conn, tenant_id).hours.time_zone)


@blueprint.get("", summary="Count topics by mood", responses={200: InsightsAnswer})
def read_map(query: InsightFilter) -> Response:
    """What most negatives are about as a sentence, each topic by sentiment and day by day, and topics that are worse than usual."""
    who, now = caller(), datetime.now(UTC)
    with database().tenant_transaction(who.tenant_id) as conn:
        zone = _zone(conn, who.tenant_id)
        asked = read_filter(query, now=now, zone=zone)
        period = asked.period
        counts = list_day_counts(conn, who.tenant_id, asked.only)
        choices = list_choices(conn, who.tenant_id, first=period.first, last=period.last)
        state = get_count_state(conn, who.tenant_id, first=period.first, last=period.last)
        alerts = list_alerts(conn, who.tenant_id, kind="trend")
    heat_map = draw_heat_map(counts)
    topics = [ALL_TOPICS, *(row.topic for row in heat_map.rows)]
    courses = draw_days(counts, first=period.first, last=period.last, topics=topics)
    body = InsightsAnswer(
        days=Days.of(period),
        sentence=leading_sentence(heat_map, asked, Speech(DEFAULT, zone)),
        whole=TopicCount.of(heat_map.whole),
        topics=[TopicCount.of(row) for row in heat_map.rows],
        courses=[TopicCourse.of(one) for one in courses],
        trends=[Trend(**vars(line)) for alert in alerts for line in trend_lines(alert)],
        **vars(choices),
        counted_at=state.counted_at,
        uncounted_days=state.uncounted,
    )
    return answer(body.model_dump(mode="json"))


@blueprint.get("/messages", summary="List the messages behind a count", responses={200: CountedMessagePage})
def list_messages(query: CountedMessagesQuery) -> Response:
    """Newest day first, each with its label and how it begins."""
    who = caller()
    place = read_moment(query.cursor)
    with database().tenant_transaction(who.tenant_id) as conn:
        asked = read_filter(query, now=datetime.now(UTC), zone=_zone(conn, who.tenant_id))
        after = (place[0].date(), place[1]) if place else None
        counted, more = list_page(conn, who.tenant_id, asked, after=after, limit=query.limit)
        found = fitting(conn, who.tenant_id, asked, counted)
    last = counted[-1] if more else None
    body = CountedMessagePage(
        messages=[CountedMessage(**vars(one)) for one in found],
        changed=len(counted) - len(found),
        next_cursor=write_cursor((f"{last.day.isoformat()}T00:00:00+00:00", last.message_id)) if last else None,
    )
    return answer(body.model_dump(mode="json"))


def _answer_times(conn: Connection, tenant_id: int, since: date | None, *, zone: ZoneInfo) -> AnswerTimes:
    split_at = _read_split(since, zone=zone) if since else None
    report = find_report(conn, tenant_id, split_at=split_at)
    if report is None:
        state = "not_asked" if split_at else "nothing_decided"
        return AnswerTimes(state=state, split_at=split_at, counted_at=None, claim=None, weeks=[])
    figures = report.figures
    return AnswerTimes(
        state="being_counted" if figures is None else "counted",
        split_at=report.split_at,
        counted_at=report.counted_at,
        claim=figures["claim"] if figures else None,
        weeks=figures["weeks"] if figures else [],
    )


def _read_split(since: date, *, zone: ZoneInfo) -> datetime:
    split_at = split_of(since.isoformat(), now=datetime.now(zone), zone=zone)
    if split_at is None:
        raise Problem(422, "invalid_days", field="since", fix="give a day of the last three years")
    return split_at


@blueprint.get("/answer-times", summary="Compare answer times before and after a day", responses={200: AnswerTimes})
def read_answer_times(query: SplitQuery) -> Response:
    """Since the tenant's first decision, or since a day that somebody has asked for. Figures are at most a day old."""
    who = caller()
    with database().tenant_transaction(who.tenant_id) as conn:
        found = _answer_times(conn, who.tenant_id, query.since, zone=_zone(conn, who.tenant_id))
    return answer(found.model_dump(mode="json"))


@blueprint.post("/answer-times", summary="Have answer times compared", responses={200: AnswerTimes})
def ask(body: Split) -> Response:
    """They are counted within a minute or two: read them again then. Everybody may; it changes nothing but what is shown."""
    who = caller()

    def work(conn: Connection) -> AnswerTimes:
        zone = _zone(conn, who.tenant_id)
        ask_for_report(conn, who.tenant_id, split_at=_read_split(body.since, zone=zone))
        return _answer_times(conn, who.tenant_id, body.since, zone=zone)

    return do_once(work)


@blueprint.get("/load", summary="Read the load of queues and people", responses={200: LoadAnswer})
def read_load() -> Response:
    """Queues, promises and people, as they stand now."""
    who = caller()
    with database().tenant_transaction(who.tenant_id) as conn:
        queues = queue_loads(count_queues(conn, who.tenant_id))
        clocks = list_open_clocks(conn, who.tenant_id)
        agents = list_agents(conn, who.tenant_id)
    body = LoadAnswer(
        queues=[QueueLoadAnswer(**vars(one), oldest_waiting_since=one.oldest) for one in queues],
        clocks=[OpenClocks(**vars(one)) for one in clocks],
        team=[AgentAnswer.of(one, me=who.user_id) for one in agents],
    )
    return answer(body.model_dump(mode="json"))


@blueprint.get("/surveys", summary="Read NPS and CSAT", responses={200: SurveysAnswer})
def read_surveys(query: DaysQuery) -> Response:
    """Of the invitations of these days: each survey as a whole, then by channel where there are several."""
    who, now = caller(), datetime.now(UTC)
    with database().tenant_transaction(who.tenant_id) as conn:
        zone = _zone(conn, who.tenant_id)
        asked = read_filter(query, now=now, zone=zone)
        lines = survey_lines(conn, who.tenant_id, asked, zone=zone, now=now)
    body = SurveysAnswer(days=Days.of(asked.period), surveys=[SurveyAnswer.of(one) for one in lines])
    return answer(body.model_dump(mode="json"))


@blueprint.get("/accuracy", summary="Read how often the model is right", responses={200: AccuracyAnswer})
def read_accuracy(query: DaysQuery) -> Response:
    """In samples that people judged, as a whole and by language and confidence; and how much people corrected."""
    who = caller()
    with database().tenant_transaction(who.tenant_id) as conn:
        zone = _zone(conn, who.tenant_id)
        asked = read_filter(query, now=datetime.now(UTC), zone=zone)
        found = accuracy_of(conn, who.tenant_id, asked, zone=zone)
        shares = list_corrected_days(conn, who.tenant_id, first=asked.period.first, last=asked.period.last)
    return answer(AccuracyAnswer.of(found, corrected_lines(shares), days=asked.period).model_dump(mode="json"))


@blueprint.get("/cost", summary="Read what the AI has cost by day", responses={200: CostAnswer})
def read_cost(query: DaysQuery) -> Response:
    """Days in UTC, newest first. What sweeps cost stands beside it."""
    who = caller()
    with database().tenant_transaction(who.tenant_id) as conn:
        asked = read_filter(query, now=datetime.now(UTC), zone=_zone(conn, who.tenant_id))
        days = list_day_spend(conn, who.tenant_id, first=asked.period.first, last=asked.period.last)
    body = CostAnswer(
        days=Days.of(asked.period),
        spent=[
            DayCost(
                day=one.day,
                calls=one.calls,
                second_readings=one.escalations,
                usd=one.cost_microusd / MICROUSD,
                sweeps_usd=one.bulk_microusd / MICROUSD,
            )
            for one in days
        ],
        usd=sum(one.cost_microusd for one in days) / MICROUSD,
        sweeps_usd=sum(one.bulk_microusd for one in days) / MICROUSD,
    )
    return answer(body.model_dump(mode="json"))
