"""/customers: who somebody is to us, and all their conversations."""

from datetime import datetime
from typing import Self

from flask import Response
from pydantic import BaseModel

from console.api.answers import Work, WorkPage
from console.api.callers import caller
from console.api.cursors import read_id, write_cursor
from console.api.paths import new_blueprint
from console.api.problems import not_found
from console.api.requests import CustomerPath, PageQuery
from console.api.writing import answer, database
from store.conversation_lists import list_customer_conversations
from store.customer_card import CustomerCard, find_card

blueprint = new_blueprint("customers", __name__, under="/customers/<customer_id>")


class CustomerAnswer(BaseModel):
    """A customer. name: as the channel tells it. tier, value, high_value: what the CRM says. negative_30d: the negative
    ones among their newest 100 messages of the last 30 days. messages: 1000 stands for any number above 999. churn_since: since when an alert
    stands that they may leave, None: none does. crm_outcome: of looking for their record.
    """

    customer_id: str
    name: str | None
    first_seen_at: datetime
    high_value: bool
    tier: str | None
    value: str | None
    negative_30d: int
    messages: int
    conversations: int
    churn_since: datetime | None
    crm_record: str | None
    crm_outcome: str | None

    @classmethod
    def of(cls, card: CustomerCard) -> Self:
        """From the stored rows."""
        return cls.model_validate({**vars(card), "value": None if card.value is None else str(card.value)})


@blueprint.get("", summary="Read a customer's card", responses={200: CustomerAnswer})
def read_one(path: CustomerPath) -> Response:
    """Tier and value, how much they write and how negative, whether they may leave. No message's text."""
    who = caller()
    with database().tenant_transaction(who.tenant_id) as conn:
        card = find_card(conn, who.tenant_id, str(path.customer_id))
    if card is None:
        raise not_found("a customer")
    return answer(CustomerAnswer.of(card).model_dump(mode="json"))


@blueprint.get("/conversations", summary="List a customer's conversations", responses={200: WorkPage})
def list_conversations(path: CustomerPath, query: PageQuery) -> Response:
    """In every state, the one that began last first. No customer text."""
    who, customer_id = caller(), str(path.customer_id)
    before = read_id(query.cursor)
    with database().tenant_transaction(who.tenant_id) as conn:
        if find_card(conn, who.tenant_id, customer_id) is None:
            raise not_found("a customer")
        found = list_customer_conversations(conn, who.tenant_id, customer_id, before_id=before, limit=query.limit + 1)
    page = found[: query.limit]
    more = write_cursor((page[-1].id,)) if len(found) > query.limit else None
    body = WorkPage(conversations=[Work.of_listed(one) for one in page], next_cursor=more)
    return answer(body.model_dump(mode="json"))
