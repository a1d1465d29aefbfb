"""A topic that is worse than usual is found, and what only looks so is not."""

import itertools
import math
from datetime import UTC, datetime, timedelta

import pytest

from benchmarks.trend_history import Planted
from benchmarks.trends import START, make_year, measure, replay, score
from routing.trends import (
    HOUR,
    OVERALL,
    Count,
    OpenEpisode,
    Rise,
    Series,
    allowed_chance,
    chance_of,
    describe,
    judge,
    measure_correlation,
)

NOW = datetime(2026, 11, 25, 12, 20, tzinfo=UTC)
END = NOW.replace(minute=0)


def series(days, **last):
    """days: (messages, negatives) of each day before the last 24 hours, oldest first; spread over a day's first hours."""
    counts = {}
    for back, (messages, negatives) in enumerate(
        reversed([*days, (last.get("messages", 0), last.get("negatives", 0))])
    ):
        for hour in range(10):
            at = END - timedelta(days=back + 1) + HOUR * hour
            part = [total // 10 + (hour < total % 10) for total in (messages, negatives)]
            counts[at] = Count(*part)
    return Series(counts, first=END - timedelta(days=30), last=END)


def look(topics, **more):
    more = {"episodes": (), "ended_at": {}, "now": NOW, **more}
    return judge(topics, **more)


STEADY = [(500, 21), (505, 20), (510, 22), (490, 19)] * 5


def test_the_example_of_the_product_is_found_and_told():
    days = [(524, 21 + day % 2) for day in range(20)]
    checkout = series(days, messages=527, negatives=62)
    (rise,) = look({"checkout": checkout, OVERALL: series([(5000, 600)] * 20, messages=5000, negatives=640)}).rises
    assert describe([rise]) == (
        "checkout negative 4.1 % → 11.8 %, 62 of 527 in 24 h (base 14 days: 301 of 7,336); last release?"
    )


def rises(last, days=STEADY):
    topics = {"checkout": series(days, **last), OVERALL: series([(5000, 600)] * 20, messages=5000, negatives=600)}
    return [rise.topic for rise in look(topics).rises]


def test_more_messages_with_the_same_share_are_no_trend():
    assert rises({"messages": 5000, "negatives": 210}) == []


def test_a_few_angry_messages_are_no_trend():
    assert rises({"messages": 19, "negatives": 19}) == [] and rises({"messages": 100, "negatives": 7}) == []


def test_a_share_that_is_hardly_higher_is_no_trend_however_certain():
    assert rises({"messages": 50_000, "negatives": 3_000}) == []


def test_a_topic_that_scatters_much_must_rise_more():
    calm, wild = STEADY, [(500, 5), (500, 60), (500, 10), (500, 30)] * 5
    assert rises({"messages": 500, "negatives": 60}, calm) == ["checkout"]
    assert rises({"messages": 500, "negatives": 60}, wild) == []


def test_a_bad_monday_every_week_is_no_trend():
    weeks = [(500, 60 if day % 7 == 6 else 20) for day in range(20)]
    # Day 13 and day 6 before the window are of its weekday.
    weeks = [(500, 75 if (20 - day) % 7 == 0 else 20) for day in range(20)]
    assert rises({"messages": 500, "negatives": 75}, weeks) == []


def test_a_topic_without_a_base_is_held_against_the_tenants():
    assert rises({"messages": 100, "negatives": 80}, [(0, 0)] * 20) == ["checkout"]
    assert rises({"messages": 100, "negatives": 16}, [(0, 0)] * 20) == []
    empty = Series({}, first=END - timedelta(days=30), last=END)
    assert look({"checkout": series([], messages=100, negatives=90), OVERALL: empty}).rises == ()
    assert look({}).rises == ()


def test_an_episode_ends_when_the_share_is_back_and_begins_again_only_after_a_pause():
    overall = series([(5000, 600)] * 20, messages=5000, negatives=600)
    episode = OpenEpisode("checkout", END - timedelta(days=2), 0.04, 0.12)

    def ended(negatives, **more):
        topics = {"checkout": series(STEADY, messages=500, negatives=negatives), OVERALL: overall}
        return look(topics, episodes=[OpenEpisode(**{**vars(episode), **more})]).ended

    assert ended(60) == () and ended(45) == () and ended(30) == ("checkout",)
    assert ended(60, began_at=END - timedelta(days=14)) == ("checkout",)
    topics = {"checkout": series(STEADY, messages=500, negatives=70), OVERALL: overall}
    assert look(topics, episodes=[episode]).rises == ()
    assert look(topics, ended_at={"checkout": NOW - timedelta(hours=71)}).rises == ()
    assert look(topics, ended_at={"checkout": NOW - timedelta(hours=73)}).rises
    assert look(topics, ignore=["checkout"]).rises == ()


def test_a_quiet_topics_episode_goes_by_two_days():
    episode = OpenEpisode("checkout", END - timedelta(days=2), 0.04, 0.12)
    topics = {"checkout": series([(15, 0)] * 20, messages=15, negatives=0), OVERALL: series([(50, 5)] * 20)}
    assert look(topics, episodes=[episode]).ended == ("checkout",)


def test_several_topics_are_one_sentence():
    one = Rise("checkout", 24, Count(527, 62), Count(7342, 301), 0.041, 1e-9)
    other = Rise("shipping", 48, Count(100, 40), Count(2000, 300), 0.15, 1e-7)
    whole = Rise(OVERALL, 24, Count(5000, 900), Count(70000, 8000), 0.11, 1e-6)
    assert describe([one, other, whole]).startswith("overall rise in 2 topics: checkout negative 4.1 % → 11.8 %")
    assert describe([whole]).startswith("all topics negative 11.0 % → 18.0 %")


def test_without_scatter_the_chance_is_the_binomial_one():
    exact = sum(math.comb(50, k) * 0.1**k * 0.9 ** (50 - k) for k in range(12, 51))
    assert chance_of(12, messages=50, share=0.1, correlation=1e-9) == pytest.approx(exact, rel=1e-3)
    assert chance_of(0, messages=50, share=0.1, correlation=0.01) == 1.0
    assert chance_of(12, messages=50, share=0.1, correlation=0.02) > exact


def test_chances_of_everything_add_up():
    tails = [chance_of(k, messages=30, share=0.2, correlation=0.05) for k in range(31)]
    assert tails[1] < 1 and all(a >= b for a, b in itertools.pairwise(tails))


def test_scatter_is_measured_and_drawn_to_what_is_usual():
    calm = measure_correlation([Count(500, 50)] * 14, share=0.1)
    wild = measure_correlation([Count(500, 10), Count(500, 90)] * 7, share=0.1)
    assert 0 < calm < 0.003 < wild
    assert measure_correlation([], share=0.1) == pytest.approx(0.15**2 * 0.1 / 0.9)
    assert measure_correlation([Count(5, 5)] * 3, share=1.0) == 0.5
    assert measure_correlation([Count(1, 0)], share=0.1) > 0
    assert allowed_chance(0) == allowed_chance(1) > allowed_chance(10)


@pytest.mark.parametrize(("per_day", "seed"), [(100, 0), (1000, 2), (5000, 0)])
def test_a_year_with_planted_regressions(per_day, seed):
    """All are found within 48 hours, and no quarter has more than one false alert."""
    planted, outcome = measure(per_day, seed=seed)
    assert all(hours is not None and hours <= 48 for hours in outcome.hours), (planted, outcome.hours)
    assert worst_quarter(outcome) <= 1


def worst_quarter(outcome):
    quarters = [(alert.at - START).days // 91 for alert in outcome.false]
    return max((quarters.count(one) for one in quarters), default=0)


def test_topics_that_rise_together_are_one_alert():
    begin = START + timedelta(days=30)
    planted = tuple(Planted(topic, begin, 3, 3.0) for topic in ("shipping", "app", "checkout", "account"))
    alerts = replay(make_year(5000, seed=5, planted=planted, days=40), days=40)
    assert len(alerts) == 1 and {"shipping", "app"} <= set(alerts[0].topics)
    assert score(alerts, planted).false == ()


@pytest.mark.slow
@pytest.mark.parametrize("per_day", [20, 100, 500, 1000, 2000, 5000])
def test_many_years(per_day):
    found = missed = 0
    for seed in range(10, 18):
        _, outcome = measure(per_day, seed=seed)
        assert worst_quarter(outcome) <= 1, (seed, outcome.false)
        found += sum(hours is not None and hours <= 48 for hours in outcome.hours)
        missed += sum(hours is None or hours > 48 for hours in outcome.hours)
    assert missed <= found * 0.05
