"""A stack in numbers: messages arrive, wait for threads, cores, connections, the model and its limits; the clock is a heap of events.

The same constants as the capacity plan, the same wiring as the product: what it is for is to find what waits for what. Seeded: the same
run each time. What it leaves out stands in docs/capacity.md.
"""

import itertools
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.open_pages import percentile
from benchmarks.simulated_resources import TURN_S, Bucket, Clock, Cores, Places, Program, Then
from worker.lanes import FLOOD_HANDS, SHARE_AT_ONCE, SHARE_PER_S
from worker.provider_gate import BULK_SHARE, MAX_SLEEP_S, SHARE_OF_LIMIT

OTHERS_STEP_S = 0.5
# Trips to the database before and after the call to the model; a message takes some seventy statements.
TRIPS = 8
RETRY_AFTER_S = 5.0
# A limit for a minute is kept over shorter times: nobody may ask for a minute's requests at once.
PROVIDER_BURST_S = 5.0


@dataclass(frozen=True)
class Costs:
    """Milliseconds of processor time a message, by kind of process; `database_ms`: Postgres's, by who asked."""

    own_ms: Mapping[str, float]
    database_ms: Mapping[str, float]


@dataclass(frozen=True)
class Setup:
    """What runs where. cores: of the machine; database_cores: of Postgres's own, None where it shares the machine.

    model_cv: spread of the model's time (standard deviation over mean, log-normal; 0: always the same); exponential: instead of that.
    per_min: what the provider allows; None: everything. others_cores: what other programs take
    of the machine, one figure after another for OTHERS_STEP_S each, the last one for ever.
    """

    cores: int
    costs: Costs
    flood_costs: Costs
    analyze: int = 1
    stages: int = 1
    receivers: int = 2
    threads: int = 100
    stages_threads: int = 6
    pool: int = 8
    database_cores: int | None = None
    model_s: float = 1.5
    model_cv: float = 0.0
    exponential: bool = False
    per_min: float | None = None
    workers_know_limit: bool = True
    workers_yield: bool = True
    others_cores: tuple[float, ...] = ()


@dataclass(frozen=True)
class Load:
    """Arrivals. per_s: at the peak. in_flight: closed loop with so many unfinished instead. day: the rate follows a day's curve.

    tenants: in turn. flooding_share: of the messages, on top of theirs from one tenant that floods.
    """

    messages: int
    per_s: float = 0.0
    in_flight: int | None = None
    tenants: int = 10
    peak_factor: float = 3.0
    day: bool = False
    flooding_share: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """seconds: until the last was done. delays_s: from receipt to decision, sorted; flood_delays_s: of messages in the flood's lane."""

    messages: int
    seconds: float
    delays_s: list[float]
    flood_delays_s: list[float]
    refused: int
    cores_used: Mapping[str, float]
    threads_used: float
    connections_used: float

    @property
    def per_s(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds

    def delay_s(self, share: float) -> float:
        """Of all messages in the ordinary lane, or of all when there are none."""
        return percentile(self.delays_s or self.flood_delays_s, share)


def day_shape(peak_factor: float) -> Callable[[float], float]:
    """The rate over a day (0 to 1) as a share of its peak; its mean is 1 / peak_factor."""
    if peak_factor <= 1:
        return lambda _: 1.0

    def mean(power: float) -> float:
        return math.exp(math.lgamma(power + 0.5) - math.lgamma(power + 1)) / math.sqrt(math.pi)

    low, high = 0.0, 1e6
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if mean(middle) > 1 / peak_factor else (low, middle)
    return lambda moment: abs(math.cos(math.pi * (moment - 0.6))) ** (2 * low)


@dataclass
class _Message:
    """On its way. tenant: -1 is the one that floods."""

    tenant: int
    came_at: float
    is_flood: bool = False


class Simulation:
    """One run."""

    def __init__(self, setup: Setup, load: Load, *, seed: int) -> None:
        self._setup, self._load, self._rng = setup, load, random.Random(seed)  # noqa: S311 -- the same run each time
        self.clock = clock = Clock()
        self.machine = Cores(clock, setup.cores)
        self.database = Cores(clock, setup.database_cores) if setup.database_cores else self.machine
        self._receivers = [self._program("receiver", urgent=True) for _ in range(setup.receivers)]
        self._analyze = [self._program("analyze") for _ in range(setup.analyze)]
        self._stages = [self._program("stages") for _ in range(setup.stages)]
        self._beside = {kind: self._program(kind) for kind in ("delivery", "crm", "flower")}
        self._redis = self._program("redis", urgent=True)
        self._standins = self._program("standins", urgent=True)
        self._threads = Places(clock, setup.threads * setup.analyze)
        self._hands = Places(clock, setup.stages_threads * setup.stages)
        self._pools = {id(one): Places(clock, setup.pool) for one in (*self._receivers, *self._analyze, *self._stages)}
        self._flood_hands = {id(one): Places(clock, FLOOD_HANDS) for one in self._analyze}
        self._gate = self._bulk = self._limit = None
        if setup.per_min:
            per_s = setup.per_min / 60
            self._limit = Bucket(per_s, max(1.0, per_s * PROVIDER_BURST_S))
            if setup.workers_know_limit:
                ours = per_s * SHARE_OF_LIMIT
                self._gate = Bucket(ours, max(1, round(ours * 5)))
                self._bulk = Bucket(ours * BULK_SHARE, max(1, round(ours * BULK_SHARE)))
        self._shares: dict[int, Bucket] = {}
        self._turns = {name: itertools.count() for name in ("receiver", "analyze", "stages")}
        self._begun = self._done = self._refused = 0
        self._delays: tuple[list[float], list[float]] = ([], [])
        self._ended_at = 0.0

    def _program(self, kind: str, *, urgent: bool = False) -> Program:
        return Program(kind, self.machine, urgent=urgent or not self._setup.workers_yield)

    def run(self) -> Outcome:
        """Until every message is done."""
        if self._load.in_flight:
            for _ in range(min(self._load.in_flight, self._load.messages)):
                self._arrive()
        else:
            self._come_next(self._load.messages / (self._load.per_s or 1.0))
        if self._setup.others_cores:
            self._disturb()
        self.clock.run()
        seconds = self._ended_at
        used = {
            kind: taken / seconds
            for machine in {id(one): one for one in (self.machine, self.database)}.values()
            for kind, taken in machine.used_s.items()
        }
        connections = sum(pool.used_s for pool in self._pools.values()) / seconds
        return Outcome(
            self._done, seconds, sorted(self._delays[0]), sorted(self._delays[1]), self._refused, used,
            self._threads.used_s / seconds, connections,
        )  # fmt: skip

    def _disturb(self) -> None:
        """What else runs on the machine: short bursts on any core."""
        if self._done >= self._load.messages:
            return
        others = self._setup.others_cores
        cores = others[min(int(self.clock.now / OTHERS_STEP_S), len(others) - 1)]
        if cores <= 0:
            self.clock.after(OTHERS_STEP_S / 10, self._disturb)
            return
        Program("others", self.machine).work(TURN_S, lambda: None)
        self.clock.after(self._rng.expovariate(cores / TURN_S), self._disturb)

    def _come_next(self, day_s: float) -> None:
        shape = day_shape(self._load.peak_factor) if self._load.day else None
        day_s *= self._load.peak_factor if self._load.day else 1.0

        def come() -> None:
            if self._begun >= self._load.messages:
                return
            if shape is None or self._rng.random() < shape(self.clock.now / day_s):
                self._arrive()
            self.clock.after(self._rng.expovariate(self._load.per_s), come)

        self.clock.after(self._rng.expovariate(self._load.per_s), come)

    def _arrive(self) -> None:
        number = self._begun
        self._begun += 1
        tenant = number % self._load.tenants
        if self._load.flooding_share and self._rng.random() < self._load.flooding_share:
            tenant = -1
        receiver = self._receivers[next(self._turns["receiver"]) % len(self._receivers)]
        message = _Message(tenant, self.clock.now)
        costs = self._setup.costs

        def store() -> None:
            message.came_at = self.clock.now
            self._stage(
                receiver, own_ms=costs.own_ms["receiver"] / 2, database_ms=costs.database_ms["receiver"], trips=2,
                then=lambda: self._publish(message),
            )  # fmt: skip

        # Signature and parsing come before the transaction, whose beginning is the time of receipt.
        receiver.work(costs.own_ms["receiver"] / 2000, store)

    def _costs(self, message: _Message) -> Costs:
        return self._setup.flood_costs if message.is_flood else self._setup.costs

    def _publish(self, message: _Message) -> None:
        share = self._shares.setdefault(message.tenant, Bucket(SHARE_PER_S, SHARE_AT_ONCE))
        message.is_flood = share.take(self.clock.now) > 0
        queue = self._minimize if message.is_flood else self._wait_for_thread
        self._redis.work(self._costs(message).own_ms["redis"] / 1000, lambda: queue(message))

    def _minimize(self, message: _Message) -> None:
        stages = self._stages[next(self._turns["stages"]) % len(self._stages)]
        costs = self._costs(message)

        def go_on() -> None:
            self._hands.give_back()
            self._wait_for_thread(message)

        self._hands.take(
            lambda: self._stage(
                stages, own_ms=costs.own_ms["stages"], database_ms=costs.database_ms["stages"], trips=TRIPS, then=go_on
            )
        )

    def _wait_for_thread(self, message: _Message) -> None:
        self._threads.take(lambda: self._look_at_gate(message), lane=int(message.is_flood))

    def _look_at_gate(self, message: _Message) -> None:
        wait = 0.0
        if self._gate and self._bulk:
            if message.is_flood:
                wait = self._bulk.take(self.clock.now)
            wait = wait or self._gate.take(self.clock.now)
        if wait > MAX_SLEEP_S:
            self._threads.give_back()
            self.clock.after(wait * self._rng.uniform(1, 1.25), lambda: self._wait_for_thread(message))
        elif wait:
            self.clock.after(wait, lambda: self._look_at_gate(message))
        else:
            self._claim(message)

    def _claim(self, message: _Message) -> None:
        worker = self._analyze[next(self._turns["analyze"]) % len(self._analyze)]
        costs = self._costs(message)
        hands = self._flood_hands[id(worker)] if message.is_flood else None

        def half(then: Then) -> None:
            def over() -> None:
                if hands:
                    hands.give_back()
                then()

            def begin() -> None:
                own_ms, database_ms = costs.own_ms["analyze"] / 2, costs.database_ms["analyze"] / 2
                self._stage(worker, own_ms=own_ms, database_ms=database_ms, trips=TRIPS, then=over)

            if hands:
                hands.take(begin)
            else:
                begin()

        def call() -> None:
            if self._limit and self._limit.take(self.clock.now) > 0:
                self._refused += 1
                self._threads.give_back()
                self.clock.after(RETRY_AFTER_S * self._rng.uniform(1, 1.25), lambda: self._wait_for_thread(message))
                return
            standin = costs.own_ms["standins"] / 1000
            self._standins.work(standin, lambda: self.clock.after(self._model_s(), lambda: half(decided)))

        def decided() -> None:
            self._threads.give_back()
            self._finish(message)

        half(call)

    def _model_s(self) -> float:
        setup = self._setup
        if setup.exponential:
            return self._rng.expovariate(1 / setup.model_s)
        if not setup.model_cv:
            return setup.model_s
        spread = math.log(1 + setup.model_cv**2)
        return self._rng.lognormvariate(math.log(setup.model_s) - spread / 2, math.sqrt(spread))

    def _finish(self, message: _Message) -> None:
        self._delays[int(message.is_flood)].append(self.clock.now - message.came_at)
        self._done += 1
        self._ended_at = self.clock.now
        costs = self._costs(message)
        for kind, program in self._beside.items():
            database = costs.database_ms.get(kind, 0.0) / 1000
            program.work(
                costs.own_ms[kind] / 1000,
                lambda database=database: Program("postgres", self.database).work(database, lambda: None),
            )
        if self._load.in_flight and self._begun < self._load.messages:
            self._arrive()

    def _stage(self, program: Program, *, own_ms: float, database_ms: float, trips: int, then: Then) -> None:
        """A transaction: a connection of the program's pool, and turns of its own work and Postgres's."""
        if not own_ms + database_ms:
            then()
            return
        pool = self._pools[id(program)]
        own_s, database_s = own_ms / 1000 / trips, database_ms / 1000 / trips
        backend = Program("postgres", self.database)
        left = trips

        def ask() -> None:
            backend.work(database_s, answered)

        def answered() -> None:
            nonlocal left
            left -= 1
            if left:
                program.work(own_s, ask)
            else:
                pool.give_back()
                then()

        pool.take(lambda: program.work(own_s, ask))


def simulate(setup: Setup, load: Load, *, seed: int = 1) -> Outcome:
    """The same outcome for the same arguments."""
    return Simulation(setup, load, seed=seed).run()
