"""Rules that look at the clock: the tenant's own, in summer and winter, and over midnight."""

from datetime import UTC, datetime

import pytest

from config.hours import Hours
from config.rules import RuleWhen
from routing.conditions import time_holds
from routing.facts import RoutingFacts
from routing.local_time import local_time

BERLIN = Hours(time_zone="Europe/Berlin")


@pytest.mark.parametrize(
    ("at", "day", "clock"),
    [
        (datetime(2026, 1, 5, 21, 30, tzinfo=UTC), "mon", (22, 30)),
        (datetime(2026, 7, 6, 20, 30, tzinfo=UTC), "mon", (22, 30)),
        (datetime(2026, 1, 5, 23, 0, tzinfo=UTC), "tue", (0, 0)),
        # Spring forward: 01:59 is followed by 03:00.
        (datetime(2026, 3, 29, 0, 59, tzinfo=UTC), "sun", (1, 59)),
        (datetime(2026, 3, 29, 1, 0, tzinfo=UTC), "sun", (3, 0)),
        # Fall back: 02:30 comes twice.
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "sun", (2, 30)),
        (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "sun", (2, 30)),
    ],
)
def test_an_instant_is_read_on_the_tenants_clock(at, day, clock):
    assert local_time(BERLIN, at) == (day, clock[0] * 60 + clock[1])


def facts(day, minute):
    return RoutingFacts(outcome="no_text", surface="dm", weekday=day, minute=minute)


def test_a_night_over_midnight_belongs_to_the_day_on_which_it_began():
    night = RuleWhen(weekdays=("sun",), between="22:00-07:00")

    assert time_holds(night, facts("sun", 22 * 60))
    assert time_holds(night, facts("mon", 7 * 60 - 1))
    assert not time_holds(night, facts("mon", 7 * 60))
    assert not time_holds(night, facts("sun", 6 * 60))


def test_a_whole_day_has_no_gap():
    assert all(time_holds(RuleWhen(between="00:00-24:00"), facts("mon", minute)) for minute in (0, 720, 1439))


@pytest.mark.parametrize("window", ["22:00", "25:00-26:00", "09:00-09:00", "09:00-10:00, 11:00-12:00", "9-17"])
def test_a_window_that_cannot_be_read_is_refused(window):
    with pytest.raises(ValueError, match="between"):
        RuleWhen(between=window)
