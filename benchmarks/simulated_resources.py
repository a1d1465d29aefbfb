"""What a simulated stack waits for: time, threads and connections, processor cores, shares of a rate."""

import heapq
import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

Then = Callable[[], None]
# A turn of the kernel's scheduler: two to four milliseconds where others wait.
TURN_S = 0.003


class Clock:
    """Events in the order of their times; equal ones as they were made."""

    def __init__(self) -> None:
        self.now = 0.0
        self._events: list[tuple[float, int, Then]] = []
        self._numbers = itertools.count()

    def after(self, seconds: float, then: Then) -> None:
        """Do it so much later."""
        heapq.heappush(self._events, (self.now + seconds, next(self._numbers), then))

    def run(self) -> None:
        """Until nothing is left to happen."""
        while self._events:
            self.now, _, then = heapq.heappop(self._events)
            then()


@dataclass
class Places:
    """So many at a time (threads, connections, slots); the rest waits in order, lanes taken in turn."""

    clock: Clock
    free: int
    lanes: list[deque[Then]] = field(default_factory=lambda: [deque(), deque()])
    used_s: float = 0.0
    _turn: int = 0

    def take(self, then: Then, *, lane: int = 0) -> None:
        """Go on once there is a place."""
        if self.free:
            self.free -= 1
            self.used_s -= self.clock.now
            then()
        else:
            self.lanes[lane].append(then)

    def give_back(self) -> None:
        """The next one goes on, at this moment but not within this call."""
        for turn in (self._turn + 1, self._turn):
            lane = self.lanes[turn % len(self.lanes)]
            if lane:
                self._turn = turn % len(self.lanes)
                self.clock.after(0.0, lane.popleft())
                return
        self.free += 1
        self.used_s += self.clock.now


class Cores:
    """A machine. Work of urgent processes comes before that of those that yield (nice); within each, turns of TURN_S."""

    def __init__(self, clock: Clock, count: int) -> None:
        self.count = count
        self.used_s: dict[str, float] = {}
        self._clock, self._free = clock, count
        self._waiting: tuple[deque[Program], deque[Program]] = (deque(), deque())

    def ready(self, program: "Program") -> None:
        """It has something to do."""
        self._waiting[0 if program.urgent else 1].append(program)
        self._give_out()

    def _give_out(self) -> None:
        while self._free and (self._waiting[0] or self._waiting[1]):
            program = (self._waiting[0] or self._waiting[1]).popleft()
            self._free -= 1
            taken = min(TURN_S, program.jobs[0][0])
            self.used_s[program.kind] = self.used_s.get(program.kind, 0.0) + taken
            self._clock.after(taken, lambda program=program, taken=taken: self._ran(program, taken))

    def _ran(self, program: "Program", taken: float) -> None:
        self._free += 1
        left, then = program.jobs.popleft()
        left -= taken
        if left > 1e-9:
            program.jobs.append((left, then))
        if program.jobs:
            self._waiting[0 if program.urgent else 1].append(program)
        else:
            program.is_ready = False
        if left <= 1e-9:
            then()
        self._give_out()


@dataclass
class Program:
    """A process that runs on one core at a time, whatever the number of its threads."""

    kind: str
    cores: Cores
    urgent: bool = True
    jobs: deque[tuple[float, Then]] = field(default_factory=deque)
    is_ready: bool = False

    def work(self, seconds: float, then: Then) -> None:
        """Go on when the processor has worked on it for so long."""
        if seconds <= 0:
            then()
            return
        self.jobs.append((seconds, then))
        if not self.is_ready:
            self.is_ready = True
            self.cores.ready(self)


@dataclass
class Bucket:
    """So many a second on average, `burst` at once."""

    per_s: float
    burst: float
    _full_at: float = 0.0

    def take(self, now: float) -> float:
        """0 when one was taken, else seconds to wait."""
        full_at = max(self._full_at, now)
        wait = full_at - (self.burst - 1) / self.per_s - now
        if wait > 1e-9:
            return wait
        self._full_at = full_at + 1 / self.per_s
        return 0.0
