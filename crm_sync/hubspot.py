"""HubSpot, API version 2026-09: labels as contact properties, events as notes and tasks.

The token is a service key, or comes of an app's refresh token, with the scopes crm.objects.contacts.read and .write; to let
Earshot make its properties, crm.schemas.contacts.read and .write; to read companies, crm.objects.companies.read.
"""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from config.settings import Settings
from crm_sync.base import (
    FIELD_MISSING,
    Account,
    Candidate,
    Capabilities,
    CrmError,
    CrmEvent,
    CustomerRef,
    EmittedEvent,
    Found,
    Outcome,
    ProvisionReport,
    StateWrite,
)
from crm_sync.batches import send_in_batches
from crm_sync.client import CrmClient, as_object
from crm_sync.hubspot_answers import VALUE_TAKEN, read_refusal, read_usage, records
from crm_sync.hubspot_check import check
from crm_sync.hubspot_events import Events
from crm_sync.hubspot_fields import BATCH, CUSTOMER_KEY, VERSION, contact_properties
from crm_sync.hubspot_matching import SEARCH_LIMIT, match, searches
from crm_sync.hubspot_provision import OwnFields
from crm_sync.hubspot_reading import read_fields
from crm_sync.hubspot_records import OBJECTS, Records, Result
from crm_sync.labels import FIELDS, field_values
from crm_sync.metering import AccountLimits, Meter, RateLimit, Usage
from crm_sync.oauth import request_token
from crm_sync.tokens import AccessToken, TokenSource

# HubSpot searches four times a second, with a body of at most 3,000 characters: a few customers share one search.
SEARCH_CUSTOMERS = 8


def fetch_token(credentials: Mapping[str, str], settings: Settings) -> AccessToken:
    """An access token for an app's refresh token; it works for about 30 minutes.

    Raises: CrmError, `connection_broken` when HubSpot does not accept the app or its refresh token; KeyError.
    """
    form = {"grant_type": "refresh_token"} | {
        name: credentials[name] for name in ("client_id", "client_secret", "refresh_token")
    }
    try:
        return request_token(f"{settings.hubspot_api_url.rstrip('/')}/oauth/{VERSION}/token", form)
    except CrmError as error:
        # The reason is in words of HubSpot's own; the same request is never accepted later.
        if error.code not in {"token_http_400", "token_http_401", "token_http_403"}:
            raise
        refusal = CrmError(error.code.replace("token_", "token_refused:"), permanent=False, connection_broken=True)
    raise refusal


class HubSpot:
    """One portal. default_region: the tenant's country ("TR"), to read numbers on cards that lack a country code."""

    kind = "hubspot"
    capabilities = Capabilities(
        batch_update=BATCH,
        keyed_events=True,
        external_id=True,
        limits=AccountLimits(day=250_000, general=RateLimit(100, 10.0), search=RateLimit(4, 1.0)),
    )

    def __init__(
        self,
        *,
        tokens: TokenSource,
        base_url: str,
        send_summary: bool = True,
        default_region: str | None = None,
        timeout_s: float = 15.0,
        meter: Meter | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._send_summary = send_summary
        self._default_region = default_region
        self._usage: Usage | None = None
        self._client = CrmClient(
            base_url,
            tokens=tokens,
            authorization=lambda token: {"Authorization": f"Bearer {token.value}"},
            timeout_s=timeout_s,
            read_refusal=read_refusal,
            read_usage=self._read_usage,
            meter=meter,
            sleep=sleep,
        )
        self._records = Records(self._client)
        self._fields = OwnFields(self._client, portal=lambda: f"{base_url} {_digest(tokens.current())}")
        self._events = Events(self._records, self._fields)

    def check(self) -> Account:
        """Raises: CrmError when the token does not work, or lacks a scope that reading or writing contacts needs."""
        return check(self._client, lambda: self._usage)

    def provision(self, *, dry_run: bool = False) -> ProvisionReport:
        """Create our properties where they are missing. Without the schema scopes they are reported instead."""
        return self._fields.provision(dry_run=dry_run)

    def find(self, customers: list[CustomerRef]) -> list[Found]:
        """One Found per input, in order. Search lags seconds behind writes; our own id on a contact does not."""
        found = {one.customer_id: one for one in self._find_ours(customers)}
        rest = [one for one in customers if one.customer_id not in found and (one.phones or one.emails)]
        for one in send_in_batches(rest, size=SEARCH_CUSTOMERS, send=self._search, refused=_nobody):
            found[one.customer_id] = one
        return [found.get(customer.customer_id) or _nobody(customer) for customer in customers]

    def create(self, customers: list[CustomerRef]) -> list[Found]:
        """One contact per input, by our own key, so that a repeat after a lost answer gives the same contact."""
        found = {
            one.customer_id: Found(one.customer_id, (Candidate(one.candidates[0].record_id, "created"),))
            for one in self._find_ours(customers)
        }
        new = [
            one for one in customers if one.customer_id not in found and (one.phones or one.emails or one.display_name)
        ]
        for one in self._create_all(new):
            found[one.customer_id] = one
        return [found.get(customer.customer_id) or _nobody(customer) for customer in customers]

    def write(self, writes: list[StateWrite]) -> list[Outcome]:
        """Write the labels. Where two customers share a record the newer labels stand: HubSpot takes an id once."""
        newest = {one.record_id: one for one in sorted(writes, key=_last_analyzed_at)}
        outcomes = {outcome.ref: outcome for outcome in self._write_all(list(newest.values()), with_key=True)}
        taken = [one for one in newest.values() if _is_taken(outcomes[one.record_id])]
        # Our id stands on another record, because a person linked this one, or unmerged two. The labels belong here.
        outcomes |= {outcome.ref: outcome for outcome in self._write_all(taken, with_key=False)}
        return [
            Outcome(one.customer_id, outcomes[one.record_id].error, record_id=outcomes[one.record_id].record_id)
            for one in writes
        ]

    def emit(self, events: list[CrmEvent]) -> list[Outcome]:
        """Add notes and tasks. One that is there already is left as it is: an agent may have worked on it."""
        return self._events.emit(events)

    def retract(self, events: list[EmittedEvent]) -> list[Outcome]:
        """Archive notes and tasks that we wrote."""
        return self._events.retract(events)

    def read_fields(self, record_ids: list[str], fields: tuple[str, ...]) -> dict[str, dict[str, str | None]]:
        """Values of contact properties by record id; "company.annualrevenue" is one of the contact's primary company."""
        return read_fields(self._client, self._records, record_ids, fields) if record_ids else {}

    def _read_usage(self, headers: Mapping[str, str]) -> Usage | None:
        usage = read_usage(headers)
        self._usage = usage or self._usage
        return usage

    def _find_ours(self, customers: Sequence[CustomerRef]) -> list[Found]:
        """The customers whose id stands on a contact. A portal that lacks the property knows none of them."""
        ids = [customer.customer_id for customer in customers]
        try:
            contacts = self._records.read("contacts", ids, properties=[CUSTOMER_KEY], key_property=CUSTOMER_KEY)
        except CrmError as error:
            if not error.permanent:
                raise
            return []
        return [
            Found(str(as_object(one.get("properties")).get(CUSTOMER_KEY)), (Candidate(one["id"], "external_id"),))
            for one in contacts
        ]

    def _search(self, customers: Sequence[CustomerRef]) -> list[Found]:
        contacts = {
            contact["id"]: as_object(contact.get("properties"))
            for search in searches(customers)
            for contact in records(
                self._client.post(f"{OBJECTS}/contacts/search", search, idempotent=True, lane="search")
            )
        }
        if len(contacts) >= SEARCH_LIMIT and len(customers) > 1:
            # One customer's many duplicates would hide another's record: refused, so that it is searched in halves.
            raise CrmError("too_many_matches", permanent=True)
        return [match(customer, contacts, region=self._default_region) for customer in customers]

    def _create_all(self, customers: list[CustomerRef], *, may_make_fields: bool = True) -> list[Found]:
        try:
            return send_in_batches(customers, size=BATCH, send=self._create, refused=_nobody)
        except CrmError as error:
            if not error.code.startswith(FIELD_MISSING):
                raise
            missing = error
        if may_make_fields and self._fields.make():
            return self._create_all(customers, may_make_fields=False)
        # A portal without our key gets no contacts from us, but the labels of those it has.
        return [_nobody(customer, missing) for customer in customers]

    def _create(self, customers: Sequence[CustomerRef]) -> list[Found]:
        properties = {customer.customer_id: contact_properties(customer) for customer in customers}
        results = self._records.upsert("contacts", key_property=CUSTOMER_KEY, properties=properties)
        return [
            _nobody(customer, result)
            if isinstance(result, CrmError)
            else Found(customer.customer_id, (Candidate(result["id"], "created"),))
            for customer, result in zip(customers, results, strict=True)
        ]

    def _write_all(self, writes: list[StateWrite], *, with_key: bool, may_make_fields: bool = True) -> list[Outcome]:
        """One outcome per record, in order. A portal that may not have all our properties gets those it has."""
        absent = self._fields.absent("contacts")
        if absent.issuperset(FIELDS):
            missing = CrmError(FIELD_MISSING + FIELDS[0], permanent=True)
            return [Outcome(one.record_id, missing) for one in writes]
        left_out = absent if with_key else absent | {CUSTOMER_KEY}
        try:
            return send_in_batches(
                writes,
                size=BATCH,
                send=lambda batch: self._write(batch, left_out),
                refused=lambda one, error: Outcome(one.record_id, error),
            )
        except CrmError as error:
            if not error.code.startswith(FIELD_MISSING):
                raise
            missing = error
        if may_make_fields and self._fields.make():
            return self._write_all(writes, with_key=with_key, may_make_fields=False)
        return [Outcome(one.record_id, missing) for one in writes]

    def _write(self, writes: Sequence[StateWrite], left_out: frozenset[str]) -> list[Outcome]:
        properties = {
            one.record_id: {name: value for name, value in self._values(one).items() if name not in left_out}
            for one in writes
        }
        results = self._records.update("contacts", properties)
        return [_written(one.record_id, result) for one, result in zip(writes, results, strict=True)]

    def _values(self, write: StateWrite) -> dict[str, str]:
        if write.labels is None:
            # All of ours goes, whatever the tenant sends now: it may have sent summaries before.
            return field_values(None) | {CUSTOMER_KEY: ""}
        return field_values(write.labels, with_summary=self._send_summary) | {CUSTOMER_KEY: write.customer_id}


def _digest(token: AccessToken) -> str:
    return hashlib.sha256(token.value.encode()).hexdigest()


def _written(record_id: str, result: Result) -> Outcome:
    if isinstance(result, CrmError):
        return Outcome(record_id, result)
    return Outcome(record_id, record_id=result["id"] if result["id"] != record_id else None)


def _is_taken(outcome: Outcome) -> bool:
    return outcome.error is not None and outcome.error.code == VALUE_TAKEN + CUSTOMER_KEY


def _last_analyzed_at(write: StateWrite) -> datetime:
    return write.labels.last_analyzed_at if write.labels else datetime.min.replace(tzinfo=UTC)


def _nobody(customer: CustomerRef, error: CrmError | None = None) -> Found:
    return Found(customer.customer_id, error=error)
