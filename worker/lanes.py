"""Which lane a tenant's next message waits in, so that one tenant's flood delays nobody else's message.

Every tenant has a share: so many messages at once, and so many a second after that. What comes on top waits in queues of its own
(`minimize_flood`, `analyze_flood`), which the same workers empty in turn with the others: one from here, one from there. Nothing is held
back while there is room; only the order changes. The shares stand in the broker's server; while that is away, nobody floods.
"""

import threading
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from worker.rate_budget import Bucket, RateBudget

SHARE_PER_S = 5.0
SHARE_AT_ONCE = 20
FLOOD_HANDS = 2
# Of the messages that a process works on at a time, floods have at most this part: somebody else's never waits for a thread.
FLOOD_SHARE = 0.8
_FLOOD = "_flood"
# The stages at which messages queue up: the first, and the one that waits for the model.
LANED = ("minimize", "analyze")


def queue_of(stage: str, *, is_flood: bool) -> str:
    """The queue a stage's task waits in."""
    return f"{stage}{_FLOOD}" if is_flood and stage in LANED else stage


def is_flood_queue(queue: str) -> bool:
    """Whether it is one of those."""
    return queue.endswith(_FLOOD)


class FloodHands:
    """How many of a process's threads work on floods in the database at once. A hundred wait for the model; if all of them came back to
    the database together, a message of anybody else would wait behind them for a connection and for the processor.
    """

    def __init__(self, at_once: int = FLOOD_HANDS) -> None:
        self._room = threading.BoundedSemaphore(at_once)

    def turn(self, *, is_flood: bool) -> AbstractContextManager[object]:
        """Hold it around a transaction. Whoever is no flood never waits. Not within another turn."""
        return self._room if is_flood else nullcontext()


def share_of(tenant_id: int) -> Bucket:
    """What a tenant may have on its way without being a flood."""
    return Bucket(f"lane:{tenant_id}", per_s=SHARE_PER_S, burst=SHARE_AT_ONCE)


@dataclass(frozen=True)
class Lanes:
    """What each tenant has taken of its share, as all processes know it together. flooding: tenants that had none left when last asked."""

    budget: RateBudget
    flooding: set[int] = field(default_factory=set[int], compare=False)

    def is_flood(self, tenant_id: int) -> bool:
        """Whether the tenant's next message is beyond its share. Counts it when it is not."""
        return self.within_share(tenant_id, 1) == 0

    def within_share(self, tenant_id: int, messages: int) -> int:
        """How many of the tenant's next messages are within its share, and counts these."""
        given = self.budget.take_many(share_of(tenant_id), messages)
        self.note(tenant_id, wanted=messages, given=given)
        return given

    def note(self, tenant_id: int, *, wanted: int, given: int) -> None:
        """What a tenant's share has given."""
        if given < wanted:
            self.flooding.add(tenant_id)
        else:
            self.flooding.discard(tenant_id)
