"""The console in the visitor's language: texts from catalogs beside this file, dates and numbers by Babel."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime, format_timedelta
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent
from babel.support import NullTranslations, Translations

LANGUAGES: Mapping[str, str] = {"en": "English", "de": "Deutsch", "tr": "Türkçe", "ar": "العربية"}
DEFAULT = "en"


@dataclass(frozen=True)
class Speech:
    """One language at work, in one time zone."""

    language: str
    zone: ZoneInfo

    @property
    def direction(self) -> str:
        """`ltr` or `rtl`."""
        return "rtl" if self.language == "ar" else "ltr"

    def text(self, message: str) -> str:
        """The text in this language; as it is where nobody has translated it."""
        return _catalog(self.language).gettext(message)

    def texts(self, one: str, many: str, count: int) -> str:
        """The text for so many, with `%(n)s` filled in."""
        return _catalog(self.language).ngettext(one, many, count) % {"n": self.number(count)}

    def number(self, value: float) -> str:
        """By the language's own marks."""
        return format_decimal(value, locale=self.language)

    def score(self, value: float) -> str:
        """A score from 0 to 1, always with two places: "0.90"."""
        return format_decimal(value, "0.00", locale=self.language)

    def number_up_to(self, value: int, most: int) -> str:
        """The number; "999+" for what was not counted any further than `most`."""
        return f"{self.number(most)}+" if value > most else self.number(value)

    def percent(self, share: float) -> str:
        """0.42 as "42%"."""
        return str(format_percent(share, locale=self.language))

    def moment(self, at: datetime, *, full: bool = False) -> str:
        """Local time: short, or whole for the tip behind it."""
        return format_datetime(at, "full" if full else "short", tzinfo=self.zone, locale=self.language)

    def day(self, day: date) -> str:
        """Short: "25 Nov 2026"."""
        return format_date(day, "medium", locale=self.language)

    def span(self, length: timedelta) -> str:
        """A length of time in words: "4 hours"."""
        return str(format_timedelta(length, threshold=1.2, locale=self.language))

    def ago(self, at: datetime, *, now: datetime) -> str:
        """So long before or after now, in words: "5 min ago"."""
        return str(format_timedelta(at - now, add_direction=True, format="short", threshold=1.2, locale=self.language))


def isolated(words: str) -> str:
    """Words that keep their direction of writing to themselves in a sentence of another language (U+2068 … U+2069)."""
    return f"\u2068{words}\u2069"


def choose_language(*, wanted: str | None, accepted: Sequence[str]) -> str:
    """What the visitor chose, else the first of the browser's that we speak, else English."""
    if wanted is not None and wanted in LANGUAGES:
        return wanted
    for tag in accepted:
        language = tag.partition("-")[0].lower()
        if language in LANGUAGES:
            return language
    return DEFAULT


@cache
def _catalog(language: str) -> NullTranslations:
    source = files("console").joinpath(f"translations/{language}.po")
    if language == DEFAULT or not source.is_file():
        return NullTranslations()
    compiled = io.BytesIO()
    write_mo(compiled, read_po(io.BytesIO(source.read_bytes()), locale=language))
    compiled.seek(0)
    return Translations(fp=compiled)
