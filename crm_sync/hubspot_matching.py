"""Which HubSpot contact a customer may be: what to search for, and whether a hit really bears the customer's marks."""

from collections.abc import Iterable, Sequence
from typing import Any

from crm_sync.base import Candidate, CustomerRef, Found, MatchedOn
from crm_sync.phones import national_numbers, phone_variants, spelled_among

SEARCH_LIMIT = 200

_PHONE_PROPERTIES = ["phone", "mobilephone", "hs_calculated_phone_number", "hs_calculated_mobile_number"]
_EMAIL_PROPERTIES = ["email", "hs_additional_emails"]


def searches(customers: Sequence[CustomerRef]) -> list[dict[str, Any]]:
    """The searches for all spellings of the customers' numbers and for their addresses."""
    return [
        {
            "filterGroups": groups,
            "properties": _PHONE_PROPERTIES + _EMAIL_PROPERTIES,
            "limit": SEARCH_LIMIT,
            "after": "0",
            "sorts": [],
        }
        for groups in (_phone_groups(customers), _email_groups(customers))
        if groups
    ]


def match(customer: CustomerRef, contacts: dict[str, dict[str, Any]], *, region: str | None) -> Found:
    """Search gives candidates: only a contact that really bears the number or the address counts."""
    marks: dict[str, MatchedOn | None] = {
        record_id: _matched_on(customer, properties, region) for record_id, properties in contacts.items()
    }
    candidates = [Candidate(record_id, mark) for record_id, mark in marks.items() if mark is not None]
    return Found(customer.customer_id, tuple(candidates))


def _matched_on(customer: CustomerRef, properties: dict[str, Any], region: str | None) -> MatchedOn | None:
    """The surest of the customer's marks on a contact: its number, then its address, then another spelling of the number."""
    spelling = spelled_among(customer.phones, [properties.get(name) for name in _PHONE_PROPERTIES], region=region)
    if spelling == "phone":
        return "phone"
    emails = ";".join(properties.get(name) or "" for name in _EMAIL_PROPERTIES).lower().split(";")
    return spelling if set(customer.emails).isdisjoint(emails) else "email"


def _phone_groups(customers: Sequence[CustomerRef]) -> list[dict[str, Any]]:
    """Groups are joined by OR, five at most. HubSpot indexes a number, however typed, without its country code."""
    phones = {phone for customer in customers for phone in customer.phones}
    national = {number for phone in phones for number in national_numbers(phone)}
    full = {variant for phone in phones for variant in phone_variants(phone)}
    return [
        *_any_of("hs_searchable_calculated_phone_number", national),
        *_any_of("hs_searchable_calculated_mobile_number", national),
        *_any_of("hs_calculated_phone_number", full),
        *_any_of("phone", full),
        *_any_of("mobilephone", full),
    ]


def _email_groups(customers: Sequence[CustomerRef]) -> list[dict[str, Any]]:
    return _any_of("email", {email for customer in customers for email in customer.emails})


def _any_of(name: str, values: Iterable[str]) -> list[dict[str, Any]]:
    listed = sorted(values)
    return [{"filters": [{"propertyName": name, "operator": "IN", "values": listed}]}] if listed else []
