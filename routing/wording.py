"""A tenant's wording with its variables filled in; never with a hole in it."""

import re
import unicodedata
from collections.abc import Mapping

from config.action_checks import MAX_NAME_CHARS
from config.placeholders import VARIABLES, variables_in

# A display name is the customer's own text: what could be an address, a command or a link is no name.
_NO_NAME = re.compile(r"[{}<>@/\\:]|www\.|\d{4}", re.IGNORECASE)
# Between letters an app reads a link out of it: "evil.com", but also "M.Ali".
_DOT_WITHIN = re.compile(r"([.․。．｡])(?=\S)")
# Joiners belong to names in Persian and Hindi; what turns the direction of writing would turn our words round.
_JOINERS = "\u200c\u200d"


class MissingValueError(Exception):
    """A variable has no value and no default. The text is the variable's name."""


def presentable_name(name: str | None) -> str | None:
    """A display name as it may stand in a message; None when there is none that could."""
    visible = "".join(
        one for one in name or "" if one in _JOINERS or unicodedata.category(one) not in {"Cf", "Cs", "Co"}
    )
    cleaned = " ".join(_DOT_WITHIN.sub(r"\1 ", visible).split())
    # Wide forms, such as ＠, are read as what they look like.
    plain = unicodedata.normalize("NFKC", cleaned)
    if not cleaned or len(cleaned.encode()) > MAX_NAME_CHARS or _NO_NAME.search(plain):
        return None
    return cleaned if any(letter.isalpha() for letter in cleaned) else None


def fill(text: str, values: Mapping[str, str | None]) -> str:
    """The wording with its variables filled in. Braces around anything else stay as they are.

    Raises: MissingValueError for the first variable that has no value.
    """
    for name in variables_in(text):
        if name in VARIABLES and not values.get(name):
            raise MissingValueError(name)
    return re.sub(r"\{\s*(" + "|".join(VARIABLES) + r")\s*\}", lambda place: values.get(place[1]) or "", text)
