"""How long a tenant's data is kept."""

from typing import Self

from pydantic import Field, model_validator

from config.tenant_part import TenantPart

# Webhooks are delivered again for a week, and a body that is younger may still be needed to read it anew.
LEAST_RAW_DAYS = 7
LEAST_TEXT_DAYS = 30
LEAST_HISTORY_DAYS = 90


class Retention(TenantPart):
    """For how many days after a message came its parts are kept. 0: until they are erased."""

    raw_days: int = Field(default=30, ge=0, le=36_500)
    """The raw item of the webhook, as the channel sent it."""
    text_days: int = Field(default=400, ge=0, le=36_500)
    """Its words: text, stripped text, earlier versions, summary, what left for the AI provider. Labels stay."""
    history_days: int = Field(default=0, ge=0, le=36_500)
    """The message itself with its analyses and decisions. Kept for ever by default: labels without words are what reports count."""

    @model_validator(mode="after")
    def _is_in_order(self) -> Self:
        """The raw item holds the words, and the words belong to the message: neither may outlive the other."""
        for name, days, least in (
            ("raw_days", self.raw_days, LEAST_RAW_DAYS),
            ("text_days", self.text_days, LEAST_TEXT_DAYS),
            ("history_days", self.history_days, LEAST_HISTORY_DAYS),
        ):
            if 0 < days < least:
                message = f"retention.{name} must be 0 (until erased) or at least {least}"
                raise ValueError(message)
        if _outlives(self.raw_days, self.text_days):
            message = "retention.raw_days must not be longer than text_days: the raw item holds the words"
            raise ValueError(message)
        if _outlives(self.text_days, self.history_days):
            message = "retention.text_days must not be longer than history_days: the words go with their message"
            raise ValueError(message)
        return self


def _outlives(inner: int, outer: int) -> bool:
    return outer > 0 and (inner == 0 or inner > outer)
