"""Accuracy from known labels: the known matrix, honest intervals, silence where there are too few; a sample without bias."""

from collections import Counter

import pytest

from analysis.accuracy import (
    Auditable,
    Audited,
    Rate,
    band_of,
    measure,
    pick_sample,
    rate,
    wilson,
)


def audited(
    model="negative", said="negative", *, score=0.95, language="en", intents=("other", "other"), topics=((), ())
):
    return Audited(language, score, model, intents[0], topics[0], said, intents[1], topics[1])


def test_the_matrix_the_rates_and_the_curve_are_what_the_labels_say():
    right = [audited()] * 27 + [audited(score=0.62)] * 3
    wrong = [audited("positive", "negative", score=0.93, language="tr", intents=("compliment", "complaint"))] * 30
    accuracy = measure([*right, *wrong])
    assert (accuracy.sentiment.n, accuracy.sentiment.share) == (60, 0.5)
    assert accuracy.sentiment_confusion == {("negative", "negative"): 30, ("positive", "negative"): 30}
    assert accuracy.intent_confusion == {("other", "other"): 30, ("compliment", "complaint"): 30}
    assert accuracy.intent.share == 0.5 and accuracy.topics.share == 1.0
    assert accuracy.by_language["en"].share == 1.0 and accuracy.by_language["tr"].share == 0.0
    bands = {row.band: row for row in accuracy.calibration}
    assert list(bands) == ["0.0-0.5", "0.5-0.6", "0.6-0.7", "0.7-0.8", "0.8-0.9", "0.9-1.0"]
    assert bands["0.9-1.0"].right.n == 57 and bands["0.9-1.0"].right.share == pytest.approx(27 / 57)
    assert bands["0.9-1.0"].mean_score == pytest.approx((27 * 0.95 + 30 * 0.93) / 57)
    assert bands["0.6-0.7"].right == Rate(3, None, None, None) and bands["0.0-0.5"].mean_score is None


def test_topics_in_another_order_are_right():
    assert measure([audited(topics=(("a", "b"), ("b", "a")))] * 30).topics.share == 1.0


def test_fewer_than_thirty_are_not_shown():
    accuracy = measure([audited()] * 29)
    assert accuracy.sentiment == Rate(29, None, None, None)
    assert accuracy.sentiment_confusion == {} and accuracy.intent_confusion == {}
    assert rate(30, 30).share == 1.0


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [(50, 100, 0.4038, 0.5962), (0, 30, 0.0, 0.1135), (30, 30, 0.8865, 1.0), (81, 263, 0.2553, 0.3662)],
)
def test_wilson_intervals_are_those_of_the_textbook(right, n, low, high):
    assert wilson(right, n) == pytest.approx((low, high), abs=1e-3)


@pytest.mark.parametrize(
    ("score", "band"),
    [(0.0, "0.0-0.5"), (0.499, "0.0-0.5"), (0.5, "0.5-0.6"), (0.7, "0.7-0.8"), (0.9, "0.9-1.0"), (1.0, "0.9-1.0")],
)
def test_where_bands_begin(score, band):
    assert band_of(score) == band


def messages(n):
    return [
        Auditable(f"m{number:05d}", "a", "tr" if number % 4 == 0 else "en", 0.95 if number % 10 else 0.3)
        for number in range(n)
    ]


def test_a_sample_is_the_same_for_the_same_seed_and_another_for_another():
    one = pick_sample(messages(1000), size=20, seed="7:2026-11-23")
    assert one == pick_sample(messages(1000), size=20, seed="7:2026-11-23")
    assert one != pick_sample(messages(1000), size=20, seed="7:2026-11-30")
    assert len({picked.message_id for picked in one}) == 20


def test_every_language_and_band_has_its_share():
    picked = pick_sample(messages(1000), size=20, seed="s")
    assert Counter(one.language for one in picked)["tr"] == 5
    assert sum(one.score < 0.5 for one in picked) in {1, 2, 3}


def test_every_message_has_about_the_same_chance():
    seen = Counter(one.message_id for seed in range(600) for one in pick_sample(messages(50), size=10, seed=str(seed)))
    assert min(seen.values()) > 80 and max(seen.values()) < 165 and len(seen) == 50  # 120 expected


def test_a_small_week_is_taken_whole():
    assert len(pick_sample(messages(7), size=20, seed="s")) == 7
