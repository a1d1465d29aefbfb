"""/admin/privacy: what leaves, what never leaves, and the ledger of everything that left."""

import csv
import io
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from flask import Response, abort, render_template, request, stream_with_context

from console.pages.admin.gate import new_blueprint, read_day, read_id
from console.privacy_facts import tell_facts
from console.visitors import database, speech, visitor
from store.audit_log import note_deed
from store.conversation_events import add_access
from store.customer_erasure import list_erasures
from store.egress_ledger import LedgerRow, find_entry, search_ledger
from store.tenants import get_tenant_config

blueprint = new_blueprint("privacy", path="/privacy")
ROWS = 50
RECEIPTS = 50
CSV_ROWS_AT_ONCE = 5000
# A spreadsheet takes a cell that begins with one of these for a formula.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class _Search:
    """What the address asks for. is_lost: it names something that is no id."""

    message_id: str | None
    since: datetime | None
    until: datetime | None
    is_lost: bool

    @property
    def is_narrowed(self) -> bool:
        """Whether somebody looks for something, rather than at the newest."""
        return any(one is not None for one in (self.message_id, self.since, self.until))

    def rows(self, *, before_id: str | None, limit: int) -> list[LedgerRow]:
        if self.is_lost:
            return []
        tenant_id = visitor().tenant_id
        with database().tenant_transaction(tenant_id) as conn:
            return search_ledger(
                conn,
                tenant_id,
                message_id=self.message_id,
                since=self.since,
                until=self.until,
                before_id=before_id,
                limit=limit,
            )


def _read_search() -> _Search:
    given, zone = request.args.get("message", "").strip(), speech().zone
    message_id = read_id(given)
    return _Search(
        message_id,
        read_day(request.args.get("since"), zone),
        read_day(request.args.get("until"), zone, is_last=True),
        is_lost=bool(given) and message_id is None,
    )


@blueprint.get("")
def show() -> str:
    """?message=, ?since= and ?until= search the ledger, ?before= pages back."""
    who, search = visitor(), _read_search()
    with database().tenant_transaction(who.tenant_id) as conn:
        tenant = get_tenant_config(conn, who.tenant_id)
        if search.is_narrowed:
            subject = search.message_id
            note_deed(conn, who.tenant_id, by=who.actor, deed="egress_searched", subject=subject)
        erasures = list_erasures(conn, who.tenant_id, limit=RECEIPTS)
    found = search.rows(before_id=read_id(request.args.get("before")), limit=ROWS + 1)
    kept: dict[str, Any] = {
        name: value for name in ("message", "since", "until") if (value := request.args.get(name, "")[:40])
    }
    return render_template(
        "admin/privacy.html",
        tenant=tenant,
        facts=tell_facts(speech().text, batches=tenant.sweep.batches, retention=tenant.retention),
        rows=found[:ROWS],
        more=found[ROWS - 1].id if len(found) > ROWS else None,
        kept=kept,
        erasures=erasures,
        is_admin=who.place.role == "admin",
    )


@blueprint.get("/ledger/<uuid:egress_id>")
def entry(egress_id: object) -> str:
    """What left in one call, exactly; that somebody read it is noted."""
    who = visitor()
    with database().tenant_transaction(who.tenant_id) as conn:
        found = find_entry(conn, who.tenant_id, str(egress_id))
        if found is None:
            abort(404)
        if found.conversation_id:
            add_access(conn, who.tenant_id, found.conversation_id, actor=who.actor, messages=1)
        note_deed(conn, who.tenant_id, by=who.actor, deed="egress_read", subject=found.row.id)
    return render_template("admin/ledger_entry.html", entry=found)


@blueprint.get("/ledger.csv")
def export() -> Response:
    """The same search as a table, without the text."""
    who = visitor()
    with database().tenant_transaction(who.tenant_id) as conn:
        note_deed(conn, who.tenant_id, by=who.actor, deed="egress_exported")
    answer = Response(stream_with_context(_as_csv(_read_search())), content_type="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = 'attachment; filename="egress.csv"'
    return answer


def _as_csv(search: _Search) -> Iterator[str]:
    # Spreadsheets take a file for UTF-8 by its first character.
    yield "\ufeff" + _line([one.name for one in fields(LedgerRow)])
    before_id = None
    while page := search.rows(before_id=before_id, limit=CSV_ROWS_AT_ONCE):
        yield "".join(_line(asdict(row).values()) for row in page)
        before_id = page[-1].id


def _line(cells: Any) -> str:
    line = io.StringIO()
    csv.writer(line).writerow([_safe(cell) for cell in cells])
    return line.getvalue()


def _safe(cell: object) -> str:
    text = "" if cell is None else cell.isoformat() if isinstance(cell, datetime) else str(cell)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
