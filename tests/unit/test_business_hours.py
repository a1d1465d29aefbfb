"""Business time against a clock that counts every minute."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from config.hours import DAYS, Hours, parse_spans
from routing.business_hours import add_business_minutes, business_minutes_between, is_open
from tests.effort import examples

OFFICE = Hours(
    time_zone="Europe/Istanbul",
    weekdays={day: "09:00-18:00" for day in DAYS[:5]},
    holidays=("2026-10-29", "2026-12-24..2026-12-26", "01-01"),
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("instant", "opened"),
    [
        ("2026-11-25T09:00+03:00", True),
        ("2026-11-25T08:59+03:00", False),
        ("2026-11-25T17:59+03:00", True),
        ("2026-11-25T18:00+03:00", False),
        ("2026-11-28T12:00+03:00", False),  # Saturday
        ("2026-10-29T12:00+03:00", False),
        ("2026-12-25T12:00+03:00", False),
        ("2027-01-01T12:00+03:00", False),
        ("2029-01-01T12:00+03:00", False),
        ("2027-01-04T12:00+03:00", True),
    ],
)
def test_an_office_is_open_when_its_door_sign_says_so(instant, opened):
    assert is_open(OFFICE, at(instant)) is opened


@pytest.mark.parametrize(
    ("start", "minutes", "end"),
    [
        ("2026-11-25T10:00+03:00", 15, "2026-11-25T10:15+03:00"),
        ("2026-11-25T17:50+03:00", 15, "2026-11-26T09:05+03:00"),
        ("2026-11-27T17:50+03:00", 15, "2026-11-30T09:05+03:00"),  # Friday evening to Monday
        ("2026-11-25T03:00+03:00", 60, "2026-11-25T10:00+03:00"),
        ("2026-12-23T17:00+03:00", 120, "2026-12-28T10:00+03:00"),
        ("2026-11-25T09:00+03:00", 9 * 60, "2026-11-25T18:00+03:00"),
        ("2026-11-25T20:00+03:00", 0, "2026-11-25T20:00+03:00"),
    ],
)
def test_a_target_is_due_in_business_time(start, minutes, end):
    assert add_business_minutes(OFFICE, at(start), minutes) == at(end)


def test_a_night_shift_belongs_to_the_day_it_begins():
    night = Hours(weekdays={"fri": "22:00-06:00"}, holidays=("2026-11-28",))
    assert is_open(night, at("2026-11-28T05:59+00:00"))  # Saturday is a holiday, the shift began on Friday
    assert not is_open(night, at("2026-11-28T06:00+00:00"))
    assert not is_open(Hours(weekdays={"fri": "22:00-06:00"}, holidays=("2026-11-27",)), at("2026-11-28T05:00+00:00"))


def test_an_hour_that_is_skipped_or_comes_twice_is_counted_as_people_live_it():
    berlin = Hours(time_zone="Europe/Berlin", weekdays={day: "22:00-06:00" for day in DAYS})
    spring, autumn = at("2026-03-28T22:00+01:00"), at("2026-10-24T22:00+02:00")
    assert business_minutes_between(berlin, spring, spring + timedelta(hours=12)) == 7 * 60
    assert business_minutes_between(berlin, autumn, autumn + timedelta(hours=12)) == 9 * 60
    assert add_business_minutes(berlin, autumn, 9 * 60) == at("2026-10-25T06:00+01:00")


_minutes = st.integers(0, 24 * 60 - 1)


@st.composite
def _hours(draw):
    zone = draw(st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]))
    weekdays = {}
    for day in draw(st.sets(st.sampled_from(DAYS), min_size=1)):
        start, end = draw(_minutes), draw(_minutes)
        if start != end:
            weekdays[day] = f"{start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}"
    if not weekdays:
        weekdays = {"mon": "00:00-24:00"}
    holidays = draw(st.sets(st.sampled_from(["2026-10-25", "2026-03-29", "11-01", "2026-04-04..2026-04-06"])))
    return Hours(time_zone=zone, weekdays=weekdays, holidays=tuple(sorted(holidays)))


_instants = st.sampled_from(
    ["2026-03-07T00:00+00:00", "2026-03-27T00:00+00:00", "2026-04-03T00:00+00:00", "2026-10-23T00:00+00:00",
     "2026-10-31T00:00+00:00", "2026-06-10T00:00+00:00"]
).flatmap(lambda base: st.integers(0, 4 * 24 * 60).map(lambda minutes: at(base) + timedelta(minutes=minutes)))  # fmt: skip


@settings(max_examples=examples(40), deadline=None)
@given(_hours(), _instants, st.integers(1, 3 * 24 * 60))
def test_minutes_between_are_the_minutes_at_which_it_is_open(hours, start, length):
    counted = sum(is_open(hours, start + timedelta(minutes=number)) for number in range(length))
    assert business_minutes_between(hours, start, start + timedelta(minutes=length)) == counted


@settings(max_examples=examples(300), deadline=None)
@given(_hours(), _instants, st.integers(1, 5000))
def test_a_target_and_the_time_it_took_agree(hours, start, minutes):
    due = add_business_minutes(hours, start, minutes)
    assume(due - start < timedelta(days=900))  # hours that open a minute a week
    assert business_minutes_between(hours, start, due) == minutes
    assert is_open(hours, due - timedelta(seconds=1))
    assert add_business_minutes(hours, start, minutes + 1) > due


def test_several_spans_stand_in_order():
    assert parse_spans("13:00-18:00, 09:00-12:00") == ((540, 720), (780, 1080))
