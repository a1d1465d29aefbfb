"""The statistics, against values worked out by hand or printed in textbooks."""

import random
from collections import Counter

import pytest

from analysis.evaluation_figures import (
    bootstrap_interval,
    calibration,
    class_figures,
    detectable_difference,
    macro_f1,
    mcnemar,
    percentile,
    share,
    wilson,
)

# Label a: 3 right, 1 taken for b. Label b: 2 right, 1 taken for a, 1 for c, which is no label here.
CONFUSION = Counter({("a", "a"): 3, ("a", "b"): 1, ("b", "b"): 2, ("b", "a"): 1, ("b", "c"): 1})


def right_share(confusion):
    return sum(count for (label, answer), count in confusion.items() if label == answer) / sum(confusion.values())


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [
        (8, 10, 0.4902, 0.9433),
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (81, 263, 0.2553, 0.3662),
        (1, 1, 0.2065, 1),
    ],
)
def test_wilson_gives_the_published_intervals(right, n, low, high):
    interval = wilson(right, n)
    assert (interval.low, interval.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


def test_a_share_of_nothing_has_no_value():
    assert (share(0, 0).value, share(0, 0).interval) == (None, None)
    assert (share(3, 4).value, share(3, 4).right, share(3, 4).n) == (0.75, 3, 4)


def test_two_runs_must_differ_by_more_than_chance():
    # z² = 3.8415; middle (0.875 + 0.04002) / 1.08003 = 0.8472; 1.96 * sqrt(2 * 0.8472 * 0.1528 / 48) = 0.1439
    assert detectable_difference(42, 48) == pytest.approx(0.1439, abs=1e-4)


def test_no_two_runs_differ_by_less_than_six_messages():
    assert detectable_difference(10, 10) == pytest.approx(0.6)
    assert detectable_difference(3, 3) == 1.0


def test_each_label_has_its_precision_recall_and_f1():
    a, b, c = class_figures(CONFUSION)
    assert (a.label, a.support, a.answered, a.precision, a.recall, a.f1) == ("a", 4, 4, 0.75, 0.75, 0.75)
    assert (b.support, b.answered, b.precision, b.recall) == (4, 3, pytest.approx(2 / 3), 0.5)
    assert b.f1 == pytest.approx(4 / 7)
    assert (c.support, c.answered, c.precision, c.recall, c.f1) == (0, 1, 0.0, None, None)


def test_a_label_that_was_never_answered_has_no_precision():
    (one, _) = class_figures({("a", "b"): 2})
    assert (one.precision, one.recall, one.f1) == (None, 0.0, 0.0)


def test_macro_f1_is_the_mean_over_the_labels_of_the_file():
    assert macro_f1(CONFUSION) == pytest.approx((3 / 4 + 4 / 7) / 2)
    assert macro_f1({}) is None


def test_the_bootstrap_agrees_with_theory_where_there_is_one():
    confusion = {("a", "a"): 80, ("a", "b"): 20}
    interval = bootstrap_interval(confusion, statistic=right_share, rng=random.Random(1))
    # 0.8 give or take 1.96 * sqrt(0.8 * 0.2 / 100) = 0.078
    assert interval.low == pytest.approx(0.722, abs=0.025)
    assert interval.high == pytest.approx(0.878, abs=0.025)


def test_the_bootstrap_is_the_same_for_the_same_seed():
    one, other = (bootstrap_interval(CONFUSION, statistic=macro_f1, rng=random.Random(7)) for _ in range(2))
    assert one == other and one.low < macro_f1(CONFUSION) < one.high


@pytest.mark.parametrize("confusion", [{}, {("a", "a"): 0}, {("a", "a"): 48, ("b", "b"): 3}])
def test_the_bootstrap_says_nothing_without_answers_or_without_an_error(confusion):
    assert bootstrap_interval(confusion, statistic=macro_f1, rng=random.Random(7)) is None


def test_the_bootstrap_leaves_out_samples_without_a_value():
    assert bootstrap_interval(CONFUSION, statistic=lambda _: None, rng=random.Random(7)) is None


@pytest.mark.parametrize(("part", "value"), [(0.0, 1), (0.5, 5), (0.51, 6), (0.95, 10), (0.99, 10)])
def test_percentiles_are_of_the_nearest_rank(part, value):
    assert percentile([10, 9, 8, 7, 6, 5, 4, 3, 2, 1], part) == value


def test_calibration_bins_gaps_and_brier():
    figures = calibration([(0.95, True), (0.95, False), (0.55, True), (1.0, True)])
    last, sixth = figures.bins[9], figures.bins[5]
    assert (last.n, last.mean_score, last.right) == (3, pytest.approx(2.9 / 3), pytest.approx(2 / 3))
    assert (sixth.low, sixth.high, sixth.n, sixth.mean_score, sixth.right) == (0.5, 0.6, 1, 0.55, 1.0)
    assert figures.bins[0].n == 0 and figures.bins[0].right is None
    assert figures.ece == pytest.approx((3 * 0.3 + 1 * 0.45) / 4)
    assert figures.brier == pytest.approx((0.0025 + 0.9025 + 0.2025 + 0) / 4)
    assert figures.brier_of_constant == pytest.approx(0.1875)
    assert figures.n == 4


def test_calibration_of_nothing():
    assert (calibration([]).ece, calibration([]).n, len(calibration([]).bins)) == (None, 0, 10)


@pytest.mark.parametrize("tenths", range(10))
def test_a_score_on_a_border_belongs_to_the_upper_bin(tenths):
    assert calibration([(tenths / 10, True)]).bins[tenths].n == 1


@pytest.mark.parametrize(
    ("only_before", "only_now", "p"),
    [
        (5, 0, 2 / 32),
        (6, 0, 2 / 64),
        (1, 8, 2 * (1 + 9) / 512),
        (3, 3, 1.0),
        (0, 0, 1.0),
        (2, 10, 2 * (1 + 12 + 66) / 4096),
    ],
)
def test_mcnemar_counts_coin_tosses(only_before, only_now, p):
    assert mcnemar(only_before=only_before, only_now=only_now).p == pytest.approx(p)
