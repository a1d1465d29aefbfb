"""What holds for everything that leaves by itself."""

from typing import Annotated

from pydantic import AfterValidator, Field

from config.hours import MINUTES_A_DAY, parse_spans
from config.tenant_part import TenantPart


def _one_span(text: str) -> str:
    spans = parse_spans(text)
    if len(spans) != 1:
        message = 'must be one span, such as "21:00-08:00"'
        raise ValueError(message)
    start, end = spans[0]
    if end - start >= MINUTES_A_DAY:
        message = "covers the whole day, so that nothing could ever leave; switch the actions off instead"
        raise ValueError(message)
    return text


class Automation(TenantPart):
    """Limits over all kinds of messages that leave by themselves."""

    quiet_hours: Annotated[str, AfterValidator(_one_span)] | None = None
    """`"21:00-08:00"` in the tenant's time zone ([hours] time_zone). Which kinds keep to it: [actions.KIND] in_quiet_hours."""
    max_per_customer_per_day: int = Field(default=3, ge=1, le=100)
    """Messages of all kinds to one customer within 24 hours."""
