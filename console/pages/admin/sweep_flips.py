"""/admin/sweeps/…/flips: the messages whose label a sweep changed, as a list and as a file."""

from collections.abc import Iterator, Sequence

from flask import Response, abort, render_template, request, stream_with_context

from console import sweep_deeds
from console.api.problems import Problem
from console.csv_lines import Value, csv_chunks
from console.flip_matrix import INTENTS, SENTIMENTS
from console.pages.admin.gate import new_blueprint
from console.sweep_results import result_of
from console.visitors import database, visitor
from store.db import Connection
from store.message_places import find_places, list_snippets, note_reading
from store.sweeps import Sweep, count_items
from worker.sweep_flips import Flip, select_flips

blueprint = new_blueprint("sweep_flips", path="/sweeps/<uuid:sweep_id>")
ROWS = 50
FIELDS = ("sentiment", "intent", "topics")
_COLUMNS = (
    "message_id", "conversation_id", "sentiment_before", "sentiment_now", "score_now", "intent_before", "intent_now", "topics_before",
    "topics_now", "changed", "causes",
)  # fmt: skip


def _get(conn: Connection, sweep_id: object) -> Sweep:
    try:
        return sweep_deeds.find_sweep(conn, visitor().tenant_id, str(sweep_id))
    except Problem:
        abort(404)


@blueprint.get("/flips")
def show(sweep_id: object) -> str:
    """?field=, ?old= and ?new= narrow it, ?page= pages."""
    who, given = visitor(), request.args
    field = given.get("field") if given.get("field") in FIELDS else None
    known = {"sentiment": SENTIMENTS, "intent": INTENTS}.get(field or "", ())
    old, new = (given.get(name) if given.get(name) in known else None for name in ("old", "new"))
    text = given.get("page", "1")
    number = int(text) if text.isascii() and text.isdigit() and 0 < len(text) < 7 else 1
    with database().tenant_transaction(who.tenant_id) as conn:
        sweep = _get(conn, sweep_id)
        found = select_flips(_flips(conn, sweep), field=field, old=old, new=new)
        last = max(1, -(-len(found) // ROWS))
        number = min(max(number, 1), last)
        shown = found[(number - 1) * ROWS : number * ROWS]
        ids = [one.message_id for one in shown]
        places = note_reading(conn, who.tenant_id, ids, actor=who.actor)
        snippets = list_snippets(conn, who.tenant_id, ids)
    return render_template(
        "admin/sweep_flips.html",
        sweep=sweep,
        flips=shown,
        total=len(found),
        places=places,
        snippets=snippets,
        field=field,
        old=old,
        new=new,
        fields=FIELDS,
        page=number,
        last=last,
    )


@blueprint.get("/flips.csv")
def export(sweep_id: object) -> Response:
    """All of them, without the words."""
    who = visitor()
    with database().tenant_transaction(who.tenant_id) as conn:
        sweep = _get(conn, sweep_id)
        flips = _flips(conn, sweep)
        places = find_places(conn, who.tenant_id, [one.message_id for one in flips])
    answer = Response(
        stream_with_context(csv_chunks(_COLUMNS, _lines(flips, places))), content_type="text/csv; charset=utf-8"
    )
    answer.headers["Content-Disposition"] = 'attachment; filename="flips.csv"'
    return answer


def _flips(conn: Connection, sweep: Sweep) -> tuple[Flip, ...]:
    return result_of(conn, sweep.id, items=count_items(conn, sweep.id)).flips


def _lines(flips: Sequence[Flip], places: dict[str, str]) -> Iterator[tuple[Value, ...]]:
    for one in flips:
        yield (
            one.message_id,
            places.get(one.message_id),
            one.old_sentiment,
            one.new_sentiment,
            one.new_score,
            one.old_intent,
            one.new_intent,
            ",".join(one.old_topics),
            ",".join(one.new_topics),
            ",".join(one.changed),
            ",".join(one.causes),
        )
