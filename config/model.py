"""Which models read a tenant's messages, and what that may cost."""

from typing import Annotated, Literal

from pydantic import Field

from config.rules_versions import RULES_VERSIONS
from config.tenant_part import TenantPart

ModelName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{2,99}$")]


class ModelConfig(TenantPart):
    """Which models read the tenant's messages; None: what the installation uses."""

    default: ModelName | None = None
    escalation: ModelName | None = None
    """Reads again what the default model is unsure of, finds sarcastic, or contradicts itself in."""
    escalate_below: float = Field(default=0.55, ge=0, le=1)
    """Answers with a lower score are read again."""
    rules: Literal[RULES_VERSIONS] | None = None  # pyright: ignore[reportInvalidTypeForm]
    """A version of the global rules to keep to; None: always the newest."""
    max_escalation_share: float = Field(default=0.05, ge=0, le=1)
    """Of a day's calls; 0 switches second readings off. They cost some twenty times as much."""


class BudgetConfig(TenantPart):
    """What the tenant's analyses may cost. When it is used up they wait, and people see their messages all the same."""

    daily_usd: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    monthly_usd: float | None = Field(default=None, gt=0, allow_inf_nan=False)

    @property
    def is_limited(self) -> bool:
        """Whether there is anything to keep to."""
        return self.daily_usd is not None or self.monthly_usd is not None
