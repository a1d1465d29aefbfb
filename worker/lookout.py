"""Looks once a second for upkeep that has something to do, in each worker that does upkeep.

Not a task of beat's: to send, fetch and run one takes 10 ms of processor where little else goes on, and the look is one statement. And upkeep goes
on while beat is away.
"""

import threading
from collections.abc import Callable

import structlog
from redis import Redis, RedisError

from worker.deps import Deps
from worker.quiet_work import do_quietly
from worker.upkeep_look import look

log = structlog.get_logger()

LOOK_EVERY_S = 1.0
# Of several workers the first to come looks, and nobody else in this time. Shorter than the pause, so that one worker alone never waits.
TURN_MS = 800
TURN = "earshot:look"


class Lookout(threading.Thread):
    """Until the process ends."""

    def __init__(self, deps: Deps, *, ring: Callable[[str], None]) -> None:
        super().__init__(name="lookout", daemon=True)
        self._deps, self._ring = deps, ring
        self._over = threading.Event()

    def run(self) -> None:
        """Look, and look again; returns after `stop`."""
        while not self._over.wait(LOOK_EVERY_S):
            try:
                self.look_once()
            except Exception as error:  # noqa: BLE001 -- a bug must not end all upkeep of this worker
                log.error("look_failed", code=type(error).__name__)  # noqa: TRY400 -- its text may quote anything

    def stop(self) -> None:
        """Look no more."""
        self._over.set()

    def look_once(self) -> None:
        """Ring for what has something to do, unless another worker has just looked. A look that fails is a line in the log."""
        if takes_turn(self._deps.shared_redis):
            do_quietly(self._ring_all, name="look")

    def _ring_all(self) -> None:
        for name in look(self._deps):
            self._ring(name)


def takes_turn(shared: Redis | None) -> bool:
    """Whether no other worker has looked just now. Where nobody can say, each looks: a task that is rung twice finds its work done."""
    if shared is None:
        return True
    try:
        return bool(shared.set(TURN, "1", nx=True, px=TURN_MS))
    except RedisError:
        return True
