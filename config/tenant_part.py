"""What every table of a tenant file is made of."""

from pydantic import BaseModel, ConfigDict


class TenantPart(BaseModel):
    """Frozen; unknown keys are errors; a value is never quoted in an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
