"""How fast a tenant wants to answer: targets by priority, on top of Earshot's own, and by queue where one is different."""

from typing import Literal, Self

from pydantic import Field, model_validator

from config.queues import QueueName
from config.tenant_part import TenantPart
from config.words import Priority

LONGEST_MIN = 60 * 24 * 365
ClockKind = Literal["first_answer", "next_answer", "resolution"]


class SlaTarget(TenantPart):
    """Targets of one priority, in minutes. What is left out is inherited; 0 switches that clock off."""

    first_answer_min: int | None = Field(default=None, ge=0, le=LONGEST_MIN)
    """From a customer's first message to the first answer of a person."""
    next_answer_min: int | None = Field(default=None, ge=0, le=LONGEST_MIN)
    """From the first message that is unanswered, after a person has answered before."""
    resolution_min: int | None = Field(default=None, ge=0, le=LONGEST_MIN)
    """From a customer's first message until the conversation is resolved."""
    warn_before_min: int | None = Field(default=None, ge=1, le=LONGEST_MIN)
    """Warn so many minutes before a target is missed, instead of at the share `warn_at_share`."""
    counts: Literal["business", "always"] | None = None
    """business: only minutes in which the tenant is open. always: around the clock."""

    @model_validator(mode="after")
    def _can_be_kept(self) -> Self:
        targets = {
            name: value
            for name in ("first_answer_min", "next_answer_min", "resolution_min")
            if (value := getattr(self, name))
        }
        first, resolution = targets.get("first_answer_min"), targets.get("resolution_min")
        if first and resolution and resolution < first:
            raise ValueError("resolution_min is shorter than first_answer_min; nobody resolves before they answer")
        for name, value in targets.items():
            if self.warn_before_min and self.warn_before_min >= value:
                raise ValueError(f"warn_before_min is not shorter than {name}; it would warn from the start")
        return self


DEFAULTS: dict[Priority, SlaTarget] = {
    "P1": SlaTarget(first_answer_min=15, next_answer_min=15, resolution_min=4 * 60, counts="business"),
    "P2": SlaTarget(first_answer_min=60, next_answer_min=60, resolution_min=8 * 60, counts="business"),
    "P3": SlaTarget(first_answer_min=4 * 60, next_answer_min=4 * 60, resolution_min=24 * 60, counts="business"),
    "P4": SlaTarget(first_answer_min=24 * 60, next_answer_min=24 * 60, resolution_min=0, counts="business"),
}
"""What holds where a tenant says nothing."""

_NOTHING = SlaTarget(first_answer_min=0, next_answer_min=0, resolution_min=0, counts="business")


class Sla(TenantPart):
    """The tenant's service levels: `[sla.P1]` … `[sla.P4]`, and `[sla.queue.senior.P1]` where a queue has its own."""

    enabled: bool = True
    """Off: no clocks at all."""
    defaults: bool = True
    """Off: only what the tenant names has a clock."""
    warn_at_share: float = Field(default=0.8, gt=0, lt=1)
    """Warn when so much of a target's time is used up."""
    reopen_within_h: int = Field(default=24, ge=0, le=24 * 90)
    """A customer who writes again within so many hours goes on with the same matter; later it is a new one."""
    P1: SlaTarget = SlaTarget()
    P2: SlaTarget = SlaTarget()
    P3: SlaTarget = SlaTarget()
    P4: SlaTarget = SlaTarget()
    queue: dict[QueueName, dict[Priority, SlaTarget]] = {}

    def target_of(self, queue: str, priority: Priority) -> SlaTarget:
        """Every field set (but `warn_before_min`): the queue's own, else the priority's, else Earshot's default."""
        if not self.enabled:
            return _NOTHING
        own: SlaTarget = getattr(self, priority)
        of_queue = self.queue.get(queue, {}).get(priority)
        merged = (DEFAULTS[priority] if self.defaults else _NOTHING).model_dump()
        for target in (own, of_queue):
            if target:
                merged |= target.model_dump(exclude_none=True)
        # Parts that were checked one by one may contradict each other together; then each still counts for itself.
        return SlaTarget.model_construct(**merged)
