"""Phone numbers by the numbering plans of the countries in question, asked a bounded number of times per text."""

import re
from collections.abc import Iterator, Sequence

from analysis.pii_draft import Finding

# One question costs about 25 µs. A person's message asks one to three; after this many, long numbers are cut unasked.
MAX_QUESTIONS = 8
MIN_DIGITS = 7
MAX_DIGITS = 15  # E.164; with an international prefix two more


class PhonePlans:
    """The numbering plans of `regions` (ISO country codes, upper case), with a budget of questions for one text."""

    def __init__(self, regions: Sequence[str]) -> None:
        self._regions = tuple(dict.fromkeys(region.upper() for region in regions if region))
        self.questions_left = MAX_QUESTIONS

    @property
    def exhausted(self) -> bool:
        """Whether the budget is spent."""
        return self.questions_left <= 0

    def _ask(self, number: str, region: str | None) -> tuple[bool, bool]:
        """(Valid, possible by its length)."""
        # Imported on first use: the numbering plans are big, and not every process that imports this module minimizes.
        import phonenumbers

        self.questions_left -= 1
        try:
            parsed = phonenumbers.parse(number, region)
        except phonenumbers.NumberParseException:
            return False, False
        return phonenumbers.is_valid_number(parsed), phonenumbers.is_possible_number(parsed)

    def check(self, digits: str, *, international: bool) -> tuple[bool, bool]:
        """Whether the number is valid in one of the regions, and whether its length is possible there.

        international: written with a plus. `00…` and a country code without a plus are tried as international too.
        """
        if not MIN_DIGITS <= len(digits) <= MAX_DIGITS + 2:
            return False, False
        if international:
            return self._ask("+" + digits, None)
        possible = False
        for region in self._regions:
            valid, fits = self._ask(digits, region)
            if valid:
                return True, True
            possible = possible or fits
        if digits.startswith("00"):
            return self._ask("+" + digits[2:], None)
        if len(digits) >= 10 and not digits.startswith("0"):
            valid, _ = self._ask("+" + digits, None)
            return valid, possible or valid
        return False, possible

    def is_mobile(self, digits: str) -> bool:
        """Whether it is a mobile number of one of the regions: countries without area codes write eight bare digits."""
        import phonenumbers

        for region in self._regions:
            self.questions_left -= 1
            try:
                kind = phonenumbers.number_type(phonenumbers.parse(digits, region))
            except phonenumbers.NumberParseException:
                continue
            if kind == phonenumbers.PhoneNumberType.MOBILE:
                return True
        return False


# What follows a telephone number that was cut: "ext. 44", "dahili 12", "Durchwahl 15".
_EXTENSION = re.compile(
    r"\x01[ ,.;(]{0,3}(?:ext(?:ension)?|extn|dahili|durchwahl|dw|poste|interno|ramal|anexo|toestel|wew|доб|داخلي|تحويلة)"
    r"[.: ]{0,3}(\d{1,6})(?!\d)"
)


def find_extensions(shadow: str) -> Iterator[Finding]:
    """Extensions behind numbers that are cut already."""
    for match in _EXTENSION.finditer(shadow):
        yield Finding(match.start(1), match.end(1), "EXTENSION", match[1])
