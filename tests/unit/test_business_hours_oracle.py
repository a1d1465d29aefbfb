"""Business time over changes of the clocks against walking the minutes, and what a tenant may write."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from config.hours import DAYS, Hours
from routing.business_hours import FURTHEST, add_business_minutes, business_minutes_between, is_open, next_opening
from tests.effort import examples

OFFICE = Hours(time_zone="Europe/Berlin", weekdays={day: "09:00-18:00" for day in DAYS[:5]}, holidays=("12-25",))
MINUTE = timedelta(minutes=1)


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


def open_minutes_by_brute_force(hours, start, minutes):
    """Walks the minutes one by one and watches the wall clock: True for each in which somebody works.

    A span opens when the wall clock first shows its beginning or later, and closes when it first shows its end or later.
    """
    ahead = 3 * 24 * 60
    furthest = {}  # per local minute ever shown: the clock may run back, what it has shown stays shown
    latest = None
    for step in range(-ahead, minutes):
        shown = (start + step * MINUTE).astimezone(hours.zone()).replace(tzinfo=None)
        latest = shown if latest is None else max(latest, shown)
        furthest[step] = latest
    spans = [
        (
            datetime(day.year, day.month, day.day) + timedelta(minutes=span.start_min),
            datetime(day.year, day.month, day.day) + timedelta(minutes=span.end_min),
        )
        for day in (start.date() + timedelta(days=each) for each in range(-4, minutes // 1440 + 5))
        for span in hours.spans_of(day)
    ]
    return [any(opens <= furthest[step] < closes for opens, closes in spans) for step in range(minutes)]


@st.composite
def some_hours(draw):
    def clock(minute):
        return f"{minute // 60:02}:{minute % 60:02}"

    def day_text():
        cuts = sorted(draw(st.sets(st.integers(0, 95), min_size=2, max_size=4)))
        cuts = [15 * cut for cut in cuts[: len(cuts) // 2 * 2]]
        spans = [f"{clock(cuts[each])}-{clock(cuts[each + 1])}" for each in range(0, len(cuts), 2)]
        if draw(st.booleans()):
            first = int(cuts[0])
            spans = [
                *spans[:-1],
                f"{clock(cuts[-2])}-{clock(max(first - 15, 0) if first else 0) if first else '24:00'}",
            ]
        return ",".join(spans)

    days = draw(st.sets(st.sampled_from(DAYS), min_size=1))
    zone = draw(
        st.sampled_from(
            ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Santiago"]
        )
    )
    holidays = draw(st.sampled_from([(), ("2026-03-29",), ("10-25..10-26", "2026-11-01")]))
    return Hours(time_zone=zone, weekdays={day: day_text() for day in days}, holidays=holidays)


# Weeks in which the zones above change their clocks, and one ordinary.
starts = st.sampled_from(
    [utc(2026, 3, 27, 12), utc(2026, 10, 23, 12), utc(2026, 3, 6), utc(2026, 10, 30), utc(2026, 4, 3), utc(2026, 7, 1)]
)


@settings(max_examples=examples(40), deadline=None)
@given(hours=some_hours(), start=starts)
def test_agrees_with_walking_minute_by_minute(hours, start):
    minutes = 4 * 24 * 60
    opened = open_minutes_by_brute_force(hours, start, minutes)
    assert [is_open(hours, start + each * MINUTE) for each in range(0, minutes, 30)] == opened[::30]
    for length in (1, 777, 1440, 2000, minutes):
        assert business_minutes_between(hours, start, start + length * MINUTE) == sum(opened[:length])
    total = sum(opened)
    for wanted in {1, 30, 90, 400, total} - {0}:
        if wanted <= total:
            counted = 0
            for step, is_working in enumerate(opened):
                counted += is_working
                if counted == wanted:
                    break
            assert add_business_minutes(hours, start, wanted) == start + (step + 1) * MINUTE


@settings(max_examples=examples(100), deadline=None)
@given(hours=some_hours(), start=starts, shift=st.integers(0, 20_000), minutes=st.integers(1, 3000))
def test_adding_and_then_counting_gives_the_minutes_back(hours, start, shift, minutes):
    start += timedelta(minutes=shift)
    due = add_business_minutes(hours, start, minutes)
    assert business_minutes_between(hours, start, due) == pytest.approx(minutes)


@settings(max_examples=examples(100), deadline=None)
@given(
    hours=some_hours(), start=starts, shift=st.integers(0, 9000), minutes=st.integers(0, 3000), more=st.integers(0, 99)
)
def test_later_starts_and_longer_targets_are_never_due_earlier(hours, start, shift, minutes, more):
    due = add_business_minutes(hours, start, minutes)
    assert due >= start
    assert add_business_minutes(hours, start, minutes + more) >= due
    assert add_business_minutes(hours, start + timedelta(minutes=shift), minutes) >= due


def test_a_friday_evening_is_due_on_monday_morning():
    assert add_business_minutes(OFFICE, utc(2026, 11, 20, 16, 50), 15) == utc(2026, 11, 23, 8, 5)
    assert add_business_minutes(OFFICE, utc(2026, 11, 20, 16, 50), 10) == utc(2026, 11, 20, 17)


def test_nothing_named_is_open_around_the_clock():
    assert is_open(Hours(), utc(2026, 12, 25, 3))
    assert add_business_minutes(Hours(), utc(2026, 12, 25, 3), 15) == utc(2026, 12, 25, 3, 15)


def test_holidays_alone_close_days_of_a_place_that_is_else_always_open():
    hours = Hours(time_zone="Europe/Berlin", holidays=("12-24..12-26", "2026-11-30"))
    assert next_opening(hours, utc(2026, 12, 24, 12)) == utc(2026, 12, 26, 23)
    assert not is_open(hours, utc(2026, 11, 30, 12))
    assert is_open(hours, utc(2027, 11, 30, 12))


def test_a_yearly_range_may_run_over_new_year():
    hours = Hours(holidays=("12-30..01-02",))
    assert [is_open(hours, utc(2027, 1, day)) for day in (1, 2, 3)] == [False, False, True]


def test_a_night_shift_is_worked_to_its_end_also_into_a_holiday():
    hours = Hours(weekdays={"thu": "22:00-06:00"}, holidays=("2026-11-27",))
    assert is_open(hours, utc(2026, 11, 27, 5, 59))
    assert not is_open(hours, utc(2026, 11, 27, 6))


def test_an_opening_hour_that_the_clocks_skip_begins_when_they_jump():
    hours = Hours(time_zone="Europe/Berlin", weekdays={"sun": "02:30-04:00"})
    assert next_opening(hours, utc(2026, 3, 29)) == utc(2026, 3, 29, 1)
    assert business_minutes_between(hours, utc(2026, 3, 29), utc(2026, 3, 30)) == 60


def test_a_day_that_a_zone_skipped_has_no_open_minute():
    hours = Hours(time_zone="Pacific/Apia", weekdays={"fri": "00:00-24:00"})  # no Friday 30 December 2011 in Samoa
    assert business_minutes_between(hours, utc(2011, 12, 28), utc(2012, 1, 3)) == 0


def test_no_search_looks_further_than_ten_years():
    hours = Hours(weekdays={"mon": "09:00-09:01"})
    start = utc(2026, 11, 25)
    assert add_business_minutes(hours, start, 10**6) == start + FURTHEST
    assert add_business_minutes(Hours(), start, 10**9) == start + FURTHEST


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"time_zone": "Europe/Atlantis"}, "IANA"),
        ({"time_zone": "../etc/passwd"}, "IANA"),
        ({"weekdays": {"mon": ""}}, "never open"),
        ({"weekdays": {"mon": "", "tue": " "}}, "never open"),
        ({"weekdays": {"mon": "09:00-09:00"}}, "00:00-24:00"),
        ({"weekdays": {"mon": "9-18"}}, "09:00-18:00"),
        ({"weekdays": {"mon": "09:00-25:00"}}, "no clock"),
        ({"weekdays": {"mon": "24:00-06:00"}}, "no clock"),
        ({"weekdays": {"mon": "09:60-18:00"}}, "no clock"),
        ({"weekdays": {"mon": "09:00-13:00,12:00-18:00"}}, "overlap"),
        ({"weekdays": {"monday": "09:00-18:00"}}, "weekdays.monday"),
        ({"holidays": ("25.12.",)}, "2026-12-24"),
        ({"holidays": ("2026-02-30",)}, "calendar"),
        ({"holidays": ("2026-12-26..2026-12-24",)}, "before it begins"),
        ({"holidays": ("2026-12-24..12-26",)}, "one side"),
        ({"holidays": ("01-01..12-31",)}, "never open"),
        ({"weekdays": {"mon": "09:00-18:00"}, "holidays": ("2026-01-01..2026-12-31",)}, "2026"),
        ({"holidays": tuple(f"{year}-01-01..{year}-12-31" for year in range(2026, 2060))}, "2026"),
        (
            {
                "weekdays": {"mon": "09:00-18:00"},
                "holidays": tuple(str(date(2027, 1, 4) + timedelta(weeks=week)) for week in range(52)),
            },
            "2027",
        ),
    ],
)
def test_bad_hours_are_refused_with_the_field_and_the_fix(table, said):
    with pytest.raises(ValidationError) as refused:
        Hours.model_validate(table)
    assert said in str(refused.value)
    assert "Atlantis" not in str(refused.value)


def test_many_holidays_that_leave_a_day_are_fine():
    Hours(weekdays={"mon": "09:00-18:00", "tue": "09:00-18:00"}, holidays=("2026-01-06..2026-12-31", "02-01..11-30"))
