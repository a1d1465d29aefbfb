"""Which lane a tenant's next message waits in, so that one tenant's flood delays nobody else's message.

Every tenant has a share: so many messages at once, and so many a second after that. What comes on top waits in queues of its own
(`minimize_flood`, `analyze_flood`), which the same workers empty in turn with the others: one from here, one from there. Nothing is held
back while there is room; only the order changes. The shares stand in the broker's server; while that is away, nobody floods.
"""

import threading
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from worker.rate_budget import Bucket, RateBudget

SHARE_PER_S = 5.0
SHARE_AT_ONCE = 20
FLOOD_HANDS = 2
# Of the messages that a process works on at a time, floods have at most this part: somebody else's never waits for a thread.
FLOOD_SHARE = 0.8
# And so many in work at a time, besides those that wait for the model, while others write too: somebody else's message would wait its turn
# behind each of them at every step. Nobody else's has come lately: as many as one interpreter has use for.
FLOODS_IN_WORK, FLOODS_IN_WORK_ALONE = 2, 12
LATELY_S = 2.0
# So long a flood's transaction waits for others' messages to come as far as the model. Where there is always one, floods still go on.
GIVES_WAY_S = 0.05
_FLOOD = "_flood"
# The stages at which messages queue up: the first, and the one that waits for the model.
LANED = ("minimize", "analyze")


def queue_of(stage: str, *, is_flood: bool) -> str:
    """The queue a stage's task waits in."""
    return f"{stage}{_FLOOD}" if is_flood and stage in LANED else stage


def is_flood_queue(queue: str) -> bool:
    """Whether it is one of those."""
    return queue.endswith(_FLOOD)


class InWork:
    """What a process does: messages that it works on, without those that wait for the model and need nothing of it meanwhile.

    Others' messages: of tenants of whose floods it has had nothing lately. Those of a flooding tenant that are within its share go first
    by their queue, and hold up nothing of the same tenant's.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._live = Counter[int]()
        self._floods_asking = 0
        self._flooded_at: dict[int, float] = {}
        # By tenant, the latest last.
        self._live_at: dict[int, float] = {}

    @contextmanager
    def message(self, tenant_id: int, *, is_flood: bool) -> Generator[None]:
        """Hold it around all stages of a message that run here."""
        with self._changed:
            if is_flood:
                self._flooded_at[tenant_id] = time.monotonic()
        self._add(tenant_id, live=0 if is_flood else 1)
        try:
            yield
        finally:
            self._add(tenant_id, live=0 if is_flood else -1)

    @contextmanager
    def call(self, tenant_id: int, *, is_flood: bool) -> Generator[None]:
        """Hold it around a call of the model."""
        self._add(tenant_id, live=0 if is_flood else -1, floods_asking=1 if is_flood else 0)
        try:
            yield
        finally:
            self._add(tenant_id, live=0 if is_flood else 1, floods_asking=-1 if is_flood else 0)

    def _add(self, tenant_id: int, *, live: int, floods_asking: int = 0) -> None:
        with self._changed:
            self._floods_asking += floods_asking
            if live:
                self._live[tenant_id] += live
                if not self._live[tenant_id]:
                    del self._live[tenant_id]
                self._live_at.pop(tenant_id, None)
                self._live_at[tenant_id] = time.monotonic()
            if not self.others:
                self._changed.notify_all()

    def _floods(self, tenant_id: int) -> bool:
        return time.monotonic() - self._flooded_at.get(tenant_id, -LATELY_S) < LATELY_S

    @property
    def others(self) -> int:
        """Others' messages that are worked on."""
        return sum(number for tenant_id, number in self._live.items() if not self._floods(tenant_id))

    @property
    def floods_asking(self) -> int:
        """Messages of floods that wait for the model."""
        return self._floods_asking

    @property
    def most_of_floods(self) -> int:
        """How many messages of floods may be in work, besides those that wait for the model."""
        with self._changed:
            return FLOODS_IN_WORK if self._others_wrote_lately() else FLOODS_IN_WORK_ALONE

    def _others_wrote_lately(self) -> bool:
        # A flood begins with messages within its share: looked at now, they are no one else's.
        for tenant_id, at in reversed(self._live_at.items()):
            if time.monotonic() - at >= LATELY_S:
                self._live_at = {one: then for one, then in self._live_at.items() if then > at}
                return False
            if not self._floods(tenant_id):
                return True
        return False

    def let_others_go_first(self, *, timeout_s: float | None = GIVES_WAY_S) -> None:
        """Wait until none of the others' messages is worked on, but no longer than this; None: however long it takes."""
        with self._changed:
            self._changed.wait_for(lambda: not self.others, timeout_s)


in_work = InWork()
"""Of this process."""


class FloodHands:
    """How many of a process's threads work on floods in the database at once. A hundred wait for the model; if all of them came back to
    the database together, a message of anybody else would wait behind them for a connection and for the processor.
    """

    def __init__(self, at_once: int = FLOOD_HANDS) -> None:
        self._room = threading.BoundedSemaphore(at_once)

    @contextmanager
    def turn(self, *, is_flood: bool) -> Generator[None]:
        """Hold it around a transaction. Whoever is no flood never waits, and a flood's begins behind theirs. Not within another turn."""
        if not is_flood:
            yield
            return
        with self._room:
            in_work.let_others_go_first()
            yield


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
