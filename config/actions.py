"""What may happen by itself, in whose words, how often and how late."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from config.tenant_part import TenantPart

MAX_ACTION_TEXT_BYTES = 1000


class TemplateConfig(TenantPart):
    """A WhatsApp template of the tenant's that says the same when the 24-hour window is over."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,512}$")]
    languages: dict[str, Annotated[str, Field(pattern=r"^[a-z]{2,3}(_[A-Z]{2,3})?$")]] = Field(min_length=1)
    """Customer's language code to the template's: `{ en = "en_US", tr = "tr" }`; the first one serves all others."""


def _fits_instagram(text: str) -> str:
    if len(text.encode()) > MAX_ACTION_TEXT_BYTES:
        message = f"is longer than {MAX_ACTION_TEXT_BYTES} bytes, which is all that Instagram takes"
        raise ValueError(message)
    return text


class ActionConfig(TenantPart):
    """The tenant's consent to one kind of action. Without it the action is only recorded as `shadow`."""

    enabled: bool = False
    url: Annotated[str, Field(pattern=r"^https://\S+$", max_length=2000)] | None = None
    texts: dict[str, Annotated[str, Field(min_length=1), AfterValidator(_fits_instagram)]] = {}
    """Wording by language code ("en", "tr", …); a language without one uses Earshot's own wording."""
    per_customer_per_day: int = Field(default=1, ge=1, le=100)
    max_age_min: int = Field(default=30, ge=1, le=24 * 60)
    """The customer's message is older than this when it would leave: expired, and a person decides instead."""
    template: TemplateConfig | None = None
    """WhatsApp: what leaves when the 24-hour window is over. Without it: expired."""
    on_comments: Literal["auto", "private", "public", "never"] = "auto"
    """How a comment is answered. auto: thanks for praise in public, everything else in private."""
