"""What people paste into fields for keys and ids: freed of what came along by accident, and refused where it can't be the real thing."""

import re
from dataclasses import dataclass, field

# Quotes of all kinds, and blanks and marks that nobody sees.
_AROUND = " \t\r\n\u00a0\u200b\u200c\u200d\u2060\ufeff\u200e\u200f\"'`\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb"
_INSIDE = re.compile(r"[\x00-\x20\x7f-\xa0\u200b-\u200f\u2028\u2029\u2060\ufeff]")
MAX_CHARS = 4000


def _(text: str) -> str:
    """Marks a text for the catalogs."""
    return text


@dataclass(frozen=True)
class Pasted:
    """value: what is meant. was_cleaned: something around it was taken away. problem: why it can't be it, in English; None: fine."""

    value: str = field(repr=False)
    was_cleaned: bool
    problem: str | None


def read_pasted(given: str, *, least: int = 1) -> Pasted:
    """A key, token or id on one line; least: fewer characters than this can't be one. Nothing given: no problem."""
    value = given.strip(_AROUND)
    was_cleaned = value != given
    if not value:
        return Pasted("", was_cleaned, None)
    return Pasted(value, was_cleaned, _problem(value, least=least))


def read_pem(given: str) -> Pasted:
    """A private key: its lines stay."""
    value = given.strip(_AROUND).replace("\r\n", "\n")
    problem = None
    if value and not (value.startswith("-----BEGIN") and value.endswith("-----")):
        problem = _("Paste the whole key, from -----BEGIN to -----END and the dashes after it.")
    return Pasted(value, False, problem)


def _problem(value: str, *, least: int) -> str | None:
    if value.lower().startswith("env:"):
        return _("env: works in tenant files only. Paste the value itself: it is stored encrypted.")
    if _INSIDE.search(value):
        return _("It has a blank or a line break in it: copy it again, alone.")
    if len(value) > MAX_CHARS:
        return _("It is too long to be one: copy it again, alone.")
    if len(value) < least:
        return _("It is too short to be the real one: copy all of it.")
    return None
