"""How fast the receiver answered, by what was going on meanwhile, beside what this machine needs for an answer that asks nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from tests.chaos.faults import Touches
from tests.chaos.invariants import Finding
from tests.chaos.load import Acknowledgement

# Until what was killed is back and has read its libraries in.
AFTER_A_DEATH_S = 8.0
# What waited for the frozen one comes at once.
AFTER_THE_THAW_S = 1.0
CALM_P50_MS, CALM_P99_MS, DEATHS_P99_MS = 15.0, 100.0, 1000.0
REFUSED_WITHIN_MS = 3000.0
# A percentile of fewer says nothing.
ENOUGH = 20


@dataclass(frozen=True)
class Happening:
    """A fault as it happened, in monotonic seconds."""

    name: str
    touches: Touches
    began: float
    ended: float


# What counts when several things go on at once: the first of these.
_ORDER: tuple[Touches, ...] = ("receiver frozen", "Postgres frozen", "broker frozen", "something dies")


def during(answer: Acknowledgement, happenings: Sequence[Happening]) -> Touches:
    """What went on while the answer was awaited."""
    touched = {
        one.touches
        for one in happenings
        if answer.began <= one.ended + (AFTER_A_DEATH_S if one.touches == "something dies" else AFTER_THE_THAW_S)
        and answer.began + answer.took_s >= one.began
    }
    for kind in _ORDER:
        if kind in touched:
            return kind
    return "nothing"


@dataclass(frozen=True)
class _Latency:
    """In milliseconds, of `count` answers."""

    count: int
    p50: float
    p99: float

    @classmethod
    def of(cls, taken_ms: Sequence[float]) -> "_Latency":
        if len(taken_ms) < ENOUGH:
            return cls(len(taken_ms), 0.0, 0.0)
        return cls(len(taken_ms), median(taken_ms), quantiles(taken_ms, n=100)[98])

    def __str__(self) -> str:
        return f"p50 {self.p50:.0f} ms, p99 {self.p99:.0f} ms" if self.count >= ENOUGH else f"{self.count} answers"


def judge_speed(
    answers: Sequence[Acknowledgement], bare: Sequence[Acknowledgement], happenings: Sequence[Happening]
) -> list[Finding]:
    """Latencies of the 200s, and how soon a frozen Postgres is told.

    bare: answers of the same processes to a question that touches nothing, asked meanwhile. What the machine needs for those comes
    on top of each limit: on an idle one that is a millisecond or two.
    """
    stored, idle = _Latencies(answers, happenings), _Latencies(bare, happenings)
    calm, bare_in_calm = stored.during("nothing"), idle.during("nothing")
    beside_death, bare_beside_death = stored.during("something dies"), idle.during("something dies")
    frozen, bare_frozen = stored.during("broker frozen"), idle.during("broker frozen")
    is_calm = calm.p50 <= CALM_P50_MS + bare_in_calm.p50 and calm.p99 <= CALM_P99_MS + bare_in_calm.p99
    findings = [
        _finding("acknowledged in calm: p50 <= 15 ms, p99 <= 100 ms", calm, bare_in_calm, holds=is_calm),
        _finding(
            "acknowledged while something dies: p99 <= 1 s",
            beside_death,
            bare_beside_death,
            holds=beside_death.p99 <= DEATHS_P99_MS + bare_beside_death.p99,
        ),
        _finding(
            "acknowledged beside a frozen broker as in calm",
            frozen,
            bare_frozen,
            holds=frozen.p99 <= max(CALM_P99_MS, 2 * calm.p99) + bare_frozen.p99,
        ),
    ]
    refused = [answer for answer in stored.all_during("Postgres frozen") if answer.status]
    if refused:
        slowest_ms = max(answer.took_s for answer in refused) * 1000
        bare_ms = max((answer.took_s for answer in idle.all_during("Postgres frozen")), default=0.0) * 1000
        figure = (
            f"{sum(one.status == 503 for one in refused)} refused, slowest {slowest_ms:.0f} ms (bare: {bare_ms:.0f} ms)"
        )
        holds = slowest_ms <= REFUSED_WITHIN_MS + bare_ms
        findings.append(Finding("503 within 3 s while Postgres is frozen", figure, holds, is_speed=True))
    return findings


class _Latencies:
    """Answers by what went on while they were awaited."""

    def __init__(self, answers: Sequence[Acknowledgement], happenings: Sequence[Happening]) -> None:
        self._by_kind: dict[Touches, list[Acknowledgement]] = {}
        for answer in answers:
            self._by_kind.setdefault(during(answer, happenings), []).append(answer)

    def all_during(self, kind: Touches) -> list[Acknowledgement]:
        return self._by_kind.get(kind, [])

    def during(self, kind: Touches) -> _Latency:
        return _Latency.of([answer.took_s * 1000 for answer in self.all_during(kind) if answer.status == 200])


def _finding(promise: str, found: _Latency, bare: _Latency, *, holds: bool) -> Finding:
    return Finding(promise, f"{found} (bare: {bare})", holds, is_speed=True)
