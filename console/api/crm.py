"""/crm: how the connection stands, what was written and who is unclear; and a customer's record, which a person may pick."""

from flask import Response

from console.api.callers import LEADERS, caller
from console.api.crm_answers import (
    CrmAnswer,
    CrmCustomerAnswer,
    UnclearAnswer,
    UnclearPage,
    WriteAnswer,
    WritePage,
)
from console.api.cursors import read_id, read_moment, write_cursor
from console.api.paths import new_blueprint
from console.api.problems import Problem, not_found
from console.api.requests import CrmWriteQuery, CustomerPath, PageQuery, RecordPick, Unlinking
from console.api.writing import answer, database, do_once
from crm_sync.record_pages import describe_record_id, read_record_id
from store.crm_connections import CrmAccount, find_account
from store.crm_links import find_link
from store.crm_picks import list_picks, lock_customer, pick_record, take_away
from store.crm_report import find_card_state, list_events, list_writes, read_status
from store.crm_searches import find_search, list_ambiguous
from store.db import Connection

blueprint = new_blueprint("crm", __name__)

# Of one customer, in one answer.
SHOWN = 20


def _account(conn: Connection, tenant_id: int) -> CrmAccount:
    account = find_account(conn, tenant_id)
    if account is None:
        raise Problem(404, "no_crm", fix="this tenant has no CRM: an administrator gives it a [crm] in the tenant file")
    return account


@blueprint.get("/crm", summary="Read how the CRM connection stands", responses={200: CrmAnswer})
def read_connection() -> Response:
    """Whether it works, rests or is paused and why, what waits, and what an administrator must do."""
    who = caller()
    with database().tenant_transaction(who.tenant_id) as conn:
        _account(conn, who.tenant_id)
        return answer(CrmAnswer.of(read_status(conn, who.tenant_id)).model_dump(mode="json"))


@blueprint.get("/crm/writes", summary="List what was written to CRM cards", responses={200: WritePage})
def list_all(query: CrmWriteQuery) -> Response:
    """Newest first: to whom, when, why, and which labels; of one customer or of all. No customer text."""
    who = caller()
    before = read_moment(query.cursor)
    with database().tenant_transaction(who.tenant_id) as conn:
        account = _account(conn, who.tenant_id)
        found = list_writes(
            conn,
            who.tenant_id,
            customer_id=str(query.customer_id) if query.customer_id else None,
            before=before,
            limit=query.limit + 1,
        )
    page = found[: query.limit]
    more = write_cursor((page[-1].written_at, page[-1].id)) if len(found) > query.limit else None
    body = WritePage(writes=[WriteAnswer.of(one, account) for one in page], next_cursor=more)
    return answer(body.model_dump(mode="json"))


@blueprint.get(
    "/crm/unclear", summary="List customers whose CRM record a person must pick", responses={200: UnclearPage}
)
def list_unclear(query: PageQuery) -> Response:
    """Several records bear a mark of theirs: with these candidates and their pages in the CRM. No customer text."""
    who = caller()
    after = read_id(query.cursor)
    with database().tenant_transaction(who.tenant_id) as conn:
        account = _account(conn, who.tenant_id)
        found = list_ambiguous(conn, who.tenant_id, after_customer_id=after, limit=query.limit + 1)
    page = found[: query.limit]
    more = write_cursor((page[-1].customer_id,)) if len(found) > query.limit else None
    body = UnclearPage(customers=[UnclearAnswer.of(one, account) for one in page], next_cursor=more)
    return answer(body.model_dump(mode="json"))


def _customer(conn: Connection, tenant_id: int, customer_id: str, account: CrmAccount) -> CrmCustomerAnswer:
    state = find_card_state(conn, tenant_id, customer_id)
    if state is None:
        raise not_found("a customer")
    return CrmCustomerAnswer.of(
        customer_id,
        account,
        state=state,
        link=find_link(conn, customer_id),
        search=find_search(conn, customer_id),
        picks=list_picks(conn, customer_id, limit=SHOWN),
        writes=list_writes(conn, tenant_id, customer_id=customer_id, limit=SHOWN),
        events=list_events(conn, customer_id, limit=SHOWN),
    )


@blueprint.get(
    "/customers/<customer_id>/crm", summary="Read a customer's CRM record", responses={200: CrmCustomerAnswer}
)
def read_customer(path: CustomerPath) -> Response:
    """Which record it is and how we know, or who it may be; what the CRM says they are worth; what was written last, and notes and
    tasks with their states. No customer text.
    """
    who = caller()
    with database().tenant_transaction(who.tenant_id) as conn:
        account = _account(conn, who.tenant_id)
        return answer(_customer(conn, who.tenant_id, str(path.customer_id), account).model_dump(mode="json"))


@blueprint.put(
    "/customers/<customer_id>/crm/link",
    summary="Say which CRM record is a customer's",
    responses={200: CrmCustomerAnswer},
)
def link(path: CustomerPath, body: RecordPick) -> Response:
    """Who said it is kept; saying it again changes nothing. In place of another record only for supervisors and admins: what we wrote
    on that one goes, notes and tasks move.
    """
    who, customer_id = caller(), str(path.customer_id)

    def work(conn: Connection) -> CrmCustomerAnswer:
        account = _account(conn, who.tenant_id)
        if not lock_customer(conn, who.tenant_id, customer_id):
            raise not_found("a customer")
        record_id = read_record_id(account.kind, body.record_id)
        if record_id is None:
            fix = f"give {describe_record_id(account.kind)}"
            raise Problem(422, "invalid_record_id", field="record_id", fix=fix)
        done = pick_record(
            conn,
            who.tenant_id,
            customer_id=customer_id,
            record_id=record_id,
            actor=who.actor,
            may_correct=who.role in LEADERS,
        )
        if done == "taken":
            linked = find_link(conn, customer_id)
            raise Problem(
                409,
                "already_linked",
                field="record_id",
                fix="another record is linked: ask a supervisor to correct it",
                record_id=linked.record_id if linked else None,
                matched_on=linked.matched_on if linked else None,
            )
        return _customer(conn, who.tenant_id, customer_id, account)

    return do_once(work)


@blueprint.delete(
    "/customers/<customer_id>/crm/link", summary="Take a wrong CRM record away", responses={200: CrmCustomerAnswer}
)
def unlink(path: CustomerPath, query: Unlinking) -> Response:
    """What we wrote on it goes, and nobody is looked for until search_again=true asks for it, now or later. For supervisors and admins."""
    who, customer_id = caller(), str(path.customer_id)

    def work(conn: Connection) -> CrmCustomerAnswer:
        account = _account(conn, who.tenant_id)
        if not lock_customer(conn, who.tenant_id, customer_id):
            raise not_found("a customer")
        take_away(conn, who.tenant_id, customer_id=customer_id, actor=who.actor, then_search=query.search_again)
        return _customer(conn, who.tenant_id, customer_id, account)

    return do_once(work)
