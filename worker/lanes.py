"""Which lane a tenant's next message waits in, so that one tenant's flood delays nobody else's message.

Every tenant has a share: so many messages at once, and so many a second after that. What comes on top waits in queues of its own
(`minimize_flood`, `analyze_flood`), which the same workers empty in turn with the others: one from here, one from there. Nothing is held
back while there is room; only the order changes. The shares stand in the broker's server; while that is away, nobody floods.
"""

from dataclasses import dataclass

from worker.rate_budget import Bucket, RateBudget

SHARE_PER_S = 5.0
SHARE_AT_ONCE = 50
# The stages at which messages queue up: the first, and the one that waits for the model.
LANED = ("minimize", "analyze")


def queue_of(stage: str, *, is_flood: bool) -> str:
    """The queue a stage's task waits in."""
    return f"{stage}_flood" if is_flood and stage in LANED else stage


@dataclass(frozen=True)
class Lanes:
    """What each tenant has taken of its share, as all processes know it together."""

    budget: RateBudget

    def is_flood(self, tenant_id: int) -> bool:
        """Whether the tenant's next message is beyond its share. Counts it when it is not."""
        return self.budget.take([Bucket(f"lane:{tenant_id}", per_s=SHARE_PER_S, burst=SHARE_AT_ONCE)]) > 0
