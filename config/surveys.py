"""Whom a tenant asks how it did, how often, and how long an answer counts."""

from typing import Literal

from pydantic import Field

from config.actions import ActionConfig
from config.tenant_part import TenantPart
from config.words import ActionKind

SurveyKind = Literal["nps", "csat"]


class SurveyConfig(TenantPart):
    """One survey. Whether its invitation leaves at all is the tenant's consent to the action ([actions.send_nps_invite] …)."""

    enabled: bool = True
    min_days_between: int = Field(default=90, ge=1, le=3650)
    """Between two invitations of this kind to one customer, over all channels and accounts."""
    sample_share: float = Field(default=1.0, ge=0, le=1)
    """Of the conversations that may be asked. Which ones is fixed by their ids, not by chance."""
    min_score: float = Field(default=0.8, ge=0, le=1)
    """Below this confidence a positive label is not sure enough."""
    answer_within_h: int = Field(default=72, ge=1, le=24 * 30)
    """A number that comes later is an ordinary message."""
    on_channels: tuple[Literal["whatsapp", "instagram", "generic"], ...] = Field(
        default=("whatsapp", "instagram", "generic"), min_length=1
    )
    ask_reason: bool = False
    """After a score without words: one more message that asks for the main reason. It is the consent to that message."""


class CsatConfig(SurveyConfig):
    """Customer satisfaction, asked when a person has resolved a conversation."""

    min_days_between: int = Field(default=30, ge=1, le=3650)
    min_score: float = Field(default=0.0, ge=0, le=1)
    """Asked after neutral conversations too, so this draws a line only where the newest label is positive."""


class Surveys(TenantPart):
    """The tenant's surveys."""

    nps: SurveyConfig = SurveyConfig()
    csat: CsatConfig = CsatConfig()

    def of(self, survey: SurveyKind) -> SurveyConfig:
        """One of them by name."""
        return self.nps if survey == "nps" else self.csat


def consent_to(kind: str, *, actions: dict[ActionKind, ActionConfig], surveys: Surveys) -> ActionConfig | None:
    """What the tenant has set for an action; None: never asked for, so it is only recorded."""
    config = next((config for name, config in actions.items() if name == kind), None)
    if config is None and kind == "ask_survey_reason" and (surveys.nps.ask_reason or surveys.csat.ask_reason):
        return ActionConfig(enabled=True)
    return config
