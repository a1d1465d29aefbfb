"""Long-looking numbers that are no personal data by their shape: dates, times, prices, versions, parcel codes."""

import re
from itertools import pairwise

_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_MONTH = r"(?:0?[1-9]|1[0-2])"
# The 13th and 14th centuries are Persian and Islamic years, the 25th Thai ones.
_YEAR = r"(?:1[34]|19|20|25)\d\d"
_NUMERIC_DATE = (
    rf"(?:(?:{_DAY}([.\-/]) ?{_MONTH}|{_MONTH}([.\-/]) ?{_DAY})(?:\1|\2) ?(?:{_YEAR}|\d\d)"
    rf"|{_YEAR}([.\-/]){_MONTH}\3{_DAY})"
)
_ONE_DATE = re.sub(r"\(\[\.\\-/\]\)|\\[123]|\(\?:\\1\|\\2\)", r"[.\\-/]", _NUMERIC_DATE)
DATE = re.compile(
    rf"(?<![\d+])(?<!\d[.\-/]){_ONE_DATE}(?: ?[\-/] ?{_ONE_DATE})?(?:t\d\d:\d\d(?::\d\d(?:\.\d{{1,6}})?)?)?(?![.\-/]?\d)"
)
_TIME = re.compile(r"(?<![\d:])(?<!\d[.,])(?:[01]?\d|2[0-4]):[0-5]\d(?::[0-5]\d)?(?![\d:])")
_CURRENCY = (
    r"(?:[€$£₺¥₹₽₴₪₸₫₩﷼]|(?:tl|try|usd|eur|gbp|aed|sar|egp|qar|kwd|chf|pln|uah|rub|inr|brl|irr|sek|nok|dkk|rs|r\$|zl|kr|грн|руб)\b"
    r"|lira|euro|dollar|pound|riyal|dirham|rupee|reais|real\b|zloty|tomans?|rials?|рубл|гривн|ريال|درهم|جنيه|دينار|ليره|يورو|دولار"
    r"|تومان|रुपय|р\.)"
)
# Up to nine digits with separators, up to eight without: a longer bare number before "TL" may be a phone to top up.
_AMOUNT = r"(?:\d{1,3}(?:[.,']\d{3}){1,2}|[1-9]\d{0,2}(?: \d{3}){1,2}|[1-9]\d{0,7})(?:[.,]\d{1,2})?"
_PRICE = re.compile(
    rf"(?<![\d+])(?<!\d[ .,\-/]){_AMOUNT}(?: ?- ?{_AMOUNT})? ?{_CURRENCY}|{_CURRENCY} ?{_AMOUNT}(?: ?- ?{_AMOUNT})?(?![ .,\-/]?\d)"
)
_PRICE_AFTER = re.compile(rf"{_CURRENCY} ?{_AMOUNT}(?![.,\-/]?\d)(?= |$)")
_DECIMAL = re.compile(
    r"(?<![\d+.,])(?<!\d[ \-/])\d{1,3}(?:\.\d{3}){0,2},\d{2}(?![ .,\-/]?\d)|(?<![\d+.,])(?<!\d[ \-/])\d{1,3}(?:,\d{3}){0,2}\.\d{2}(?![ .,\-/]?\d)"
)
_VERSION = re.compile(
    r"\b(?:windows|android|ios|ipados|macos|build|version|versiyon|surum|firmware|chrome|v)\.? ?\d{1,5}(?:\.\d{1,6}){2,4}(?![.\d])"
)
_ANY_CURRENCY = re.compile(_CURRENCY)
_TWO_SIGNS = re.compile(r"\d([.\-/]) ?\d{1,2}\1 ?\d\d")
# What may stand before or after the digits of a price.
_MARGIN = 14
# UPS; the Universal Postal Union's S10; DHL; Amazon.
PARCEL_CODE = re.compile(
    r"(?<![a-z0-9])(?:1z[a-z0-9]{16}|[a-z]{2}\d{9}[a-z]{2}|jj?d\d{16,20}|tba\d{12,15})(?![a-z0-9])"
)


def kept_pieces(shadow: str, start: int, end: int) -> list[tuple[int, int]]:
    """Where dates, times and prices stand that touch this run of digits, in order."""
    offset = max(0, start - _MARGIN)
    near = shadow[offset : end + _MARGIN]
    rules: list[re.Pattern[str]] = []
    if ":" in near:
        rules.append(_TIME)
    if "." in near or "," in near:
        rules += (_DECIMAL, _VERSION)
    if _TWO_SIGNS.search(near):
        rules.append(DATE)
    if _ANY_CURRENCY.search(near):
        rules += (_PRICE, _PRICE_AFTER)
    found = sorted((offset + match.start(), offset + match.end()) for rule in rules for match in rule.finditer(near))
    return [(first, last) for first, last in found if first < end and last > start]


def is_counting_up(groups: list[str]) -> bool:
    """Sizes or quantities in a row ("38 39 40 41 42"): as long as each other, each a little more than the one before."""
    if len(groups) < 4 or groups[0].startswith("0") or len({len(group) for group in groups}) > 1 or len(groups[0]) > 3:
        return False
    values = [int(group) for group in groups]
    return all(0 < after - before <= 10 for before, after in pairwise(values))
