"""/customers to find, export and erase, and /erasures: the receipts."""

from datetime import datetime
from typing import Self

from flask import Response, stream_with_context
from pydantic import BaseModel, Field, model_validator

from console.api.callers import caller
from console.api.cursors import read_id, write_cursor
from console.api.paths import new_blueprint
from console.api.problems import not_found
from console.api.requests import Body, CustomerPath, ErasurePath, PageQuery, Strict, Text
from console.api.writing import answer, database, do_once
from store.audit_log import note_deed
from store.customer_erasure import Erasure, ask_erasure, find_erasure, list_erasures
from store.customer_export import write_customer
from store.customer_search import find_by_channel_id, find_by_id, find_by_phone
from store.db import Connection
from store.tenants import get_tenant_config

blueprint = new_blueprint("erasures", __name__)


class CustomerWanted(Strict):
    """One of the two. phone: in any spelling. channel_id: what a channel calls them, a handle, or the id of your own channel."""

    phone: Text | None = Field(default=None, min_length=3, max_length=40)
    channel_id: Text | None = Field(default=None, min_length=1, max_length=200)

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.phone is None) == (self.channel_id is None):
            message = "give phone or channel_id, one of them"
            raise ValueError(message)
        return self


class FoundCustomerAnswer(BaseModel):
    """is_former: they had this number or id and have it no longer."""

    customer_id: str
    first_seen_at: datetime
    messages: int
    is_former: bool


class FoundCustomers(BaseModel):
    """Nobody, one, or several who are or were known by it; then look at each before you erase one."""

    customers: list[FoundCustomerAnswer]


class ErasureAnswer(BaseModel):
    """A request and its receipt. state: waiting or done. counts: what went, by its kind. crm_pending, crm_done, crm_failed: cards, notes
    and tasks that the CRM is asked to clear.
    """

    erasure_id: str
    state: str
    requested_at: datetime
    finished_at: datetime | None
    by_user_id: int | None
    by_key_id: int | None
    counts: dict[str, int]
    error_code: str | None
    crm_pending: int
    crm_done: int
    crm_failed: int

    @classmethod
    def of(cls, one: Erasure) -> Self:
        """From the stored row."""
        return cls.model_validate({**vars(one), "erasure_id": one.id})


class ErasurePage(BaseModel):
    """A page of receipts, newest first. next_cursor: None on the last one."""

    erasures: list[ErasureAnswer]
    next_cursor: str | None


class CustomerExport(BaseModel):
    """All that is held of them, each list oldest first, rows as they are stored; see docs/privacy.md. customer: None for nobody."""

    format: str
    made_at: datetime
    customer: dict[str, object] | None
    identities: list[dict[str, object]]
    conversations: list[dict[str, object]]
    messages: list[dict[str, object]]


@blueprint.post("/customers/find", summary="Find a customer by number or channel id", responses={200: FoundCustomers})
def find(body: CustomerWanted) -> Response:
    """In the body, because addresses are written to logs. Without a name. For admins."""
    who = caller()
    with database().tenant_transaction(who.tenant_id) as conn:
        if body.phone is not None:
            region = get_tenant_config(conn, who.tenant_id).default_region
            found = find_by_phone(conn, who.tenant_id, body.phone, region=region)
        else:
            found = find_by_channel_id(conn, who.tenant_id, body.channel_id or "")
    customers = [
        FoundCustomerAnswer(
            customer_id=one.customer_id,
            first_seen_at=one.first_seen_at,
            messages=one.messages,
            is_former=one.is_former,
        )
        for one in found
    ]
    return answer(FoundCustomers(customers=customers).model_dump(mode="json"))


@blueprint.get(
    "/customers/<customer_id>/export", summary="Export all that is held of a customer", responses={200: CustomerExport}
)
def export(path: CustomerPath) -> Response:
    """One JSON document, sent as it is read. That it was exported, and by whom, is kept. For admins."""
    who, customer_id = caller(), str(path.customer_id)
    store = database()
    with store.tenant_transaction(who.tenant_id) as conn:
        if not find_by_id(conn, who.tenant_id, customer_id):
            raise not_found("a customer")
        note_deed(conn, who.tenant_id, by=who.actor, deed="customer_exported", subject=customer_id)
    pieces = write_customer(lambda: store.tenant_transaction(who.tenant_id), who.tenant_id, customer_id)
    response = Response(stream_with_context(pieces), content_type="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.post("/customers/<customer_id>/erase", summary="Erase a customer", responses={200: ErasureAnswer})
def erase(path: CustomerPath, body: Body) -> Response:
    """Everywhere, within a minute, and for good; asked twice it is one request. Nothing more is sent to them. For admins."""
    del body
    who, customer_id = caller(), str(path.customer_id)

    def work(conn: Connection) -> ErasureAnswer:
        erasure_id = ask_erasure(conn, who.tenant_id, customer_id, by=who.actor)
        if erasure_id is None:
            raise not_found("a customer")
        asked = find_erasure(conn, who.tenant_id, erasure_id)
        assert asked is not None
        return ErasureAnswer.of(asked)

    return do_once(work)


@blueprint.get("/erasures", summary="List receipts of erasures", responses={200: ErasurePage})
def list_all(query: PageQuery) -> Response:
    """Newest first; they name nobody. For supervisors, admins and auditors."""
    who = caller()
    before = read_id(query.cursor)
    with database().tenant_transaction(who.tenant_id) as conn:
        found = list_erasures(conn, who.tenant_id, before_id=before, limit=query.limit + 1)
    page = found[: query.limit]
    more = write_cursor((page[-1].id,)) if len(found) > query.limit else None
    return answer(
        ErasurePage(erasures=[ErasureAnswer.of(one) for one in page], next_cursor=more).model_dump(mode="json")
    )


@blueprint.get("/erasures/<erasure_id>", summary="Read how far an erasure is", responses={200: ErasureAnswer})
def read_one(path: ErasurePath) -> Response:
    """With what went and how far the CRM is. For supervisors, admins and auditors."""
    who = caller()
    with database().tenant_transaction(who.tenant_id) as conn:
        found = find_erasure(conn, who.tenant_id, str(path.erasure_id))
    if found is None:
        raise not_found("an erasure")
    return answer(ErasureAnswer.of(found).model_dump(mode="json"))
