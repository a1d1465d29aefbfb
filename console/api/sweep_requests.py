"""What calls about sweeps may say."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from console.api.requests import Body, Number, PageQuery, Whole
from console.sweep_deeds import MAX_BUDGET_USD, MAX_CUSTOMERS, MAX_DAYS, Wanted


class SweepPath(BaseModel):
    """Which sweep."""

    sweep_id: UUID


class SweepWanted(Body):
    """What is left out is the tenant's own setting. batches: half the price, and later done."""

    days: Whole | None = Field(default=None, ge=1, le=MAX_DAYS)
    customers: Whole | None = Field(default=None, ge=1, le=MAX_CUSTOMERS)
    budget_usd: Number | None = Field(default=None, ge=0, le=MAX_BUDGET_USD, allow_inf_nan=False)
    batches: bool = True

    def wanted(self) -> Wanted:
        """As planning takes it."""
        return Wanted(self.days, self.customers, self.budget_usd, batches=self.batches)


class Resumption(Body):
    """budget_usd: another budget in the whole; left out: the same."""

    budget_usd: Number | None = Field(default=None, ge=0, le=MAX_BUDGET_USD, allow_inf_nan=False)


class FlipQuery(PageQuery):
    """field: only where this changed; old, new: from and to this value of it."""

    field: Literal["sentiment", "intent", "topics"] | None = None
    old: Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,40}$")] | None = None
    new: Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,40}$")] | None = None
