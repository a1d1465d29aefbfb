"""What the API answers about a tenant's CRM. Times are ISO 8601 with an offset, in UTC."""

from dataclasses import asdict
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel

from store.crm_connections import CrmAccount
from store.crm_links import Link
from store.crm_picks import Pick
from store.crm_report import CardState, CrmStatus, EventRow, Write
from store.crm_searches import OpenSearch


class CrmAnswer(BaseModel):
    """How a connection stands. sentence: as a person reads it. state: works, held (until held_until) or paused (until somebody repairs
    it). fields_missing: what an administrator must make by hand, a line each. cards, events (notes and tasks), customers and erasures
    by what they wait for. errors: how many rows wait for each code.
    """

    kind: str
    account_id: str | None
    state: str
    sentence: str
    paused_because: str | None
    held_because: str | None
    held_until: datetime | None
    provisioned_at: datetime | None
    fields_missing: list[str]
    cards_waiting: int
    cards_bulk: int
    cards_failing: int
    events_waiting: int
    events_failed: int
    linked: int
    unlinked: int
    ambiguous: int
    erasures_waiting: int
    erasures_failed: int
    last_written_at: datetime | None
    errors: dict[str, int]

    @classmethod
    def of(cls, status: CrmStatus) -> Self:
        """With its sentence."""
        return cls(**asdict(status), state=status.state, sentence=status.sentence)


class WriteAnswer(BaseModel):
    """A card that was written. because: message, correction, reanalyze, sweep, merge, nightly, backfill, erasure or link. fields: our
    fields as they were written, without the summary. url: the record's page, None where it is not known.
    """

    id: str
    customer_id: str
    record_id: str
    url: str | None
    because: str
    fields: dict[str, str]
    written_at: datetime

    @classmethod
    def of(cls, write: Write, account: CrmAccount) -> Self:
        """With its page."""
        return cls(**asdict(write), url=account.url_of(write.record_id))


class WritePage(BaseModel):
    """A page of writes, newest first. next_cursor: None on the last one."""

    writes: list[WriteAnswer]
    next_cursor: str | None


class CandidateAnswer(BaseModel):
    """A record that may be the customer's. matched_on: external_id, phone, email or phone_variant. url: its page, None where unknown."""

    record_id: str
    matched_on: str
    url: str | None


def _candidates(given: list[dict[str, Any]], account: CrmAccount) -> list[CandidateAnswer]:
    return [
        CandidateAnswer(record_id=one["record_id"], matched_on=one["matched_on"], url=account.url_of(one["record_id"]))
        for one in given
    ]


class UnclearAnswer(BaseModel):
    """A customer of whom a person must say which record is theirs. conversation_id: their newest conversation."""

    customer_id: str
    conversation_id: str | None
    candidates: list[CandidateAnswer]

    @classmethod
    def of(cls, search: OpenSearch, account: CrmAccount) -> Self:
        """With the pages of the candidates."""
        return cls(
            customer_id=search.customer_id,
            conversation_id=search.conversation_id,
            candidates=_candidates(search.candidates, account),
        )


class UnclearPage(BaseModel):
    """A page of customers, by id. next_cursor: None on the last one."""

    customers: list[UnclearAnswer]
    next_cursor: str | None


class LinkAnswer(BaseModel):
    """The record of a customer. matched_on: how we know, which is external_id, phone, email, phone_variant, created or person."""

    record_id: str
    url: str | None
    matched_on: str | None
    linked_at: datetime
    values_read_at: datetime | None

    @classmethod
    def of(cls, link: Link, account: CrmAccount) -> Self:
        """With its page."""
        return cls(**asdict(link), url=account.url_of(link.record_id))


class SearchAnswer(BaseModel):
    """How the search for a customer without a record stands. outcome: waiting, nobody, ambiguous (a person must pick one of the
    candidates), refused, or stopped (a person took the record away). next_at: when the customer is looked for again.
    """

    outcome: str
    candidates: list[CandidateAnswer]
    next_at: datetime | None

    @classmethod
    def of(cls, search: OpenSearch, account: CrmAccount) -> Self:
        """With the pages of the candidates."""
        return cls(outcome=search.outcome, candidates=_candidates(search.candidates, account), next_at=search.next_at)


class PickAnswer(BaseModel):
    """What a person said. record_id: None when the record was taken away. by: user:ID, key:ID, both joined by "+", or "person" for
    somebody at the command line.
    """

    record_id: str | None
    by: str
    picked_at: datetime


class CardAnswer(BaseModel):
    """Whether the card waits to be written, since or until when, and what the CRM said when it was refused."""

    waits: bool
    error_code: str | None
    next_at: datetime | None


class CrmEventAnswer(BaseModel):
    """A note or task. state: pending, sent or failed."""

    kind: str
    state: str
    error_code: str | None
    created_at: datetime
    sent_at: datetime | None


class CrmCustomerAnswer(BaseModel):
    """A customer in the CRM. search: None when a record is linked or nobody was looked for yet. high_value, tier and value: what the
    tenant's own fields say. picks, writes and events (notes and tasks): the last ones, newest first.
    """

    customer_id: str
    link: LinkAnswer | None
    search: SearchAnswer | None
    high_value: bool
    tier: str | None
    value: float | None
    card: CardAnswer
    picks: list[PickAnswer]
    writes: list[WriteAnswer]
    events: list[CrmEventAnswer]

    @classmethod
    def of(
        cls,
        customer_id: str,
        account: CrmAccount,
        *,
        state: CardState,
        link: Link | None,
        search: OpenSearch | None,
        picks: list[Pick],
        writes: list[Write],
        events: list[EventRow],
    ) -> Self:
        """From stored rows."""
        return cls(
            customer_id=customer_id,
            link=LinkAnswer.of(link, account) if link else None,
            search=SearchAnswer.of(search, account) if search and not link else None,
            high_value=state.high_value,
            tier=state.tier,
            value=float(state.value) if state.value is not None else None,
            card=CardAnswer(waits=state.waits, error_code=state.error_code, next_at=state.next_at),
            picks=[PickAnswer(**asdict(one)) for one in picks],
            writes=[WriteAnswer.of(one, account) for one in writes],
            events=[CrmEventAnswer(**asdict(one)) for one in events],
        )
