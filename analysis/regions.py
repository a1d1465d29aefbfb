"""Which country a telephone number belongs to."""

from functools import cache


@cache
def _region_of_code(country_code: int) -> str | None:
    # Imported on first use: not every process that imports this module minimizes.
    import phonenumbers

    region = phonenumbers.region_code_for_country_code(country_code)
    return None if region in {"ZZ", "001"} else region


def region_of(phone: str) -> str | None:
    """The main country of a number's country code: "905551112233" is "TR"; None when no country has it."""
    if not phone.isdecimal() or phone.startswith("0"):
        return None
    codes = (int(phone[:digits]) for digits in (1, 2, 3) if len(phone) > digits)
    return next((region for code in codes if (region := _region_of_code(code))), None)
