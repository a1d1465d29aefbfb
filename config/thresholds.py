"""Where a tenant draws its lines."""

from pydantic import Field

from config.tenant_part import TenantPart


class Thresholds(TenantPart):
    """Where the tenant draws its lines. Scores are the model's confidence in its label, 0.0 to 1.0."""

    escalate: float = Field(default=0.70, ge=0, le=1)
    unsure: float = Field(default=0.50, ge=0, le=1)
    debounce_s: float = Field(default=0, ge=0, le=60)
    """A burst of one customer within this many seconds becomes one analysis; 0: every message has its own."""
    debounce_urgent: bool = False
    """Let messages wait too that hold an urgent word."""
