"""Waits for a person and their comparison, against answers known from elsewhere."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from routing.answer_times import (
    FEWEST_WAITS,
    NEVER,
    Turn,
    compare,
    mann_whitney,
    quantile,
    side_figures,
    waits_of,
)

T0 = datetime(2026, 11, 2, 9, tzinfo=UTC)
MUCH_LATER = T0 + timedelta(days=60)


def turn(minute, by="customer", *, negative=False):
    return Turn(T0 + timedelta(minutes=minute), by, negative if by == "customer" else None)


def minutes(turns, *, only_negative=False, now=MUCH_LATER):
    return [wait.minutes for wait in waits_of(turns, only_negative=only_negative, now=now)]


def test_a_wait_runs_from_the_first_unanswered_message_to_the_first_answer():
    turns = [turn(0), turn(3), turn(10, "person"), turn(11, "person"), turn(50), turn(60, "person")]
    assert minutes(turns) == [10, 10]
    random.Random(1).shuffle(turns)
    assert minutes(turns) == [10, 10]


def test_negatives_wait_from_the_first_negative_message():
    turns = [turn(0), turn(4, negative=True), turn(5, negative=True), turn(10, "person"), turn(20), turn(30, "person")]
    assert minutes(turns, only_negative=True) == [6]


def test_an_answer_before_the_message_is_none_to_it():
    assert minutes([turn(5, "person"), turn(6)]) == [NEVER]


def test_who_may_still_be_answered_is_left_out_and_who_waits_for_days_was_not_answered():
    assert minutes([turn(0)], now=T0 + timedelta(days=6)) == []
    assert minutes([turn(0)], now=T0 + timedelta(days=8)) == [NEVER]
    assert minutes([turn(0), turn(8 * 24 * 60, "person")]) == [NEVER]


@pytest.mark.parametrize(("share", "value"), [(0, 1), (0.5, 3), (0.9, 4.6), (1, 5)])
def test_quantiles_interpolate(share, value):
    assert quantile([5, 3, 1, 2, 4], share) == pytest.approx(value)


def test_never_answered_counts_as_longest():
    figures = side_figures([1, 2, NEVER, NEVER, NEVER])
    assert (figures.waits, figures.unanswered, figures.median) == (5, 3, NEVER)
    assert side_figures([1, 2, 3, NEVER]).median == 2.5
    assert side_figures([]).median is None


def test_the_rank_test_gives_the_textbooks_answer():
    # Hollander and Wolfe's permeability data: W = 35; with continuity z = 9.5 / sqrt(10 * 5 * 16 / 12).
    one = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]
    other = [1.15, 0.88, 0.90, 0.74, 1.21]
    assert mann_whitney(one, other) == pytest.approx(0.2446, abs=0.0005)
    assert mann_whitney(other, one) == pytest.approx(mann_whitney(one, other))


def test_the_rank_test_heeds_ties():
    assert mann_whitney([1] * 40, [1] * 40) == 1.0
    # 20 ones and 20 twos against 10 and 30: U = 600 against 800, tie-corrected variance by hand.
    ties = (30**3 - 30) + (50**3 - 50)
    z = (200 - 0.5) / (40 * 40 / 12 * (81 - ties / (80 * 79))) ** 0.5
    assert z == pytest.approx(2.2895, abs=0.001)
    assert mann_whitney([1] * 20 + [2] * 20, [1] * 10 + [2] * 30) == pytest.approx(0.0220, abs=0.0005)


def spread(middle, count, seed):
    dice = random.Random(seed)
    return [dice.lognormvariate(0, 0.6) * middle for _ in range(count)]


def test_the_vendors_claim_holds_on_data_made_for_it():
    found = compare(spread(27, 200, 1), spread(9, 200, 2), dice=random.Random(3))
    assert found.verdict == "faster"
    assert found.difference == pytest.approx(-18, abs=4)
    low, high = found.interval
    assert low < found.difference < high < -12
    assert found.p_value < 1e-6


def test_nothing_is_claimed_of_chance():
    verdicts = [
        compare(spread(20, 60, seed), spread(20, 60, 1000 + seed), dice=random.Random(seed)).verdict
        for seed in range(40)
    ]
    assert verdicts.count("no_difference") >= 37


def test_slower_is_said_too():
    assert compare(spread(9, 100, 1), spread(27, 100, 2), dice=random.Random(3)).verdict == "slower"


def test_below_the_minimum_nothing_is_claimed():
    found = compare([27.0] * (FEWEST_WAITS - 1), [9.0] * 500, dice=random.Random(1))
    assert (found.verdict, found.p_value, found.interval, found.difference) == ("not_enough", None, None, None)
    assert (found.before.waits, found.after.median) == (FEWEST_WAITS - 1, 9)


def test_hardly_anybody_answered_before_has_no_interval_but_a_verdict():
    found = compare([NEVER] * 40, spread(9, 100, 2), dice=random.Random(3))
    assert (found.verdict, found.interval, found.difference) == ("faster", None, None)


def test_the_same_data_give_the_same_interval():
    one, other = spread(27, 50, 1), spread(9, 50, 2)
    assert compare(one, other, dice=random.Random(7)) == compare(one, other, dice=random.Random(7))
