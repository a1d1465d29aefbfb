"""One telephone, many spellings: finding the CRM record of a WhatsApp number without guessing.

WhatsApp's id of a number and the number as people write it differ in Mexico (a 1 after +52), Argentina (a 9 after +54)
and Brazil (old accounts lack the ninth digit). Nothing here judges whether a number is valid: libphonenumber calls real
WhatsApp ids invalid, and a customer who wrote to us does exist.
"""

import re
from collections.abc import Iterable
from typing import Literal

import phonenumbers

_MEXICO = re.compile(r"52(1?)(\d{10})")
_ARGENTINA = re.compile(r"54(9?)(\d{10})")
# Mobile numbers only: landlines begin with 2 to 5 and never had a ninth digit.
_BRAZIL = re.compile(r"55(\d{2})(9?)([6-9]\d{7})")
# Shorter digits without a plus could as well be somebody else's national number.
_MIN_FULL_DIGITS = 11


def phone_variants(number: str) -> tuple[str, ...]:
    """Every E.164 spelling ("+…") of a number with country code, the likeliest first; () when it has no digits."""
    digits = re.sub(r"\D", "", number)
    if match := _MEXICO.fullmatch(digits):
        return f"+52{match[2]}", f"+521{match[2]}"
    if match := _ARGENTINA.fullmatch(digits):
        return f"+549{match[2]}", f"+54{match[2]}"
    if match := _BRAZIL.fullmatch(digits):
        return f"+55{match[1]}9{match[3]}", f"+55{match[1]}{match[3]}"
    return (f"+{digits}",) if digits else ()


def match_key(number: str) -> str | None:
    """Equal for all spellings of one number given with its country code; None when it has no digits."""
    variants = phone_variants(number)
    return variants[0] if variants else None


def national_numbers(number: str) -> tuple[str, ...]:
    """The variants without their country code, as CRMs index them; those whose country is unknown are left out."""
    parsed = [_parse(variant, region=None) for variant in phone_variants(number)]
    return tuple(phonenumbers.national_significant_number(one) for one in parsed if one is not None)


def written_match_key(written: str, *, region: str | None) -> str | None:
    """The match key of a number as a person typed it ("0532 111 22 33"), or None when its country can't be told.

    region: the tenant's country ("TR"), for numbers without a country code. None: such numbers have no key, because the
    same national number exists in many countries and a wrong match puts one customer's labels on another's card.
    """
    full = _written_digits(written, region=region)
    return match_key(full) if full else None


def is_written_among(customer: Iterable[str], written: Iterable[str | None], *, region: str | None) -> bool:
    """Whether one of the customer's numbers (digits with country code) is one of those that stand on a CRM record."""
    keys = {match_key(number) for number in customer} - {None}
    return any(written_match_key(one, region=region) in keys for one in written if one)


def spelled_among(
    customer: Iterable[str], written: Iterable[str | None], *, region: str | None
) -> Literal["phone", "phone_variant"] | None:
    """How one of the customer's numbers stands on a CRM record: as it is, or only as another country rule spells it."""
    numbers, listed = list(customer), [one for one in written if one]
    if not is_written_among(numbers, listed, region=region):
        return None
    exact = {re.sub(r"\D", "", number) for number in numbers}
    return "phone" if any(_written_digits(one, region=region) in exact for one in listed) else "phone_variant"


def _written_digits(written: str, *, region: str | None) -> str | None:
    """The number with its country code, spelled as it was typed; None when its country can't be told."""
    international = re.sub(r"^\s*00", "+", written)
    if international.lstrip().startswith("+"):
        return _digits_of(_parse(international, region=None)) or re.sub(r"\D", "", international)
    national = _parse(written, region=region) if region else None
    if national is not None and phonenumbers.is_valid_number(national):
        return _digits_of(national)
    digits = re.sub(r"\D", "", written)
    if len(digits) >= _MIN_FULL_DIGITS and not digits.startswith("0"):
        return digits
    return _digits_of(national)


def _parse(number: str, *, region: str | None) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return None


def _digits_of(number: phonenumbers.PhoneNumber | None) -> str | None:
    if number is None:
        return None
    return f"{number.country_code}{phonenumbers.national_significant_number(number)}"
