"""Queries for Salesforce: SOQL, which reads the database itself, and SOSL, which searches an index that lags behind."""

import re
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import quote

from crm_sync.base import CustomerRef, MatchedOn
from crm_sync.phones import match_key, national_numbers, phone_variants, written_match_key

# A query is part of the address, of which Salesforce takes 16,384 characters; a longer search loses its ORs.
MAX_QUERY_CHARS = 15_000
MAX_SEARCH_CHARS = 4_000
MAX_LIST_CHARS = 8_000
# As many rows as come in one answer.
MAX_ROWS = 2_000


def quoted(value: str) -> str:
    """A SOQL literal."""
    escaped = re.sub(r"(['\"\\])", r"\\\1", value)
    return "'" + escaped.replace("\n", "\\n").replace("\r", "\\r") + "'"


def select(kind: str, columns: Sequence[str], condition: str) -> str:
    """A SOQL query; the condition's literals come from `quoted`."""
    return " ".join(["SELECT", ",".join(columns), "FROM", kind, "WHERE", condition])


def is_in(name: str, values: Iterable[str]) -> list[str]:
    """The condition that a field has one of the values; none when there are none."""
    listed = ",".join(quoted(value) for value in sorted(set(values)))
    return [f"{name} IN ({listed})"] if listed else []


def in_lists(values: Sequence[str]) -> Iterator[list[str]]:
    """The values in order, in lists that fit into one address."""
    listed: list[str] = []
    size = 0
    for value in values:
        length = len(quote(quoted(value) + ","))
        if listed and size + length > MAX_LIST_CHARS:
            yield listed
            listed, size = [], 0
        listed.append(value)
        size += length
    if listed:
        yield listed


def phone_search(customers: Sequence[CustomerRef], *, columns: Sequence[str]) -> str | None:
    """SOSL for every way to write the customers' numbers; None when they have none.

    The index knows a number as its digits, with the country code or with a leading zero as people wrote it.
    """
    terms: dict[str, None] = {}
    for phone in (phone for customer in customers for phone in customer.phones):
        national = national_numbers(phone)
        written = [*(variant.removeprefix("+") for variant in phone_variants(phone)), *national]
        terms |= dict.fromkeys([*written, *(f"0{number}" for number in national)])
    if not terms:
        return None
    return f"FIND {{{' OR '.join(terms)}}} IN PHONE FIELDS RETURNING Contact({','.join(columns)}) LIMIT {MAX_ROWS}"


def phone_match(customer: CustomerRef, written: Iterable[str | None], *, region: str | None) -> MatchedOn | None:
    """Whether one of the numbers on a card is the customer's, spelled as the customer's own or by another country rule."""
    numbers = [one for one in written if one]
    best: MatchedOn | None = None
    for phone in customer.phones:
        key = match_key(phone)
        same = [one for one in numbers if key and written_match_key(one, region=region) == key]
        if same and (len(phone_variants(phone)) == 1 or phone in {_digits(one) for one in same}):
            return "phone"
        if same:
            best = "phone_variant"
    return best


def _digits(written: str) -> str:
    return re.sub(r"\D", "", written).removeprefix("00")
