"""The shadow of a text that the rules read: one plain character for each visible one, and where it stood in the text.

Rules look for `0532` and `siparis` in the shadow; what leaves is the text itself with pieces cut out. So Arabic digits, accents
and joiners survive wherever nothing was cut.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache

# Planes 0 and 1 hold every script in use; what lies above is left as it is, except tags, which are dropped.
_TABLE_SIZE = 0x20000
_DROPPED = "\0"
_TAG = re.compile("[\U000e0000-\U000e0fff]")
_INVISIBLE_CATEGORIES = frozenset({"Mn", "Me", "Mc", "Cf"})
_SPACE_CATEGORIES = frozenset({"Zs", "Zl", "Zp", "Cc"})
# Hangul fillers are letters that show nothing; a line break stays one; the rest is what no Unicode rule folds.
_SPECIAL = {
    "\n": "\n",
    "\u115f": _DROPPED,
    "\u1160": _DROPPED,
    "\u3164": _DROPPED,
    "\uffa0": _DROPPED,
    "\u2800": " ",
    "ı": "i",
    "ł": "l",
    "ø": "o",
    "đ": "d",
    "Ł": "l",
    "Ø": "o",
    "Đ": "d",
    "ة": "ه",
    "ى": "ي",
    "ی": "ي",
    "ک": "ك",
    "٫": ".",
    "٬": ",",
    "،": ",",
    "؛": ";",
    "؟": "?",
    "。": ".",
    "、": ",",
    "։": ":",
    "∶": ":",
    "⁄": "/",
    "∕": "/",
    "·": ".",
    "•": ".",
    "∙": ".",
    "・": ".",
    "‧": ".",
    "−": "-",
    "’": "'",
    "‘": "'",
    "ʼ": "'",
}


def _fold(character: str) -> str:
    """One character, its plain form, or the mark for a dropped one. Never longer than one."""
    if character in _SPECIAL:
        return _SPECIAL[character]
    category = unicodedata.category(character)
    if category in _INVISIBLE_CATEGORIES:
        return _DROPPED
    if category in _SPACE_CATEGORIES:
        return " "
    digit = unicodedata.digit(character, None)
    if digit is not None:
        return str(digit)
    if category == "Pd":
        return "-"
    base, *marks = unicodedata.normalize("NFKD", character)
    if not all(unicodedata.category(mark) in _INVISIBLE_CATEGORIES for mark in marks):
        base = character
    base = _SPECIAL.get(base, base)
    lower = base.lower()
    return lower if len(lower) == 1 else base


@cache
def _table() -> list[str]:
    return [_fold(chr(code)) for code in range(_TABLE_SIZE)]


@dataclass(frozen=True)
class Shadow:
    """text: folded. origins: where each of its characters stood in the original, and one more for the end."""

    text: str
    origins: range | list[int]


def shadow_of(text: str) -> Shadow:
    """Lower case, plain digits, no accents, no invisible characters; white space is a space or a line break."""
    folded = text.translate(_table())
    if _DROPPED not in folded:
        return Shadow(folded, range(len(folded) + 1))
    origins = [position for position, character in enumerate(folded) if character != _DROPPED]
    origins.append(len(folded))
    return Shadow(folded.replace(_DROPPED, ""), origins)


def fold(text: str) -> str:
    """Only the folded text, for words that are compared with a shadow."""
    return text.translate(_table()).replace(_DROPPED, "")


def without_tags(text: str) -> str:
    """Text without Unicode tag characters: invisible to people, and able to spell out anything to a model."""
    return text if text.isascii() else _TAG.sub("", text)
