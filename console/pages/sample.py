"""/sample: the week's random messages, one after another, for people to confirm or correct: what accuracy is measured on."""

from datetime import UTC, date, datetime, timedelta
from typing import get_args

from flask import Blueprint, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from config.words import Intent, Sentiment
from console.api.problems import Problem
from console.label_deeds import MAY_CORRECT, Saying, judge_sampled, topics_of
from console.pages.inbox import is_id
from console.pages.notices import give_notice
from console.visitors import database, let_in, visitor
from store.corrections import CorrectionError
from store.db import Connection
from store.effective_labels import find_effective_label
from store.message_places import note_reading
from store.sample_desk import SampledMessage, find_next_to_judge, find_sampled, list_judged_lately, list_weeks
from store.tenants import get_tenant_config
from worker.audits import WEEKLY_SAMPLE, pick_week

blueprint = Blueprint("sample", __name__, url_prefix="/sample")
blueprint.before_request(let_in)
WEEKS, LATELY = 6, 8


@blueprint.get("")
def show() -> str | Response:
    """The next one that nobody has judged; ?after= the one that was passed over."""
    who, after = visitor(), request.args.get("after", "")
    with database().tenant_transaction(who.tenant_id) as conn:
        found = find_next_to_judge(conn, who.tenant_id, after=after if is_id(after) else None)
        return _page(conn, find_sampled(conn, who.tenant_id, found) if found else None)


@blueprint.get("/<uuid:message_id>")
def show_one(message_id: object) -> str:
    """One message, judged or not."""
    who = visitor()
    with database().tenant_transaction(who.tenant_id) as conn:
        found = find_sampled(conn, who.tenant_id, str(message_id))
        if found is None:
            abort(404)
        return _page(conn, found)


def _page(conn: Connection, found: SampledMessage | None) -> str:
    who = visitor()
    label = find_effective_label(conn, found.message_id) if found else None
    if found:
        note_reading(conn, who.tenant_id, [found.message_id], actor=who.actor)
    return render_template(
        "sample.html",
        one=found,
        label=label,
        topics=topics_of(get_tenant_config(conn, who.tenant_id)),
        sentiments=("negative", "neutral", "positive"),
        intents=get_args(Intent),
        weeks=list_weeks(conn, who.tenant_id, limit=WEEKS),
        lately=list_judged_lately(conn, who.tenant_id, limit=LATELY),
        last_week=_last_monday(),
        size=WEEKLY_SAMPLE,
        may_judge=who.place.role in MAY_CORRECT,
    )


def _last_monday() -> date:
    today = datetime.now(UTC).date()
    return today - timedelta(days=today.weekday() + 7)


@blueprint.post("/<uuid:message_id>")
def say(message_id: object) -> Response:
    """It is right as it stands, or the form says what it should be; then the next one."""
    who, key, form = visitor(), str(message_id), request.form
    if who.place.role not in MAY_CORRECT:
        abort(403)
    said = Saying(seen_judged_at=_moment(form.get("seen")))
    if form.get("deed") != "right":
        if form.get("sentiment") not in get_args(Sentiment) or form.get("intent") not in get_args(Intent):
            give_notice("not_corrected")
            return redirect(url_for("sample.show_one", message_id=key))
        said = Saying(form["sentiment"], form["intent"], form.getlist("topics"), said.seen_judged_at)
    try:
        with database().tenant_transaction(who.tenant_id) as conn:
            tenant = get_tenant_config(conn, who.tenant_id)
            _, wrong = judge_sampled(conn, who.tenant_id, key, said, tenant=tenant, by=who.actor)
    except Problem as problem:
        if problem.status == 404:
            abort(404)
        give_notice("refused", code=problem.code)
        return redirect(url_for("sample.show_one", message_id=key))
    except CorrectionError:
        give_notice("not_corrected")
        return redirect(url_for("sample.show_one", message_id=key))
    give_notice("sample_wrong" if wrong else "sample_right")
    return redirect(url_for("sample.show", after=key))


def _moment(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None


@blueprint.post("/pick")
def pick() -> Response:
    """The last whole week's sample now, instead of at the next round; a week is picked once. For supervisors and admins."""
    who = visitor()
    if who.place.role not in {"supervisor", "admin"}:
        abort(403)
    with database().tenant_transaction(who.tenant_id) as conn:
        picked = pick_week(conn, who.tenant_id, monday=_last_monday())
    give_notice("sample_picked" if picked else "sample_empty")
    return redirect(url_for("sample.show"))
