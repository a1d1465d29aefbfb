"""When an event is told again, and how long an endpoint rests."""

import pytest

from routing.webhook_schedule import MAX_TRIES, rest_s, wait_s


def test_eleven_tries_reach_over_about_three_days():
    waits = [wait_s(tries, asked_s=None, share=0.5) for tries in range(1, MAX_TRIES)]
    assert waits == [5, 30, 120, 600, 3600, 10800, 21600, 43200, 86400, 86400]
    assert 2.5 < sum(waits) / 86400 < 3.5
    assert wait_s(MAX_TRIES, asked_s=None, share=0.5) is None


def test_the_lot_spreads_a_pause_by_a_fifth_each_way():
    assert [wait_s(3, asked_s=None, share=share) for share in (0.0, 1.0)] == pytest.approx([96, 144])


def test_what_the_far_side_asks_lengthens_a_pause_up_to_a_day_and_never_shortens_it():
    assert wait_s(1, asked_s=90, share=0.5) == 90
    assert wait_s(4, asked_s=1, share=0.5) == 600
    assert wait_s(1, asked_s=10_000_000, share=0.5) == 86400


def test_an_endpoint_that_is_down_rests_longer_after_each_failure():
    rests = [rest_s(failures, refused=False, asked_s=None) for failures in range(1, 10)]
    assert rests == [5, 10, 20, 40, 80, 160, 320, 600, 600]
    assert rest_s(100_000, refused=False, asked_s=None) == 600
    assert rest_s(1, refused=False, asked_s=120) == 120
    assert rest_s(1, refused=False, asked_s=86400) == 3600


def test_a_refused_event_holds_up_the_others_only_when_all_are_refused():
    assert [rest_s(failures, refused=True, asked_s=None) for failures in range(1, 8)] == [0, 0, 0, 0, 5, 10, 20]
