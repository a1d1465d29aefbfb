"""Invented people with invented secrets, each value of which is found again however it is written."""

import base64
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from tests.leaks.uncovering import uncovered

# Between two digits of a number that somebody wrote in groups.
_GAP = r"[^0-9A-Za-z]{0,3}"


@dataclass(frozen=True)
class Canary:
    """kind: what it is, and how it is written. value: as it is sent. is_number: known by its digits alone, however they are grouped."""

    kind: str
    value: str
    is_number: bool = False

    def pattern(self) -> re.Pattern[str]:
        value = _plain(self.value)
        if not self.is_number:
            return re.compile(re.escape(value))
        # Ten digits are a person's: the rest is how to dial from where, or what all ids of a kind begin with.
        return re.compile(_GAP.join(re.sub(r"\D", "", value)[-10:]))


def _plain(text: str) -> str:
    """In one case, and with the digits of any script as 0 to 9."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(str(unicodedata.digit(c)) if c.isdigit() and not c.isascii() else c for c in folded)


@dataclass(frozen=True)
class Person:
    """Who writes, and what they say of themselves."""

    canaries: tuple[Canary, ...]

    def __getitem__(self, kind: str) -> str:
        return next(canary.value for canary in self.canaries if canary.kind == kind)

    def words(self) -> str:
        """A message with all of it."""
        return (
            f"{self['word']}! I want my money back, this is the third time. Call {self['phone, international']} or"
            f" {self['phone, local']} or {self['phone, grouped']} or {self['phone, dotted']} or {self['phone, Arabic digits']},"
            f" mail {self['e-mail']}, insta @{self['handle']}, card {self['card']}, IBAN {self['IBAN']},"
            f" TC kimlik no {self['national id']}, {self['address']}"
        )


def _check_digits_of_national_id(first_nine: str) -> str:
    digits = [int(one) for one in first_nine]
    tenth = (sum(digits[0::2]) * 7 - sum(digits[1::2])) % 10
    return f"{first_nine}{tenth}{(sum(digits) + tenth) % 10}"


def _with_luhn(first_fifteen: str) -> str:
    total = sum(sum(divmod(int(one) * (2 - place % 2), 10)) for place, one in enumerate(first_fifteen))
    return first_fifteen + str(-total % 10)


def _iban(account: str) -> str:
    return f"TR{98 - int(account + '292700') % 97:02d}{account}"


def person(number: int) -> Person:
    """One of up to ten people, who share no value."""
    n = str(number)
    sender = f"90533{n}418827"
    card, iban = _with_luhn(f"4{n}0005665566555"), _iban(f"000610051978645784{n}326")
    wamid = "wamid." + base64.b64encode(b"\x1e\x03" + sender.encode() + b"\x15\x02zz").decode()
    return Person(
        (
            Canary("phone, international", f"+90532{n}734590", is_number=True),
            Canary("phone, local", f"0534{n}612783", is_number=True),
            Canary("phone, grouped", f"+90 (535) {n}93 17 46", is_number=True),
            Canary("phone, dotted", f"0536.{n}57.2948", is_number=True),
            Canary("phone, Arabic digits", f"٠٥٣٧ {chr(0x660 + number)}٨٢ ٦٣ ١٩", is_number=True),
            Canary("sender", sender, is_number=True),
            Canary("wamid", wamid),
            Canary("e-mail", f"quillon.{n}@kanarya.example"),
            Canary("handle", f"quillon_kanar{n}"),
            Canary("username", f"ig.kanarinia{n}"),
            Canary("scoped id", f"71493028556{n}7128", is_number=True),
            Canary("comment id", f"17958844027{n}16393", is_number=True),
            Canary("name", f"Kanarinia{n} Quillonova"),
            Canary("card", " ".join(re.findall("....", card)), is_number=True),
            Canary("IBAN", " ".join(re.findall(".{1,4}", iban)), is_number=True),
            Canary("national id", _check_digits_of_national_id(f"{n}73920418"), is_number=True),
            Canary("address", f"Kanaryagasse {n}17, Hinterhof"),
            Canary("word", f"zephyrquartz{n}"),
            Canary("edited word", f"umbralith{n}"),
            Canary("late word", f"vorpalgon{n}"),
        )
    )


def secrets(number: int) -> Person:
    """What a tenant has shared with us, as their tenant file holds it, and the operator's key of the provider."""
    n = str(number)
    kinds = (
        "app secret",
        "verify token",
        "access token",
        "second access token",
        "CRM token",
        "alert password",
        "typed password",
    )
    canaries = [Canary(kind, f"kanar{n}-{kind.replace(' ', '-')}-9f27c1") for kind in kinds]
    return Person((*canaries, Canary("provider key", f"sk-ant-kanar{n}-5d1e88c07a")))


def readable(raw: bytes | str) -> str:
    """All that the bytes say or hide, in one case and with plain digits."""
    return _plain("\n".join(uncovered(raw.encode(errors="replace") if isinstance(raw, str) else raw)))


def search(text: str, canaries: Iterable[Canary]) -> dict[str, str]:
    """Which kinds stand in a `readable` text, each with the words around it."""
    hits: dict[str, str] = {}
    for canary in canaries:
        if hit := canary.pattern().search(text):
            hits[canary.kind] = text[max(0, hit.start() - 60) : hit.end() + 60]
    return hits


def found(raw: bytes | str, canaries: Iterable[Canary]) -> dict[str, str]:
    """Which kinds are in it, however they are written or wrapped."""
    return search(readable(raw), canaries)
