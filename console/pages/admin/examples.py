"""/admin/examples: what corrections would put into the prompt, whether it is any better, and who put in what stands there."""

from typing import Any

from flask import current_app, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from console import example_deeds
from console.api.problems import Problem
from console.example_choice import ShownConflict, choose_aside, show_conflict
from console.example_deeds import MAX_NOTE_CHARS, Publishing, find_last_check, find_last_trial
from console.pages.admin.gate import may_change, new_blueprint, only_admins, read_id
from console.pages.notices import give_notice
from console.visitors import database, visitor
from store.db import Connection
from store.example_rejections import list_rejections
from store.examples import find_snapshot, list_publishers, list_snapshots
from store.message_places import note_reading
from store.tenants import get_tenant_config
from worker.example_proposals import Proposal, compare_with_live, estimate_check

blueprint = new_blueprint("examples", path="/examples")
SHOWN_VERSIONS, SHOWN_REJECTIONS, SHOWN_OTHERS = 30, 50, 50


@blueprint.get("")
def show() -> str:
    """The proposal as a difference, its check, the versions so far."""
    with database().tenant_transaction(visitor().tenant_id) as conn:
        return _page(conn)


def _page(conn: Connection, *, note: str = "") -> str:
    who, model = visitor(), current_app.extensions["model"]
    tenant = get_tenant_config(conn, who.tenant_id)
    proposal = compare_with_live(conn, who.tenant_id, tenant=tenant, model=model, chooser=choose_aside)
    check, last = find_last_check(conn, who.tenant_id, proposal), find_last_trial(conn, who.tenant_id)
    rejections = list_rejections(conn, who.tenant_id, limit=SHOWN_REJECTIONS)
    conflicts = [show_conflict(one) for one in proposal.choice.conflicts[:SHOWN_OTHERS]]
    seen = [*_message_ids(proposal, conflicts), *(one.message_id for one in rejections)]
    return render_template(
        "admin/examples.html",
        proposal=proposal,
        conflicts=conflicts,
        cost=estimate_check(proposal, tenant=tenant, model=model),
        check=check.result["check"] if check and check.result else None,
        checked_at=check.finished_at if check else None,
        last=last,
        live=find_snapshot(conn, who.tenant_id, version=proposal.live_version) if proposal.live_version else None,
        snapshots=[one for one in list_snapshots(conn, who.tenant_id) if one.published_at][:SHOWN_VERSIONS],
        publishers=list_publishers(conn, who.tenant_id),
        rejections=rejections,
        places=note_reading(conn, who.tenant_id, seen, actor=who.actor),
        most_note_chars=MAX_NOTE_CHARS,
        shown_others=SHOWN_OTHERS,
        note=note,
        may_change=may_change(),
        may_publish=who.place.role == "admin",
    )


def _message_ids(proposal: Proposal, conflicts: list[ShownConflict]) -> list[str]:
    # Each is noted as read, so only what stands on the page.
    difference = proposal.difference
    examples = [one.message_id for one in (*difference.added, *difference.removed, *difference.kept)]
    disputed = [message_id for one in conflicts for message_id, _ in one.messages]
    return [*examples, *disputed, *(one.message_id for one in proposal.choice.screened_out[:SHOWN_OTHERS])]


def _settings(conn: Connection) -> dict[str, Any]:
    return {
        "tenant": get_tenant_config(conn, visitor().tenant_id),
        "model": current_app.extensions["model"],
        "by": visitor().actor,
    }


@blueprint.post("/check")
def check() -> Response:
    """Ask the model about held-back corrections; a form that is sent twice asks once."""
    who = visitor()
    try:
        with database().tenant_transaction(who.tenant_id) as conn:
            example_deeds.start_check(conn, who.tenant_id, basis=request.form.get("basis", ""), **_settings(conn))
    except Problem as problem:
        give_notice("refused", code=problem.code)
    return redirect(url_for("admin_examples.show"))


@blueprint.post("/publish")
def publish() -> str | tuple[str, int] | Response:
    """Put what was seen into the prompt, when the check allows it. For admins."""
    only_admins()
    who, form = visitor(), request.form
    wanted = Publishing(
        form.get("basis", ""),
        form.get("note"),
        force=form.get("deed") == "force",
        accept_unchecked=bool(form.get("accept_unchecked")),
    )
    try:
        with database().tenant_transaction(who.tenant_id) as conn:
            example_deeds.start_publishing(conn, who.tenant_id, wanted, **_settings(conn))
    except Problem as problem:
        give_notice("refused", code=problem.code)
        if problem.field == "note":
            with database().tenant_transaction(who.tenant_id) as conn:
                return _page(conn, note=form.get("note", "")), 422
    return redirect(url_for("admin_examples.show"))


@blueprint.post("/rollback")
def roll_back() -> Response:
    """Bring another version back into the prompt, at once. For admins."""
    only_admins()
    who, form = visitor(), request.form
    to, seen = form.get("to", ""), form.get("live_version", "")
    if not (_is_version(seen) and (to == "" or _is_version(to))):
        give_notice("no_such_number")
        return redirect(url_for("admin_examples.show"))
    try:
        with database().tenant_transaction(who.tenant_id) as conn:
            example_deeds.roll_back(
                conn,
                who.tenant_id,
                to=int(to) if to else None,
                live_version=int(seen),
                note=form.get("note"),
                by=who.actor,
            )
        give_notice("examples_rolled_back")
    except Problem as problem:
        give_notice("refused", code=problem.code)
    return redirect(url_for("admin_examples.show"))


def _is_version(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 9


@blueprint.post("/reject")
def reject() -> Response:
    """Leave messages out for good, or let one be chosen again."""
    who, form = visitor(), request.form
    again, ids = read_id(form.get("again")), form.getlist("message")
    with database().tenant_transaction(who.tenant_id) as conn:
        if again:
            done = example_deeds.take_in_again(conn, who.tenant_id, again, by=who.actor)
            give_notice("example_again" if done else "examples_unchanged")
        elif not ids or not all(read_id(one) for one in ids):
            give_notice("examples_unchanged")
        else:
            done = example_deeds.leave_out(conn, who.tenant_id, ids, by=who.actor)
            give_notice("examples_left_out" if done else "examples_unchanged")
    return redirect(url_for("admin_examples.show"))
