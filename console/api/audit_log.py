"""/audit-log: who did what."""

from flask import Response

from console.api.access_answers import DeedAnswer, DeedPage
from console.api.access_requests import AuditQuery
from console.api.callers import caller
from console.api.cursors import read_id, write_cursor
from console.api.paths import new_blueprint
from console.api.writing import answer, database
from console.audit_words import keys_in, people_in
from store.db import act_for_system
from store.deed_lists import DeedFilter, list_deeds, list_emails, list_key_names

blueprint = new_blueprint("audit_log", __name__)


@blueprint.get("/audit-log", summary="Read the audit log", responses={200: DeedPage})
def list_all(query: AuditQuery) -> Response:
    """Newest first, with the readings of conversations among the deeds. No customer text. What is added meanwhile never moves what is
    still to come.
    """
    who = caller()
    wanted = DeedFilter(query.user_id, query.deed, query.subject, query.since, query.until)
    with database().tenant_transaction(who.tenant_id) as conn:
        act_for_system(conn)
        found = list_deeds(conn, who.tenant_id, wanted, before_id=read_id(query.cursor), limit=query.limit + 1)
        page = found[: query.limit]
        emails = list_emails(conn, people_in(page))
        keys = list_key_names(conn, who.tenant_id, keys_in(page))
    body = DeedPage(
        deeds=[DeedAnswer.of(one, emails=emails, keys=keys) for one in page],
        next_cursor=write_cursor((page[-1].id,)) if len(found) > query.limit else None,
    )
    return answer(body.model_dump(mode="json"))
