"""/insights/files/….csv: every table of the insights as a file."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from flask import Blueprint, Response, abort, request, stream_with_context

from console.csv_lines import Value, csv_chunks
from console.heat_map import ALL_TOPICS, NO_TOPIC, draw_days, draw_heat_map
from console.insight_query import InsightQuery
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
from console.pages.insights import asked, current_time
from console.visitors import Visitor, database, let_in, speech, visitor
from store.agents import list_agents
from store.alerts import list_alerts
from store.answer_time_reports import find_report
from store.conversation_lists import count_queues
from store.db import Connection
from store.label_days import list_corrected_days, list_day_counts
from store.sla_report import list_open_clocks
from store.spend import list_day_spend

blueprint = Blueprint("insight_files", __name__, url_prefix="/insights/files")
blueprint.before_request(let_in)
# Messages are read so many at a time, each in a transaction of its own: a long download must not hold one open.
CHUNK = 500

Row = Sequence[Value]


@dataclass(frozen=True)
class Asked:
    """What a file is about, and for whom."""

    tenant_id: int
    query: InsightQuery
    now: datetime


def _topic(topic: str) -> str:
    return {ALL_TOPICS: "all messages", NO_TOPIC: "no topic"}.get(topic, topic)


def _topics(conn: Connection, what: Asked) -> Iterable[Row]:
    heat_map = draw_heat_map(list_day_counts(conn, what.tenant_id, what.query.only))
    for row in (heat_map.whole, *heat_map.rows):
        share = round(row.negatives / row.messages, 4) if row.messages else None
        yield _topic(row.topic), *(cell.messages for cell in row.cells), row.messages, share


def _days(conn: Connection, what: Asked) -> Iterable[Row]:
    counts, period = list_day_counts(conn, what.tenant_id, what.query.only), what.query.period
    heat_map = draw_heat_map(counts)
    topics = [ALL_TOPICS, *(row.topic for row in heat_map.rows)]
    for one in draw_days(counts, first=period.first, last=period.last, topics=topics):
        for number, (messages, negatives) in enumerate(zip(one.messages, one.negatives, strict=True)):
            yield (
                _topic(one.topic),
                date.fromordinal(period.first.toordinal() + number).isoformat(),
                messages,
                negatives,
            )


def _trends(conn: Connection, what: Asked) -> Iterable[Row]:
    for alert in list_alerts(conn, what.tenant_id, kind="trend"):
        for one in trend_lines(alert):
            since = one.since.isoformat(timespec="seconds")
            yield _topic(one.topic), since, one.base_share, one.share, one.negatives, one.messages, one.window_h


def _claim(conn: Connection, what: Asked) -> dict[str, Any] | None:
    split_at = split_of(request.args.get("since", ""), now=what.now, zone=speech().zone)
    report = find_report(conn, what.tenant_id, split_at=split_at)
    return report.figures if report else None


def _answers(conn: Connection, what: Asked) -> Iterable[Row]:
    figures = _claim(conn, what)
    if figures is None:
        return
    claim = figures["claim"]
    for name in ("negatives", "all_messages"):
        found = claim[name]
        for side in ("before", "after"):
            one = found[side]
            yield (
                name,
                side,
                one["waits"],
                one["unanswered"],
                one["median"],
                one["p90"],
                found["p_value"],
                found["verdict"],
                claim["switched_at"],
            )


def _targets(conn: Connection, what: Asked) -> Iterable[Row]:
    figures = _claim(conn, what)
    for one in figures["weeks"] if figures else []:
        yield tuple(one[name] for name in _TARGETS)


def _queues(conn: Connection, what: Asked) -> Iterable[Row]:
    for one in queue_loads(count_queues(conn, what.tenant_id)):
        oldest = one.oldest.isoformat(timespec="seconds") if one.oldest else None
        yield one.queue, one.urgent, one.open, one.unassigned, one.waiting, one.snoozed, oldest


def _clocks(conn: Connection, what: Asked) -> Iterable[Row]:
    for one in list_open_clocks(conn, what.tenant_id):
        due = one.next_due_at.isoformat(timespec="seconds")
        yield one.queue, one.priority, one.clock, one.fine, one.soon, one.late, one.paused, due


def _team(conn: Connection, what: Asked) -> Iterable[Row]:
    for one in list_agents(conn, what.tenant_id):
        seen = one.last_seen_at.isoformat(timespec="seconds") if one.last_seen_at else None
        yield (
            one.email,
            one.role,
            one.presence,
            one.open,
            one.capacity,
            " ".join(one.queues),
            " ".join(one.skills),
            seen,
        )


def _surveys(conn: Connection, what: Asked) -> Iterable[Row]:
    for line in survey_lines(conn, what.tenant_id, what.query, zone=speech().zone, now=what.now):
        one = line.figures
        score = one.nps or one.csat
        value = one.nps.value if one.nps else one.csat.share if one.csat else None
        yield (
            one.survey,
            line.part,
            one.invited,
            one.failed,
            one.delivered,
            one.answered,
            one.commented,
            one.still_open,
            one.response.share,
            value,
            score.low if score else None,
            score.high if score else None,
            one.median_hours,
        )


def _scores(conn: Connection, what: Asked) -> Iterable[Row]:
    for line in survey_lines(conn, what.tenant_id, what.query, zone=speech().zone, now=what.now):
        for score, answers in line.figures.distribution.items():
            yield line.figures.survey, line.part, score, answers


def _accuracy(conn: Connection, what: Asked) -> Iterable[Row]:
    found = accuracy_of(conn, what.tenant_id, what.query, zone=speech().zone)
    lines = [(name, "all", getattr(found, name)) for name in ("sentiment", "intent", "topics")]
    lines += [("sentiment", language, one) for language, one in found.by_language.items()]
    lines += [("sentiment", f"confidence {row.band}", row.right) for row in found.calibration]
    for label, part, one in lines:
        yield label, part, one.n, one.share, one.low, one.high


def _corrected(conn: Connection, what: Asked) -> Iterable[Row]:
    period = what.query.period
    for one in corrected_lines(list_corrected_days(conn, what.tenant_id, first=period.first, last=period.last)):
        yield one.part, one.name, one.analyzed, one.corrected, one.share.share, one.share.low, one.share.high


def _cost(conn: Connection, what: Asked) -> Iterable[Row]:
    period = what.query.period
    for one in list_day_spend(conn, what.tenant_id, first=period.first, last=period.last):
        usd, bulk_usd = one.cost_microusd / 1_000_000, one.bulk_microusd / 1_000_000
        yield one.day.isoformat(), one.calls, one.escalations, usd, bulk_usd


_TARGETS = (
    "week", "queue", "priority", "clock", "met", "missed", "late_open", "cancelled", "share", "median_min", "p90_min",
)  # fmt: skip
_MESSAGES = (
    "sent_at", "message_id", "conversation_id", "channel", "surface", "language", "sentiment", "score", "intent", "topics", "text",
)  # fmt: skip
_RATE = ("share", "low", "high")

TABLES: dict[str, tuple[Sequence[str], Callable[[Connection, Asked], Iterable[Row]]]] = {
    "topics": (("topic", "negative", "neutral", "positive", "messages", "negative_share"), _topics),
    "days": (("topic", "day", "messages", "negatives"), _days),
    "trends": (("topic", "since", "usual_share", "share", "negatives", "messages", "window_h"), _trends),
    "answers": (
        ("messages", "side", "waits", "unanswered", "median_min", "p90_min", "p_value", "verdict", "split_at"),
        _answers,
    ),
    "targets": (_TARGETS, _targets),
    "queues": (("queue", "urgent", "open", "unassigned", "waiting", "snoozed", "oldest_waiting_since"), _queues),
    "clocks": (("queue", "priority", "clock", "fine", "soon", "late", "paused", "next_due_at"), _clocks),
    "team": (("email", "role", "presence", "open", "capacity", "queues", "skills", "last_seen_at"), _team),
    "surveys": (
        (
            "survey", "part", "invited", "failed", "delivered", "answered", "with_words", "still_open", "response", "score",
            "score_low", "score_high", "median_hours",
        ),
        _surveys,
    ),
    "scores": (("survey", "part", "score", "answers"), _scores),
    "accuracy": (("label", "part", "n", *_RATE), _accuracy),
    "corrected": (("part", "name", "analyzed", "corrected", *_RATE), _corrected),
    "cost": (("day_utc", "calls", "second_readings", "usd", "sweeps_usd"), _cost),
}  # fmt: skip


@blueprint.get("/<name>.csv")
def table(name: str) -> Response:
    """One table, of the days and filters in the address."""
    who, now = visitor(), current_time()
    what = Asked(who.tenant_id, asked(now), now)
    if name == "messages":
        return _file(who, what, name, stream_with_context(csv_chunks(_MESSAGES, _messages(what))))
    if name not in TABLES:
        abort(404)
    header, rows_of = TABLES[name]
    with database().tenant_transaction(who.tenant_id) as conn:
        found = list(rows_of(conn, what))
    return _file(who, what, name, csv_chunks(header, found))


def _messages(what: Asked) -> Iterator[Row]:
    """The list behind a count, to its end."""
    after: tuple[date, str] | None = None
    more = True
    while more:
        with database().tenant_transaction(what.tenant_id) as conn:
            counted, more = list_page(conn, what.tenant_id, what.query, after=after, limit=CHUNK)
            found = fitting(conn, what.tenant_id, what.query, counted)
        for one in found:
            yield (
                one.sent_at.isoformat(timespec="seconds"),
                one.id,
                one.conversation_id,
                one.channel,
                one.surface,
                one.language,
                one.sentiment,
                one.score,
                one.intent,
                " ".join(one.topics),
                one.text,
            )
        after = (counted[-1].day, counted[-1].message_id) if counted else None


def _file(who: Visitor, what: Asked, name: str, chunks: Iterator[str]) -> Response:
    period = what.query.period
    file_name = f"earshot-{who.place.slug}-{name}-{period.first}-{period.last}.csv"
    return Response(
        chunks,
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{file_name}"'},
    )
