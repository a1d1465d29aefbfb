"""How fast a tenant wants to answer."""

from pydantic import Field

from config.tenant_part import TenantPart


class SlaTarget(TenantPart):
    """Targets of one priority, in minutes of business time."""

    first_answer_min: int | None = Field(default=None, ge=1)
    next_answer_min: int | None = Field(default=None, ge=1)
    resolution_min: int | None = Field(default=None, ge=1)
