"""Contacts in Salesforce: who a customer is, and what stands on their cards."""

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

from crm_sync.base import FIELD_MISSING, Candidate, CrmError, CustomerRef, Found, MatchedOn
from crm_sync.batches import send_in_batches
from crm_sync.client import CrmClient, as_object
from crm_sync.metering import Lane
from crm_sync.phones import phone_variants
from crm_sync.salesforce_answers import records, results
from crm_sync.salesforce_fields import BATCH, CUSTOMER_KEY, DATA, contact_values, is_record_id, our_name
from crm_sync.salesforce_query import (
    MAX_QUERY_CHARS,
    MAX_ROWS,
    MAX_SEARCH_CHARS,
    in_lists,
    is_in,
    phone_match,
    phone_search,
    select,
)

# A customer's number takes about 100 characters of the 4,000 that a search may have.
SEARCH_CUSTOMERS = 25
_PHONES = ("Phone", "MobilePhone", "HomePhone", "OtherPhone")
# What an org may lack or hide from us: a search does without.
_SEARCHED = (*_PHONES, "Email", CUSTOMER_KEY)
_TENANTS_FIELD = re.compile(r"[A-Za-z]\w{0,79}(\.[A-Za-z]\w{0,79}){0,4}")
_MATCH_ORDER: tuple[MatchedOn, ...] = ("external_id", "phone", "email", "phone_variant")

T = TypeVar("T")


class Contacts:
    """Contacts of one org. region: the tenant's country ("TR"), to read numbers on cards that lack a country code."""

    def __init__(self, client: CrmClient, *, region: str | None) -> None:
        self._client = client
        self._region = region
        self._hidden: set[str] = set()

    def find(self, customers: list[CustomerRef]) -> list[Found]:
        """One Found per input, in order."""
        found = send_in_batches(customers, size=SEARCH_CUSTOMERS, send=self._find, refused=nobody)
        return _in_order(found, customers)

    def create(self, customers: list[CustomerRef]) -> list[Found]:
        """One contact per customer; one that bears the customer's key already is left as it is."""
        known = {one.customer_id: one for one in customers if one.phones or one.emails or one.display_name}
        there: dict[str, str] = {}
        for listed in in_lists(list(known)):
            query = select("Contact", ["Id", CUSTOMER_KEY], is_in(CUSTOMER_KEY, listed)[0])
            there |= {str(row.get(CUSTOMER_KEY)): row["Id"] for row in self._ask("query", query)}
        new = [one for key, one in known.items() if key not in there]
        found = [_created(key, record_id) for key, record_id in there.items()]
        found += send_in_batches(new, size=BATCH, send=self._create, refused=nobody)
        return _in_order(found, customers)

    def read_fields(self, record_ids: list[str], fields: tuple[str, ...]) -> dict[str, dict[str, str | None]]:
        """Values as text by record id; None where empty; a contact that is gone is left out."""
        for name in fields:
            if not _TENANTS_FIELD.fullmatch(name):
                raise CrmError(FIELD_MISSING + name, permanent=True)
        values: dict[str, dict[str, str | None]] = {}
        for listed in in_lists([one for one in record_ids if is_record_id(one)]):
            columns = {"id": "Id"} | {name.lower(): name for name in fields if name.lower() != "id"}
            try:
                rows = self._ask("query", select("Contact", list(columns.values()), is_in("Id", listed)[0]))
            except CrmError as error:
                raise _naming_the_tenants(error, fields) from None
            read = {row["Id"]: {name: _at(row, name) for name in fields} for row in rows}
            # Salesforce answers with 18 characters, also where we know an id by its first 15.
            short = {record_id[:15]: record_id for record_id in listed}
            values |= {short[one[:15]]: row for one, row in read.items() if one[:15] in short}
        return values

    def masters(self, record_ids: list[str]) -> dict[str, str]:
        """Into which contacts deleted ones were merged, by their ids."""
        found: dict[str, str] = {}
        for listed in in_lists(record_ids):
            query = select("Contact", ["Id", "MasterRecordId"], f"{is_in('Id', listed)[0]} AND IsDeleted = true")
            rows = {row["Id"][:15]: row.get("MasterRecordId") for row in self._ask("queryAll", query)}
            masters = {one: rows.get(one[:15]) for one in listed}
            found |= {one: master for one, master in masters.items() if isinstance(master, str) and master}
        return found

    def _find(self, customers: Sequence[CustomerRef]) -> list[Found]:
        """Exact marks by a query, which sees what was just written; other spellings of a number by search."""
        alone = len(customers) == 1
        rows = self._without_hidden(lambda columns: self._query(customers, columns, alone=alone))
        rows += self._without_hidden(lambda columns: self._search(customers, columns, alone=alone))
        contacts = {row["Id"]: row for row in rows}
        return [self._match(customer, contacts) for customer in customers]

    def _query(self, customers: Sequence[CustomerRef], columns: list[str], *, alone: bool) -> list[dict[str, Any]]:
        spellings = {
            spelling
            for customer in customers
            for phone in customer.phones
            for variant in phone_variants(phone)
            for spelling in (variant, variant.removeprefix("+"))
        }
        wanted = {
            CUSTOMER_KEY: {customer.customer_id for customer in customers},
            "Email": {email for customer in customers for email in customer.emails},
            "Phone": spellings,
            "MobilePhone": spellings,
        }
        conditions = [one for name, values in wanted.items() if name in columns for one in is_in(name, values)]
        if not conditions:
            return []
        query = select("Contact", ["Id", *columns], f"{' OR '.join(conditions)} LIMIT {MAX_ROWS}")
        return _complete(self._ask("query", query), alone=alone)

    def _search(self, customers: Sequence[CustomerRef], columns: list[str], *, alone: bool) -> list[dict[str, Any]]:
        query = phone_search(customers, columns=["Id", *columns])
        if query is None or not set(columns) & set(_PHONES):
            return []
        return _complete(self._ask("search", query, lane="search"), alone=alone)

    def _match(self, customer: CustomerRef, contacts: dict[str, dict[str, Any]]) -> Found:
        """What was found are candidates: only a contact that really bears one of the customer's marks counts."""
        matched: dict[str, MatchedOn | None] = {
            record_id: self._matched_on(customer, row) for record_id, row in contacts.items()
        }
        candidates = [Candidate(record_id, how) for record_id, how in matched.items() if how is not None]
        candidates.sort(key=lambda one: (_MATCH_ORDER.index(one.matched_on), one.record_id))
        return Found(customer.customer_id, tuple(candidates))

    def _matched_on(self, customer: CustomerRef, row: dict[str, Any]) -> MatchedOn | None:
        if row.get(CUSTOMER_KEY) == customer.customer_id:
            return "external_id"
        by_phone = phone_match(customer, [_text(row.get(name)) for name in _PHONES], region=self._region)
        if by_phone != "phone" and (_text(row.get("Email")) or "").lower() in customer.emails:
            return "email"
        return by_phone

    def _create(self, customers: Sequence[CustomerRef]) -> list[Found]:
        body = {"allOrNone": False, "records": [contact_values(customer) for customer in customers]}
        path = f"{DATA}/composite/sobjects/Contact/{CUSTOMER_KEY}"
        made = results(self._client.request("PATCH", path, payload=body, idempotent=True), sent=len(customers))
        return [
            nobody(customer, one) if isinstance(one, CrmError) else _created(customer.customer_id, one["id"])
            for customer, one in zip(customers, made, strict=True)
        ]

    def _without_hidden(self, work: Callable[[list[str]], list[T]]) -> list[T]:
        """Do it with all columns that the org lets us see."""
        while True:
            columns = [name for name in _SEARCHED if name not in self._hidden]
            try:
                return work(columns)
            except CrmError as error:
                lacking = [name for name in columns if error.code == FIELD_MISSING + our_name(name)]
                if not lacking:
                    raise
            self._hidden.update(lacking)

    def _ask(self, resource: str, query: str, *, lane: Lane = "general") -> list[dict[str, Any]]:
        if len(quote(query)) > MAX_QUERY_CHARS or (resource == "search" and len(query) > MAX_SEARCH_CHARS):
            # Customers with very many numbers: refused, so that they are searched in halves.
            raise CrmError("query_too_long", permanent=True)
        answer = self._client.get(f"{DATA}/{resource}", params={"q": query}, lane=lane)
        return records(answer, "searchRecords" if resource == "search" else "records")


def nobody(customer: CustomerRef, error: CrmError | None = None) -> Found:
    """No contact, and why."""
    return Found(customer.customer_id, error=error)


def _created(customer_id: str, record_id: str) -> Found:
    return Found(customer_id, (Candidate(record_id, "created"),))


def _in_order(found: list[Found], customers: list[CustomerRef]) -> list[Found]:
    by_customer = {one.customer_id: one for one in found}
    return [by_customer.get(customer.customer_id) or nobody(customer) for customer in customers]


def _complete(rows: list[dict[str, Any]], *, alone: bool) -> list[dict[str, Any]]:
    """Raises: CrmError where one customer's many duplicates may hide another's record: they are searched in halves."""
    if len(rows) >= MAX_ROWS and not alone:
        raise CrmError("too_many_matches", permanent=True)
    return rows


def _naming_the_tenants(error: CrmError, fields: tuple[str, ...]) -> CrmError:
    """The same error with the whole path that the tenant wrote ("Account.Rating"), of which Salesforce names one part."""
    part = error.code.removeprefix(FIELD_MISSING).lower()
    if not error.code.startswith(FIELD_MISSING):
        return error
    for name in fields:
        if part in {our_name(one).lower() for one in name.split(".")}:
            return CrmError(FIELD_MISSING + name, permanent=True)
    return error


def _at(row: dict[str, Any], path: str) -> str | None:
    """The value at a dotted path as text. Salesforce may spell the names in its own way."""
    value: object = row
    for part in path.lower().split("."):
        value = {name.lower(): one for name, one in as_object(value).items()}.get(part)
    return _text(value)


def _text(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, str | int | float) and value != "" else None
