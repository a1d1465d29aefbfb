"""Strip personal data from a text before anything leaves the building: deterministic, bounded, deny by default for long numbers.

Not found: names of third persons, street addresses, numbers spelled out in words. docs/verified.md says so too.
"""

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from analysis.base import MinimizedText
from analysis.pii_numbers import (
    DENY_FROM_DIGITS,
    DIGIT_RUN,
    IBAN,
    PASSPORT,
    digits_of,
    follows_business_word,
    is_card,
    is_date,
    is_national_id,
    longest_iban,
)

MINIMIZER_VERSION = "m1"
MAX_CHARS = 4096
MIN_NAME_CHARS = 3
MIN_DIALLED_DIGITS = 7

_HAS_LONG_NUMBER = re.compile(r"\d(?:[^\w\n]{0,3}\d){4}")
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\u00ad\U000e0000-\U000e007f]")
_ODD_SPACE = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_URL = re.compile(r"(?i)\b(?:https?://|www\.)[^\s<>\"']{1,500}")
_PROFILE = re.compile(
    r"(?i)\b(?:instagram\.com|facebook\.com|fb\.com|twitter\.com|x\.com|tiktok\.com|t\.me|wa\.me|linkedin\.com)/[^\s<>\"']{1,200}"
)
_PRIVATE_URL = re.compile(r"(?i)[?#@]|/[^/]*\d[^/]{7,}|/(?=[A-Za-z_\-]*\d)[A-Za-z0-9_\-]{16,}")
_EMAIL = re.compile(r"[\w.+\-]{1,64}@[\w\-]{1,63}(?:\.[\w\-]{1,63}){1,4}")
_SPELLED_EMAIL = re.compile(
    r"(?i)[\w.+\-]{1,64} ?(?:\(at\)|\[at\]|\{at\}| at ) ?[\w\-]{1,63}"
    r"(?: ?(?:\(dot\)|\[dot\]|\.| dot | punkt | nokta ) ?[\w\-]{2,63}){1,3}"
)
_HANDLE = re.compile(r"(?<![\w@])@[A-Za-z0-9_](?:[\w.]{0,38}\w)?")


@dataclass(frozen=True)
class Minimized:
    """Text that may leave, what was cut by kind, and by which version of these rules."""

    text: MinimizedText = field(repr=False)
    counts: dict[str, int]
    version: str = MINIMIZER_VERSION


class _Placeholders:
    """`[KIND_n]`: the same value keeps its number within one text, so that the meaning survives."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._numbers: dict[tuple[str, str], int] = {}

    def put(self, kind: str, value: str) -> str:
        key = (kind, value.casefold())
        if key not in self._numbers:
            self._numbers[key] = sum(1 for known, _ in self._numbers if known == kind) + 1
        self.counts[kind.lower()] += 1
        return f"[{kind}_{self._numbers[key]}]"


@cache
def _digit_table() -> dict[int, str]:
    """Every decimal digit of every script to its ASCII digit: same length, so positions stay."""
    return {
        code: str(unicodedata.decimal(chr(code)))
        for code in range(0x80, 0x1FBFA)
        if unicodedata.category(chr(code)) == "Nd"
    }


def _normalize(text: str) -> str:
    text = text[:MAX_CHARS]
    if not text.isascii():
        text = _ODD_SPACE.sub(" ", _INVISIBLE.sub("", text)).translate(_digit_table())
    return text


def _strip_urls(text: str, put: _Placeholders) -> str:
    def replace(match: re.Match[str]) -> str:
        url = match[0]
        trailing = url[len(url.rstrip(".,;:!?)]")) :]
        url = url.removesuffix(trailing) if trailing else url
        private = _PROFILE.search(url) or _PRIVATE_URL.search(url.partition("//")[2] or url)
        return (put.put("URL", url) if private else url) + trailing

    text = _URL.sub(replace, text)
    return _PROFILE.sub(lambda match: put.put("URL", match[0]), text)


def _strip_emails(text: str, put: _Placeholders) -> str:
    if "@" in text:
        text = _EMAIL.sub(lambda match: put.put("EMAIL", match[0]), text)
    if re.search(r"(?i)\bat\b", text):
        text = _SPELLED_EMAIL.sub(lambda match: put.put("EMAIL", match[0]), text)
    return text


def _strip_ibans(text: str, put: _Placeholders) -> str:
    def replace(match: re.Match[str]) -> str:
        iban = longest_iban(match[0])
        return put.put("IBAN", re.sub(r"[ \-]", "", iban)) + match[0][len(iban) :] if iban else match[0]

    return IBAN.sub(replace, text)


def _strip_cards_and_ids(text: str, put: _Placeholders) -> str:
    def replace_passport(match: re.Match[str]) -> str:
        return match[0][: match.start(1) - match.start()] + put.put("ID", match[1])

    text = PASSPORT.sub(replace_passport, text)

    def replace(match: re.Match[str]) -> str:
        digits = digits_of(match[0])
        if is_card(digits):
            return put.put("CARD", digits)
        if is_national_id(digits) and not follows_business_word(text, match.start()):
            return put.put("ID", digits)
        return match[0]

    return DIGIT_RUN.sub(replace, text)


def _phone_spans(text: str, region: str) -> list[tuple[int, int]]:
    """Where phone numbers stand: valid ones for the region, and possible ones that look dialled."""
    import phonenumbers

    spans: list[tuple[int, int]] = []
    for leniency in (phonenumbers.Leniency.VALID, phonenumbers.Leniency.POSSIBLE):
        matcher: Any = phonenumbers.PhoneNumberMatcher(text, region, leniency=leniency, max_tries=40)
        for match in matcher:
            long_enough = len(digits_of(match.raw_string)) >= MIN_DIALLED_DIGITS
            dialled = long_enough and match.raw_string.lstrip().startswith(("+", "0", "("))
            valid = leniency == phonenumbers.Leniency.VALID
            overlaps = any(match.start < end and start < match.end for start, end in spans)
            if overlaps or not (valid or dialled) or is_date(match.raw_string):
                continue
            if follows_business_word(text, match.start) and not match.raw_string.startswith("+"):
                continue
            spans.append((match.start, match.end))
    return sorted(spans)


def _strip_phones(text: str, put: _Placeholders, *, region: str) -> str:
    parts: list[str] = []
    position = 0
    for start, end in _phone_spans(text, region):
        parts += [text[position:start], put.put("PHONE", digits_of(text[start:end]))]
        position = end
    return "".join([*parts, text[position:]])


def _strip_long_numbers(text: str, put: _Placeholders) -> str:
    def replace(match: re.Match[str]) -> str:
        digits = digits_of(match[0])
        if len(digits) < DENY_FROM_DIGITS or is_date(match[0]) or follows_business_word(text, match.start()):
            return match[0]
        return put.put("NUMBER", digits)

    return DIGIT_RUN.sub(replace, text)


def _strip_names(text: str, put: _Placeholders, names: tuple[str, ...]) -> str:
    """Names this contact is known by: the whole name, then its words, as whole words."""
    wanted = {name.strip() for name in names} | {word for name in names for word in name.split()}
    usable = sorted((name for name in wanted if len(name) >= MIN_NAME_CHARS), key=len, reverse=True)
    if not usable:
        return text
    pattern = re.compile(r"(?<!\w)(?:" + "|".join(re.escape(name) for name in usable[:20]) + r")(?!\w)", re.IGNORECASE)
    return pattern.sub(lambda match: put.put("NAME", match[0]), text)


def minimize(text: str, *, region: str, known_names: tuple[str, ...] = ()) -> Minimized:
    """The text without what identifies a person; prices, order numbers, dates and times survive.

    region: ISO country code that numbers without a prefix belong to. known_names: names known for this very contact.
    """
    put = _Placeholders()
    text = _normalize(text)
    text = _strip_emails(_strip_urls(text, put), put)
    if _HAS_LONG_NUMBER.search(text):
        text = _strip_ibans(text, put)
        text = _strip_cards_and_ids(text, put)
        text = _strip_phones(text, put, region=region)
        text = _strip_long_numbers(text, put)
    if "@" in text:
        text = _HANDLE.sub(lambda match: put.put("HANDLE", match[0]), text)
    text = _strip_names(text, put, known_names)
    return Minimized(MinimizedText(text), dict(put.counts))
