"""Rates, scores and their intervals; silence where there are too few; and what may be said of a change."""

from datetime import UTC, datetime, timedelta

import pytest

from routing.survey_figures import Asked, compare, measure, net_score, split_by, tally_of

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def asked(score=None, *, days=10, hours=2.0, **more):
    at = NOW - timedelta(days=days)
    values = {
        "asked_at": at, "month": "2026-11", "channel": "whatsapp", "topics": (), "has_failed": False, "is_delivered": True,
        "score": score, "has_comment": False, "answered_at": at + timedelta(hours=hours) if score is not None else None,
    }  # fmt: skip
    return Asked(**(values | more))


def figures(invitations, survey="nps"):
    return measure(survey, tally_of(invitations, open_since=NOW - timedelta(hours=72)))


def test_nps_is_promoters_minus_detractors_of_all_answers():
    one = figures([asked(score) for score in [10] * 30 + [9] * 10 + [8] * 20 + [7] * 20 + [6] * 10 + [0] * 10])
    assert one.nps.value == pytest.approx(20)
    assert one.nps.low < 20 < one.nps.high
    assert one.distribution[6] == one.distribution[0] == 10 and sum(one.distribution.values()) == 100


def test_csat_is_the_share_of_fours_and_fives():
    one = figures([asked(score) for score in [5] * 20 + [4] * 10 + [3] * 5 + [1] * 5], "csat")
    assert one.csat.share == pytest.approx(0.75)
    assert one.nps is None
    assert list(one.distribution) == [1, 2, 3, 4, 5]


def test_under_thirty_answers_nothing_is_claimed():
    one = figures([asked(10)] * 29 + [asked()] * 100)
    assert one.nps.value is None and one.median_hours is None
    assert one.response.share == pytest.approx(29 / 129)  # of enough invitations
    assert figures([asked()] * 29).response.share is None


def test_thirty_tens_do_not_claim_to_be_certain():
    one = net_score(30, 0, n=30)
    assert one.value == 100 and one.high == 100 and one.low < 95


@pytest.mark.parametrize(("up", "down"), [(0, 30), (30, 0), (0, 0), (15, 15), (1, 29)])
def test_the_interval_holds_the_value_and_stays_on_the_scale(up, down):
    one = net_score(up, down, n=30)
    assert -100 <= one.low <= one.value <= one.high <= 100


def test_failed_invitations_count_neither_as_asked_nor_against_the_rate():
    one = figures([asked(9)] * 20 + [asked()] * 20 + [asked(has_failed=True, is_delivered=False)] * 5)
    assert (one.invited, one.failed, one.delivered, one.answered) == (40, 5, 40, 20)


def test_an_answer_proves_that_the_invitation_arrived():
    assert figures([asked(9, is_delivered=False), asked(is_delivered=False)]).delivered == 1


def test_invitations_whose_time_is_not_over_are_told_apart():
    assert figures([asked(days=1), asked(days=4), asked(9, days=1)]).still_open == 1


def test_the_median_is_of_the_hours_to_the_standing_answer():
    assert figures([asked(9, hours=hour) for hour in range(1, 32)]).median_hours == 16


def test_an_invitation_with_two_topics_counts_for_both():
    parts = split_by([asked(topics=("refund", "app")), asked()], "topic")
    assert {name: len(members) for name, members in parts.items()} == {"app": 1, "none": 1, "refund": 1}


def population(answered, invited):
    return figures([asked(9)] * answered + [asked()] * (invited - answered))


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        ((40, 1000), (200, 1000), "at least doubled"),
        ((40, 500), (82, 497), "higher"),  # 2.06 times, but 1.44 can't be ruled out
        ((40, 500), (45, 500), "no difference can be told"),
        ((200, 1000), (40, 1000), "lower"),
        ((29, 100), (90, 100), "not enough"),
        ((0, 0), (90, 100), "not enough"),
        ((30, 30), (30, 30), "no difference can be told"),
    ],
)
def test_a_change_is_called_what_its_interval_allows(before, after, verdict):
    change = compare(population(*before), population(*after))
    assert change.verdict == verdict
    if change.ratio is not None:
        assert change.low <= change.ratio <= change.high
