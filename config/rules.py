"""Routing rules as a tenant writes them."""

from typing import Annotated, Literal

from pydantic import Field

from config.tenant_part import TenantPart
from config.words import ActionKind, Intent, Priority, Sentiment, Surface


class RuleWhen(TenantPart):
    """Conditions of a rule; all that are given must hold, a list holds when any of its values does."""

    sentiment: tuple[Sentiment, ...] | None = None
    intent: tuple[Intent, ...] | None = None
    topics: tuple[str, ...] | None = None
    surface: tuple[Surface, ...] | None = None
    language: tuple[str, ...] | None = None
    message_type: tuple[str, ...] | None = None
    """The channel's word for what came ("image", "audio", "order" …). The one condition that also fits messages without words."""
    high_value: bool | None = None
    min_score: float | None = Field(default=None, ge=0, le=1)
    max_score: float | None = Field(default=None, ge=0, le=1)


class RuleThen(TenantPart):
    """What a rule decides."""

    queue: Literal["senior", "support", "engineering", "sales", "customer_success", "review", "auto"]
    priority: Priority
    actions: tuple[ActionKind, ...] = ()


class Rule(TenantPart):
    """One routing rule: the first whose conditions all hold decides."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,64}$")]
    because: Annotated[str, Field(min_length=1, max_length=200)]
    """Why, as an agent reads it beside the conversation."""
    when: RuleWhen
    then: RuleThen
