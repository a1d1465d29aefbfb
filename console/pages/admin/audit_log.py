"""/admin/audit-log: who did what, newest first, each deed as a sentence."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flask import Response, render_template, request, stream_with_context, url_for
from markupsafe import Markup, escape

from console.audit_words import SENTENCES, about, is_number, keys_in, parts_of, people_in, template_of
from console.csv_lines import csv_chunks
from console.pages.admin.gate import new_blueprint, read_day, read_id
from console.visitors import database, speech, visitor
from store.audit_log import note_deed
from store.db import Connection, act_for_system
from store.deed_lists import DeedFilter, ListedDeed, list_deeds, list_emails, list_key_names
from store.people import find_person_id, list_people

blueprint = new_blueprint("audit_log", path="/audit-log")
ROWS = 100
# So many are written before the first words leave, and while nobody else has the process.
CSV_ROWS_AT_ONCE = 500
MAX_CHARS = 200
# Where the subject of a deed is to be seen: among all of its kind, or on a page of its own (endpoint, what it is called there).
_PAGES_OF_ALL = {
    "key": "admin_people.show",
    "action": "admin_alerts.show",
    "settings": "admin_settings.show",
}
_PAGES_OF_ONE = {
    "conversation": ("conversation.show", "conversation_id"),
    "sweep": ("admin_sweeps.show_one", "sweep_id"),
    "egress": ("admin_privacy.entry", "egress_id"),
    "message": ("admin_privacy.show", "message"),
    "customer": ("admin_crm.show", "customer"),
}
FILTERS = ("person", "deed", "subject", "since", "until")
COLUMNS = ("at", "who", "deed", "subject", "sentence", "details")


@dataclass(frozen=True)
class _Shown:
    """A deed as it is shown: html for the page, text for a file, where its subject is to be seen."""

    deed: ListedDeed
    html: Markup
    text: str
    who: str
    link: str | None


def _read_filter(conn: Connection) -> DeedFilter:
    """What the address asks for; what is no day, no id and no name is left out. A person may stand there by e-mail."""
    zone, subject = speech().zone, request.args.get("subject", "").strip()[:MAX_CHARS]
    if not subject.isprintable():
        subject = ""
    if "@" in subject:
        subject = str(find_person_id(conn, subject) or subject)
    person = request.args.get("person", "")
    deed = request.args.get("deed", "")[:MAX_CHARS]
    return DeedFilter(
        user_id=int(person) if is_number(person) else None,
        deed=deed if deed.isprintable() and deed else None,
        subject=subject or None,
        since=read_day(request.args.get("since"), zone),
        until=read_day(request.args.get("until"), zone, is_last=True),
    )


@blueprint.get("")
def show() -> str:
    """?person=, ?deed=, ?subject=, ?since= and ?until= narrow it, ?before= pages back."""
    who = visitor()
    with database().tenant_transaction(who.tenant_id) as conn:
        act_for_system(conn)
        wanted = _read_filter(conn)
        before = read_id(request.args.get("before"))
        found = list_deeds(conn, who.tenant_id, wanted, before_id=before, limit=ROWS + 1)
        shown = _shown(conn, who.tenant_id, found[:ROWS])
        people = list_people(conn, who.tenant_id)
    kept: dict[str, Any] = {name: value for name in FILTERS if (value := request.args.get(name, "")[:MAX_CHARS])}
    return render_template(
        "admin/audit_log.html",
        rows=shown,
        people=people,
        deeds=sorted(SENTENCES),
        kept=kept,
        more=found[ROWS - 1].id if len(found) > ROWS else None,
        is_first=before is None,
    )


def _shown(conn: Connection, tenant_id: int, deeds: list[ListedDeed]) -> list[_Shown]:
    emails = list_emails(conn, people_in(deeds))
    keys = list_key_names(conn, tenant_id, keys_in(deeds))
    told: list[_Shown] = []
    for one in deeds:
        template = template_of(one, speech())
        parts = parts_of(one, speech(), emails=emails, keys=keys)
        isolated = type(parts)({name: Markup("<bdi>{}</bdi>").format(value) for name, value in parts.items()})
        html = Markup(escape(template)) % isolated  # nosec B704  # noqa: S704 -- the template is escaped, and so are its parts
        told.append(_Shown(one, html, template % parts, parts["who"], _link(one)))
    return told


def _link(deed: ListedDeed) -> str | None:
    """Where its subject is to be seen, None where there is no such page."""
    kind, subject = about(deed)
    if kind in _PAGES_OF_ALL:
        return url_for(_PAGES_OF_ALL[kind])
    if kind == "person" and is_number(subject):
        return url_for("admin_people.show_one", user_id=int(subject))
    key = read_id(subject)
    if key is None or kind not in _PAGES_OF_ONE:
        return None
    endpoint, name = _PAGES_OF_ONE[kind]
    values: dict[str, Any] = {name: key}
    return url_for(endpoint, **values)


@blueprint.get("/log.csv")
def export() -> Response:
    """The same search as a table; that it was exported is in the log, too."""
    who = visitor()
    with database().tenant_transaction(who.tenant_id) as conn:
        act_for_system(conn)
        wanted = _read_filter(conn)
        note_deed(conn, who.tenant_id, by=who.actor, deed="audit_log_exported")
    answer = Response(stream_with_context(csv_chunks(COLUMNS, _lines(wanted))), content_type="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = 'attachment; filename="audit-log.csv"'
    return answer


def _lines(wanted: DeedFilter) -> Iterator[tuple[str, ...]]:
    tenant_id, before_id = visitor().tenant_id, None
    while True:
        with database().tenant_transaction(tenant_id) as conn:
            act_for_system(conn)
            found = list_deeds(conn, tenant_id, wanted, before_id=before_id, limit=CSV_ROWS_AT_ONCE)
            shown = _shown(conn, tenant_id, found)
        for one in shown:
            at = one.deed.at.astimezone(speech().zone).isoformat()
            details = json.dumps(dict(one.deed.details), ensure_ascii=False)
            yield at, one.who, one.deed.deed, one.deed.subject or "", one.text, details
        if len(found) < CSV_ROWS_AT_ONCE:
            return
        before_id = found[-1].id
