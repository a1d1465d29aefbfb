"""How conversations find a person by themselves."""

from pydantic import Field

from config.queues import QueueName
from config.tenant_part import TenantPart


class AssignmentConfig(TenantPart):
    """The tenant's `[assignment]`."""

    auto_assign: tuple[QueueName, ...] = ()
    """Queues whose conversations are given to people; from the others people take them."""
    vanish_after_min: int = Field(default=10, ge=1, le=24 * 60)
    """An agent whose program has been silent for this long is gone: what customers wait for goes back to its queue."""
    skill_wait_min: int = Field(default=5, ge=0, le=24 * 60)
    """How long a conversation waits for somebody with the wanted skill before anybody may have it."""
    default_capacity: int = Field(default=5, ge=1, le=1000)
    """Open conversations at once, of an agent for whom nobody has set a number."""
