"""What may happen by itself, in whose words, how often and how late."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator

from config.placeholders import Variable
from config.skills import Skill
from config.tenant_part import TenantPart

MAX_ACTION_TEXT_BYTES = 1000
Mode = Literal["off", "shadow", "approve", "auto"]
# Those in which something leaves, at once or when a person agrees.
_LEAVING: tuple[Mode, ...] = ("approve", "auto")


class TemplateConfig(TenantPart):
    """A WhatsApp template of the tenant's that says the same when the 24-hour window is over."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,512}$")]
    languages: dict[str, Annotated[str, Field(pattern=r"^[a-z]{2,3}(_[A-Z]{2,3})?$")]] = Field(min_length=1)
    """Customer's language code to the template's: `{ en = "en_US", tr = "tr" }`; the first one serves all others."""
    parameters: tuple[Annotated[str, Field(min_length=1, max_length=1000)], ...] = ()
    """What fills the template's own {{1}}, {{2}} … in order: words with `{customer_name}`, `{business_name}` or `{link}` in them."""


def _fits_instagram(text: str) -> str:
    if len(text.encode()) > MAX_ACTION_TEXT_BYTES:
        message = f"is longer than {MAX_ACTION_TEXT_BYTES} bytes, which is all that Instagram takes"
        raise ValueError(message)
    return text


class ActionConfig(TenantPart):
    """The tenant's consent to one kind of action. Without it the action is only recorded as `shadow`."""

    enabled: bool = False
    mode: Mode | None = None
    """off: never. shadow: recorded only. approve: a person has to agree first. auto: at once, the same as `enabled = true`."""
    url: Annotated[str, Field(pattern=r"^https?://\S+$", max_length=2000)] | None = None
    """https and public, which is checked in tenant files (config.action_checks)."""
    texts: dict[str, Annotated[str, Field(min_length=1), AfterValidator(_fits_instagram)]] = {}
    """Wording by language code ("en", "tr", …); a language without one uses Earshot's own wording. May hold `{customer_name}`,
    `{business_name}` and `{link}`."""
    defaults: dict[Variable, Annotated[str, Field(min_length=1, max_length=200)]] = {}
    """What stands for a variable whose value nobody knows. Without it a person is called instead."""
    per_customer_per_day: int = Field(default=1, ge=1, le=100)
    max_age_min: int = Field(default=30, ge=1, le=24 * 60)
    """The customer's message is older than this when it would leave: expired, and a person decides instead."""
    template: TemplateConfig | None = None
    """WhatsApp: what leaves when the 24-hour window is over. Without it: expired."""
    on_comments: Literal["auto", "private", "public", "never"] = "auto"
    """How a comment is answered. auto: thanks for praise in public, everything else in private."""
    in_quiet_hours: Literal["wait", "send", "drop"] | None = None
    """During [automation] quiet_hours. Not set: what routing.quiet_hours says of the kind."""
    tags: tuple[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,49}$")], ...] = Field(default=(), max_length=20)
    """tag only: what the conversation is tagged with."""
    assignee: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """assign only: the e-mail of the agent who should have it, as long as they have room."""
    skill: Skill | None = None
    """assign only: it is for an agent with this skill, where the rule names none of its own."""
    due_min: int = Field(default=60, ge=1, le=7 * 24 * 60)
    """schedule_callback only: when the call is due."""
    secret: SecretStr | None = Field(default=None, exclude=True)
    """webhook only: what signs the requests. Stored encrypted, never among the tenant's settings."""
    include_text: bool = False
    """webhook only: consent to hand on the customer's own words too."""

    @model_validator(mode="before")
    @classmethod
    def _mode_decides(cls, given: Any) -> Any:
        if not isinstance(given, dict) or given.get("mode") is None:  # pyright: ignore[reportUnknownMemberType]
            return given  # pyright: ignore[reportUnknownVariableType]
        leaves = given["mode"] in _LEAVING
        if given.get("enabled", leaves) is not leaves:  # pyright: ignore[reportUnknownMemberType]
            message = "mode and enabled contradict each other; leave enabled away"
            raise ValueError(message)
        return {**given, "enabled": leaves}  # pyright: ignore[reportUnknownVariableType]
