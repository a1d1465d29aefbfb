"""Looking for a customer's contact in Zoho CRM: by our own id, by telephone and e-mail as written, by the number's digits.

A contact just made or changed is found by our id only: search lags behind.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import phonenumbers

from crm_sync.base import FIELD_MISSING, Candidate, CrmError, CustomerRef, Found, MatchedOn
from crm_sync.batches import send_in_batches
from crm_sync.client import CrmClient
from crm_sync.phones import is_written_among, national_numbers, phone_variants
from crm_sync.zoho_answers import has_more, rows
from crm_sync.zoho_fields import CONTACTS, CUSTOMER_KEY
from crm_sync.zoho_queries import MAX_VALUES, ask, one_of

# Each has up to a dozen spellings in two criteria; addresses of requests and lists of values have their limits.
SEARCH_CUSTOMERS = 3
_PHONES = ("Mobile", "Phone", "Home_Phone", "Other_Phone")
_EMAILS = ("Email", "Secondary_Email")
_SHOWN = ",".join(["id", *_PHONES, *_EMAILS])
_PAGE = 200


def find(client: CrmClient, customers: Sequence[CustomerRef], *, region: str | None) -> list[Found]:
    """One Found per customer, in order. region: to read numbers on cards that lack a country code. Raises: CrmError."""
    found = by_customer_key(client, customers)
    sought = [one for one in customers if one.customer_id not in found and (one.phones or one.emails)]
    written = send_in_batches(
        sought,
        size=SEARCH_CUSTOMERS,
        send=lambda batch: _by_spelling(client, batch, region=region),
        refused=lambda one, error: Found(one.customer_id, error=error),
    )
    found |= {one.customer_id: one for one in written}
    for customer in sought:
        seen = found[customer.customer_id]
        if not seen.candidates and not seen.error and customer.phones:
            found[customer.customer_id] = _by_digits(client, customer, region=region)
    return [found.get(one.customer_id) or Found(one.customer_id) for one in customers]


def by_customer_key(client: CrmClient, customers: Sequence[CustomerRef]) -> dict[str, Found]:
    """The contacts that bear our id, by customer; nobody in an account without our field. Raises: CrmError."""
    found: dict[str, Found] = {}
    ids = [one.customer_id for one in customers]
    for start in range(0, len(ids), MAX_VALUES):
        wanted = ids[start : start + MAX_VALUES]
        try:
            contacts = ask(client, [CUSTOMER_KEY], "Contacts", one_of(CUSTOMER_KEY, wanted))
        except CrmError as error:
            if not error.code.startswith(FIELD_MISSING):
                raise
            return {}
        for contact in contacts:
            if contact.get(CUSTOMER_KEY) in wanted:
                customer_id = str(contact[CUSTOMER_KEY])
                found[customer_id] = Found(customer_id, (Candidate(str(contact["id"]), "external_id"),))
    return found


def _by_spelling(client: CrmClient, customers: Sequence[CustomerRef], *, region: str | None) -> list[Found]:
    phones = _listed({one for customer in customers for phone in customer.phones for one in spellings(phone)})
    emails = _listed({email for customer in customers for email in customer.emails})
    criteria = [f"({name}:in:{phones})" for name in ("Mobile", "Phone") if phones]
    criteria += [f"(Email:in:{emails})"] if emails else []
    contacts, more = _search(client, {"criteria": f"({' or '.join(criteria)})"})
    if more and len(customers) > 1:
        # One customer's many duplicates would hide another's contact: refused, so that it is searched in halves.
        raise CrmError("too_many_matches", permanent=True)
    return [_match(customer, contacts, region=region) for customer in customers]


def _by_digits(client: CrmClient, customer: CustomerRef, *, region: str | None) -> Found:
    """Numbers written with brackets or hyphens: Zoho's search for telephones compares digits."""
    contacts: dict[str, dict[str, Any]] = {}
    try:
        for phone in customer.phones:
            for number in _endings(phone):
                contacts |= {one["id"]: one for one in _search(client, {"phone": number})[0]}
    except CrmError as error:
        if not error.permanent:
            raise
        return Found(customer.customer_id, error=error)
    return _match(customer, list(contacts.values()), region=region)


def _search(client: CrmClient, wanted: dict[str, str]) -> tuple[list[dict[str, Any]], bool]:
    params = {**wanted, "fields": _SHOWN, "per_page": str(_PAGE)}
    answer = client.get(f"{CONTACTS}/search", params=params, lane="search")
    return [one for one in rows(answer) if isinstance(one.get("id"), str)], has_more(answer)


def _match(customer: CustomerRef, contacts: Iterable[dict[str, Any]], *, region: str | None) -> Found:
    """Search gives candidates: only a contact that really bears the number or the address counts."""
    candidates: list[Candidate] = []
    for contact in contacts:
        matched_on = _matched_on(customer, contact, region=region)
        if matched_on:
            candidates.append(Candidate(contact["id"], matched_on))
    return Found(customer.customer_id, tuple(candidates))


def _matched_on(customer: CustomerRef, contact: dict[str, Any], *, region: str | None) -> MatchedOn | None:
    written = [str(contact[name]) for name in _PHONES if contact.get(name)]
    has_number = is_written_among(customer.phones, written, region=region)
    if has_number and any(_is_exact(phone, one) for phone in customer.phones for one in written):
        return "phone"
    if not set(customer.emails).isdisjoint(str(contact.get(name) or "").lower() for name in _EMAILS):
        return "email"
    return "phone_variant" if has_number else None


def _is_exact(phone: str, written: str) -> bool:
    """Whether the very digits stand there, with their country code or as a number of the country."""
    digits = re.sub(r"\D", "", written)
    if written.lstrip().startswith(("+", "00")):
        return digits.removeprefix("00") == phone
    return bool(digits) and (digits == phone or phone.endswith(digits.removeprefix("0")))


def spellings(phone: str) -> set[str]:
    """A number as it is usually written: with and without country code, in one piece and in groups."""
    written: set[str] = set()
    for variant in phone_variants(phone):
        digits = variant.removeprefix("+")
        written |= {variant, digits, f"00{digits}"}
        try:
            parsed = phonenumbers.parse(variant, None)
        except phonenumbers.NumberParseException:
            continue
        national = phonenumbers.national_significant_number(parsed)
        grouped = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL)
        international = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
        written |= {national, f"0{national}", grouped, re.sub(r"\D", "", grouped), international}
    return written


def _endings(phone: str) -> list[str]:
    """The fewest digits that all spellings end in."""
    numbers = set(national_numbers(phone)) or {phone}
    return sorted(one for one in numbers if not any(one != other and one.endswith(other) for other in numbers))


def _listed(values: Iterable[str]) -> str:
    """Values of an `in` criterion: brackets and commas inside them are escaped."""
    return ",".join(re.sub(r"([\\(),])", r"\\\1", value) for value in sorted(values))
