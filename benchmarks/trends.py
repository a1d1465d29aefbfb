"""`python -m benchmarks.trends`: how soon planted regressions are found in a year of history, and how often there is nothing to find."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from benchmarks.trend_history import START, TOPICS, Planted, make_year, plant
from routing.trends import HOUR, JOIN_WITHIN, LOOK_BACK, OVERALL, OpenEpisode, Series, judge

SIZES = (20, 100, 500, 1000, 2000, 5000)


@dataclass(frozen=True)
class Raised:
    """One alert: when, and about what."""

    at: datetime
    topics: tuple[str, ...]


def replay(series: Mapping[str, Series], *, days: int = 365) -> list[Raised]:
    """Every alert of a history looked at hour by hour, as the product does."""
    episodes: dict[str, OpenEpisode] = {}
    ended: dict[str, datetime] = {}
    alerts: list[Raised] = []
    for hour in range(int(LOOK_BACK / HOUR), days * 24 + 1):
        now = START + HOUR * hour
        verdict = judge(series, episodes=episodes.values(), ended_at=ended, now=now)
        for topic in verdict.ended:
            del episodes[topic]
            ended[topic] = now
        for rise in verdict.rises:
            episodes[rise.topic] = OpenEpisode(rise.topic, now, rise.base_share, rise.window.share)
        if verdict.rises:
            topics = tuple(rise.topic for rise in verdict.rises)
            if alerts and now - alerts[-1].at <= JOIN_WITHIN and episodes.keys() & set(alerts[-1].topics):
                alerts[-1] = Raised(alerts[-1].at, (*alerts[-1].topics, *topics))
            else:
                alerts.append(Raised(now, topics))
    return alerts


@dataclass(frozen=True)
class Outcome:
    """hours: until each planted one was found, None: not within its days and two more. false: alerts that no planted one explains."""

    hours: tuple[float | None, ...]
    false: tuple[Raised, ...]


def score(alerts: Sequence[Raised], planted: Sequence[Planted]) -> Outcome:
    """Match alerts with what was planted. A rise of all topics together counts for the topic that caused it."""
    hours: list[float | None] = []
    explained: set[int] = set()
    for one in planted:
        found = [
            (number, alert)
            for number, alert in enumerate(alerts)
            if {one.topic, OVERALL} & set(alert.topics)
            and one.begin <= alert.at <= one.begin + timedelta(days=one.days + 2)
        ]
        explained.update(number for number, _ in found)
        hours.append((found[0][1].at - one.begin) / HOUR if found else None)
    return Outcome(tuple(hours), tuple(alert for number, alert in enumerate(alerts) if number not in explained))


def measure(per_day: float, *, seed: int, scatter: float = 0.12) -> tuple[tuple[Planted, ...], Outcome]:
    """One tenant, one year."""
    planted = plant(per_day, seed=seed)
    series = make_year(per_day, seed=seed, planted=planted, scatter=scatter)
    return planted, score(replay(series), planted)


def power(per_day: float, *, share: float, factor: float, tries: int, scatter: float = 0.12) -> float:
    """How often a regression of a topic with so many messages a day is found within 48 hours."""
    found = 0
    for seed in range(tries):
        begin = START + timedelta(days=17)
        one = Planted("checkout", begin, 3, factor)
        part = TOPICS["checkout"][0]
        series = make_year(
            per_day / part, seed=seed, planted=(one,), days=20, scatter=scatter, shares={"checkout": share}
        )
        alerts = replay(series, days=20)
        found += any("checkout" in alert.topics and begin < alert.at <= begin + timedelta(hours=48) for alert in alerts)
    return found / tries


def _print_years(sizes: Sequence[int], seeds: int, scatter: float) -> None:
    print("messages/day  seed  planted  found<=48h  hours to find             false alerts (quarters: 4)")
    for per_day in sizes:
        for seed in range(seeds):
            planted, outcome = measure(per_day, seed=seed, scatter=scatter)
            soon = sum(1 for hours in outcome.hours if hours is not None and hours <= 48)
            told = " ".join("-" if hours is None else f"{hours:.0f}" for hours in outcome.hours)
            print(f"{per_day:>12}  {seed:>4}  {len(planted):>7}  {soon:>10}  {told:<24}  {len(outcome.false)}")


def _print_power(tries: int) -> None:
    print("messages/day of the topic | usual share | x2 | x3")
    for per_day in (10, 25, 50, 100, 250, 1000):
        for share in (0.05, 0.15):
            chances = [power(per_day, share=share, factor=factor, tries=tries) for factor in (2, 3)]
            print(f"{per_day} | {share:.0%} | " + " | ".join(f"{chance:.0%}" for chance in chances))


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--scatter", type=float, default=0.12)
    parser.add_argument("--power", type=int, default=0, metavar="TRIES")
    options = parser.parse_args()
    if options.power:
        _print_power(options.power)
    else:
        _print_years(options.sizes, options.seeds, options.scatter)


if __name__ == "__main__":
    main()
