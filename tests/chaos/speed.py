"""How fast the receiver answered, by what was going on meanwhile."""

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
REFUSED_WITHIN_S = 3.0
# The load's own threads run on the same machine.
MEASURING_S = 0.3


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
    nothing: Touches = "nothing"
    return next((kind for kind in _ORDER if kind in touched), nothing)


def judge_speed(answers: Sequence[Acknowledgement], happenings: Sequence[Happening]) -> list[Finding]:
    """Latencies of the 200s in milliseconds, and how soon a frozen Postgres is told."""
    by_kind: dict[Touches, list[Acknowledgement]] = {}
    for answer in answers:
        by_kind.setdefault(during(answer, happenings), []).append(answer)
    p50, p99 = _percentiles(by_kind.get("nothing", []))
    findings = [
        _finding(
            "acknowledged in calm: p50 <= 15 ms, p99 <= 100 ms", p50, p99, p50 <= CALM_P50_MS and p99 <= CALM_P99_MS
        )
    ]
    if deaths := by_kind.get("something dies"):
        d50, d99 = _percentiles(deaths)
        findings.append(_finding("acknowledged while something dies: p99 <= 1 s", d50, d99, d99 <= DEATHS_P99_MS))
    if frozen := by_kind.get("broker frozen"):
        b50, b99 = _percentiles(frozen)
        limit_ms = max(CALM_P99_MS, 2 * p99)
        findings.append(
            _finding(f"acknowledged beside a frozen broker: p99 <= {limit_ms:.0f} ms", b50, b99, b99 <= limit_ms)
        )
    if frozen := by_kind.get("Postgres frozen"):
        refused = [answer.took_s for answer in frozen if answer.status == 503]
        slowest = max((answer.took_s for answer in frozen if answer.status), default=0.0)
        figure = f"{len(refused)} refused, slowest answer {slowest:.2f} s"
        holds = bool(refused) and slowest <= REFUSED_WITHIN_S + MEASURING_S
        findings.append(Finding("503 within 3 s while Postgres is frozen", figure, holds, is_speed=True))
    return findings


def _percentiles(answers: Sequence[Acknowledgement]) -> tuple[float, float]:
    taken = [answer.took_s * 1000 for answer in answers if answer.status == 200]
    if len(taken) < 2:
        return 0.0, 0.0
    return median(taken), quantiles(taken, n=100)[98]


def _finding(promise: str, p50: float, p99: float, holds: bool) -> Finding:
    return Finding(promise, f"p50 {p50:.0f} ms, p99 {p99:.0f} ms", holds, is_speed=True)
