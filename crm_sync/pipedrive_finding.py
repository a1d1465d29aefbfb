"""Which Pipedrive person is a customer, and making one where the tenant wants that."""

import re
from collections.abc import Sequence
from typing import Any

from crm_sync.base import FIELD_MISSING, Candidate, CrmError, CustomerRef, Found, MatchedOn
from crm_sync.client import as_object, as_objects
from crm_sync.phones import is_written_among, national_numbers
from crm_sync.pipedrive_api import PipedriveApi
from crm_sync.pipedrive_events import look_after_loss
from crm_sync.pipedrive_fields import CUSTOMER_KEY
from crm_sync.pipedrive_provision import KnownFields

# Fewer digits would be found in everybody's number.
MIN_DIGITS = 7
# Search lags; a person made a moment ago is among the newest of the list, which does not.
NEWEST = 100


def find_all(
    api: PipedriveApi, known: KnownFields, customers: Sequence[CustomerRef], *, region: str | None
) -> list[Found]:
    """One Found per customer, in order. Each search costs as much as four writes, so that no question is put twice."""
    if not customers:
        return []
    search = _Search(api, has_key=known.current().ours(CUSTOMER_KEY) is not None, region=region)
    found: list[Found] = []
    for customer in customers:
        try:
            found.append(Found(customer.customer_id, search.candidates(customer)))
        except CrmError as error:
            if not error.permanent:
                raise
            found.append(Found(customer.customer_id, error=error))
    return found


class _Search:
    def __init__(self, api: PipedriveApi, *, has_key: bool, region: str | None) -> None:
        self._api = api
        self._has_key = has_key
        self._region = region
        self._asked: dict[tuple[str, str], list[dict[str, Any]]] = {}

    def candidates(self, customer: CustomerRef) -> tuple[Candidate, ...]:
        """Those who bear a mark of the customer, each once. Our own id is asked for only where the rest leaves a doubt."""
        persons = {
            str(person.get("id")): person
            for person in (
                *(one for phone in customer.phones for one in self._ask(search_term(phone), where="phone")),
                *(one for email in customer.emails for one in self._ask(email, where="email", exact=True)),
            )
        }
        found = self._judge(customer, persons)
        if self._has_key and (len(found) != 1) and not any(one.matched_on == "external_id" for one in found):
            ours = self._ask(customer.customer_id, where="custom_fields", exact=True)
            found = self._judge(customer, persons | {str(person.get("id")): person for person in ours})
        return found

    def _judge(self, customer: CustomerRef, persons: dict[str, dict[str, Any]]) -> tuple[Candidate, ...]:
        found: list[Candidate] = []
        for record_id, person in persons.items():
            matched_on = self._matched_on(customer, person)
            if matched_on:
                found.append(Candidate(record_id, matched_on))
        return tuple(found)

    def _matched_on(self, customer: CustomerRef, person: dict[str, Any]) -> MatchedOn | None:
        """Search gives candidates: only a person who really bears the id, the number or the address counts."""
        if customer.customer_id in _texts(person.get("custom_fields")):
            return "external_id"
        phones = _texts(person.get("phones"))
        if is_written_among(customer.phones, phones, region=self._region):
            return "phone" if any(is_exact(one, phones) for one in customer.phones) else "phone_variant"
        emails = {one.lower() for one in _texts(person.get("emails"))}
        return None if emails.isdisjoint(customer.emails) else "email"

    def _ask(self, term: str, *, where: str, exact: bool = False) -> list[dict[str, Any]]:
        if (term, where) not in self._asked:
            self._asked[term, where] = self._api.search(term, where=where, exact=exact) if len(term) > 1 else []
        return self._asked[term, where]


def search_term(phone: str) -> str:
    """The digits that every spelling of the number ends in: one search instead of one for each."""
    spellings = [re.sub(r"\D", "", one) for one in national_numbers(phone)] or [phone]
    shortest = min(spellings, key=len)
    tails = (shortest[start:] for start in range(len(shortest) - MIN_DIGITS + 1))
    return next((tail for tail in tails if all(one.endswith(tail) for one in spellings)), phone)


def is_exact(phone: str, written: Sequence[str]) -> bool:
    """Whether one of the numbers, already known to be the same telephone, is spelled as WhatsApp spells it."""
    if len(set(national_numbers(phone))) < 2:
        return True
    digits = {re.sub(r"\D", "", one).removeprefix("00") for one in written}
    # The countries with two spellings have codes of two digits.
    return phone in digits or phone[2:] in {one.lstrip("0") for one in digits}


def create_all(api: PipedriveApi, known: KnownFields, customers: Sequence[CustomerRef]) -> list[Found]:
    """One person per customer of whom anything is known; ours by our own id, which is looked for first.

    Raises: CrmError when Pipedrive did nothing and the cause is none of the customers.
    """
    named = [one for one in customers if one.phones or one.emails or one.display_name]
    if not named:
        return [Found(one.customer_id) for one in customers]
    key = known.complete().ours(CUSTOMER_KEY)
    if key is None:
        # An account without our key gets no persons from us, but the labels of those it has.
        lacking = CrmError(FIELD_MISSING + CUSTOMER_KEY, permanent=True)
        return [Found(one.customer_id, error=lacking if one in named else None) for one in customers]
    newest = _newest(api, key.code)
    made: dict[str, Found] = {}
    stopped_by: CrmError | None = None
    for customer in named:
        if stopped_by:
            made[customer.customer_id] = Found(customer.customer_id, error=stopped_by)
            continue
        try:
            record_id = newest.get(customer.customer_id) or _create(api, customer, key_code=key.code)
        except CrmError as error:
            made[customer.customer_id] = Found(customer.customer_id, error=error)
            stopped_by = None if error.permanent else error
        else:
            newest[customer.customer_id] = record_id
            made[customer.customer_id] = Found(customer.customer_id, (Candidate(record_id, "created"),))
    if stopped_by and all(one.error is stopped_by for one in made.values()):
        raise stopped_by
    return [made.get(one.customer_id) or Found(one.customer_id) for one in customers]


def _create(api: PipedriveApi, customer: CustomerRef, *, key_code: str) -> str:
    for person in api.search(customer.customer_id, where="custom_fields", exact=True):
        if customer.customer_id in _texts(person.get("custom_fields")):
            return str(person["id"])
    try:
        return str(api.add_person(_person(customer, key_code=key_code))["id"])
    except CrmError as error:
        if not error.uncertain:
            raise
        lost = error
    there = look_after_loss(lambda: _newest(api, key_code).get(customer.customer_id))
    if there is None:
        raise lost
    return there


def _newest(api: PipedriveApi, key_code: str) -> dict[str, str]:
    """Record id by our customer id, of the persons that were added last."""
    persons = api.newest_persons(limit=NEWEST)
    return {
        str(key): str(person["id"])
        for person in persons
        if (key := as_object(person.get("custom_fields")).get(key_code)) and "id" in person
    }


def _person(customer: CustomerRef, *, key_code: str) -> dict[str, Any]:
    """A new person: what is known of the customer and nothing else. Pipedrive wants a name."""
    name = customer.display_name or (f"+{customer.phones[0]}" if customer.phones else customer.emails[0])
    person: dict[str, Any] = {"name": name[:255], "custom_fields": {key_code: customer.customer_id}}
    if customer.phones:
        person["phones"] = [{"value": f"+{customer.phones[0]}", "primary": True, "label": "mobile"}]
    if customer.emails:
        person["emails"] = [{"value": customer.emails[0], "primary": True, "label": "work"}]
    return person


def _texts(value: object) -> list[str]:
    """The texts of a list, whether search gave them bare or a record as objects."""
    items = value if isinstance(value, list) else []
    return [str(one) for one in items if isinstance(one, str | int)] + [
        str(one["value"]) for one in as_objects(value) if one.get("value")
    ]
