"""Numbers that identify a person or an account, told from prices and order numbers by checksum and by the words around them."""

import re
from collections.abc import Callable
from functools import cache

# A run of digits with the separators people type between them. Bounded: no separators in a row, 34 digits at most.
DIGIT_RUN = re.compile(r"\d(?:[ .\-/]?\d){5,33}")
IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ \-]?[A-Za-z0-9]){11,30}(?![A-Za-z0-9])")
PASSPORT = re.compile(
    r"(?i)(?:passport|pasaport\w{0,4}|reisepass|ausweis|personalausweis|جواز(?: ?السفر| ?سفري)?|identity card|id card|kimlik)"
    r"[^\w\n]{0,3}(?:no|nr|number|numara(?:sı|m)?|nummer|is|ist|رقم)?[^\w\n]{0,3}([A-Za-z]{0,3} ?\d[A-Za-z0-9]{5,11}|[A-Z0-9]{9}\b)"
)
# A number right after one of these is the business's own: it stays, agents and the model need it.
_BUSINESS_WORD = re.compile(
    r"(?i)(?:order|tracking|track|invoice|booking|reservation|ticket|case|reference|ref|parcel|shipment|awb|rma|"
    r"sipariş\w{0,6}|siparis\w{0,6}|takip|fatura|kargo|dekont|rezervasyon|talep|gönderi|gonderi|"
    r"bestell\w{0,12}|sendung\w{0,12}|rechnung\w{0,12}|auftrag\w{0,12}|buchung\w{0,12}|paket\w{0,12}|vorgang\w{0,12}|"
    r"طلب\w{0,4}|الطلب|طلبية|شحنة|الشحنة|تتبع|التتبع|فاتورة|الفاتورة|حجز|الحجز)"
    # Between the word and its number: "no.", "number is", a colon. Never a whole clause: a phone number may follow that.
    r"[\s:#\-]{0,3}(?:(?:no|nr|nu|num\w{0,8}|number|id|code|kodu?|is|ist|lautet|رقم\w{0,2})[\s:#.\-]{0,3}){0,2}$"
)
# Letters glued to a number make it a code of some business: "CS-0004412", "1Z999AA…"; not "TEL-0532…".
_CODE_PREFIX = re.compile(r"(?<![A-Za-z])(?!(?:TEL|GSM|CEL|CELL|FAX|WA|MOB)-?$)\d{0,3}[A-Z]{1,6}\d{0,4}[A-Z]{0,3}-?$")
_DATE = re.compile(r"^(?:\d{1,2}[./\-]\d{1,2}[./\-](?:19|20)?\d{2}|(?:19|20)\d{2}[./\-]\d{1,2}[./\-]\d{1,2})$")
DENY_FROM_DIGITS = 9
NATIONAL_ID_LENGTHS = (11, 12, 15)
CARD_LENGTHS = range(13, 20)


def digits_of(text: str) -> str:
    """Only the ASCII digits."""
    return "".join(character for character in text if character in "0123456789")


def follows_business_word(text: str, start: int) -> bool:
    """Whether the words just before `start` say that a number is an order, a parcel, an invoice or the like."""
    before = text[max(0, start - 48) : start]
    return bool(_BUSINESS_WORD.search(before) or _CODE_PREFIX.search(before[-16:]))


def is_date(text: str) -> bool:
    """Whether the whole text is a calendar date."""
    return bool(_DATE.match(text.strip()))


def is_iban(text: str) -> bool:
    """ISO 13616: length 15 to 34 and remainder 1 modulo 97."""
    compact = re.sub(r"[ \-]", "", text).upper()
    if not 15 <= len(compact) <= 34:
        return False
    rearranged = compact[4:] + compact[:4]
    try:
        return int("".join(str(int(character, 36)) for character in rearranged)) % 97 == 1
    except ValueError:
        return False


def longest_iban(text: str) -> str | None:
    """The longest beginning of the match that is an IBAN: words may follow it without a gap the pattern can see."""
    for end in range(len(text), 14, -1):
        if text[end - 1].isalnum() and is_iban(text[:end]):
            return text[:end]
    return None


def is_card(digits: str) -> bool:
    """A payment card: 13 to 19 digits, a known first digit, Luhn checksum (ISO/IEC 7812)."""
    if len(digits) not in CARD_LENGTHS or digits[0] not in "23456":
        return False
    total = 0
    for position, character in enumerate(reversed(digits)):
        value = int(character) * (2 if position % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


@cache
def _national_checks() -> tuple[Callable[[str], bool], ...]:
    # stdnum is imported on first use: not every process that imports this module minimizes.
    from stdnum.de import idnr
    from stdnum.fr import nir
    from stdnum.in_ import aadhaar
    from stdnum.pl import pesel
    from stdnum.tr import tckimlik

    return (tckimlik.is_valid, idnr.is_valid, aadhaar.is_valid, pesel.is_valid, nir.is_valid)


def is_national_id(digits: str) -> bool:
    """A national identity number by its checksum: Türkiye, Germany, India, Poland, France. Shorter ones are caught as numbers."""
    return len(digits) in NATIONAL_ID_LENGTHS and any(check(digits) for check in _national_checks())
