"""Quiet hours: who waits, until when, and how old it is then; also on the nights when clocks change."""

from datetime import UTC, datetime, timedelta

import pytest

from config.actions import ActionConfig
from config.automation import Automation
from config.hours import Hours
from routing.quiet_hours import age, in_quiet_hours, quiet_until

NIGHT = Automation(quiet_hours="21:00-08:00")
BERLIN = Hours(time_zone="Europe/Berlin")


def utc(day, hour, minute=0, *, month=11):
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "until"),
    [
        (utc(24, 19, 59), None),  # 20:59 in Berlin
        (utc(24, 20, 0), utc(25, 7)),
        (utc(25, 3), utc(25, 7)),
        (utc(25, 6, 59), utc(25, 7)),
        (utc(25, 7), None),
        # The night to 29 March is an hour shorter, the one to 25 October an hour longer: people get up by their clocks.
        (utc(28, 23, month=3), utc(29, 6, month=3)),
        (utc(24, 22, month=10), utc(25, 7, month=10)),
    ],
)
def test_the_night_ends_by_the_tenants_clock(now, until):
    assert quiet_until(NIGHT, BERLIN, now=now) == until


@pytest.mark.parametrize(
    ("span", "now", "until"),
    [
        ("00:00-08:00", utc(24, 7, 59), utc(24, 8)),
        ("21:00-24:00", utc(24, 23), utc(25, 0)),
        ("12:00-14:00", utc(24, 13), utc(24, 14)),
        ("12:00-14:00", utc(24, 23), None),
    ],
)
def test_any_one_span_will_do(span, now, until):
    assert quiet_until(Automation(quiet_hours=span), Hours(), now=now) == until


def test_without_quiet_hours_nothing_waits_and_time_is_time():
    assert quiet_until(Automation(), BERLIN, now=utc(24, 23)) is None
    assert age(
        "close_with_thanks",
        since=utc(24, 21),
        now=utc(25, 7),
        config=ActionConfig(),
        automation=Automation(),
        hours=BERLIN,
    ) == timedelta(hours=10)


@pytest.mark.parametrize(
    ("kind", "config", "hours"),
    [
        ("close_with_thanks", ActionConfig(), 0.5),
        ("send_nps_invite", ActionConfig(), 0.5),
        ("send_refund_form", ActionConfig(), 11.5),
        ("send_refund_form", ActionConfig(in_quiet_hours="wait"), 0.5),
        ("close_with_thanks", ActionConfig(in_quiet_hours="send"), 11.5),
    ],
)
def test_only_what_waits_grows_no_older_at_night(kind, config, hours):
    found = age(kind, since=utc(24, 19, 45), now=utc(25, 7, 15), config=config, automation=NIGHT, hours=BERLIN)
    assert found == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("kind", "habit"),
    [
        ("close_with_thanks", "wait"),
        ("send_nps_invite", "wait"),
        ("send_refund_form", "send"),
        ("request_screenshot", "send"),
    ],
)
def test_answers_leave_at_night_and_courtesies_wait(kind, habit):
    assert in_quiet_hours(kind, config=ActionConfig()) == habit
    assert in_quiet_hours(kind, config=ActionConfig(in_quiet_hours="drop")) == "drop"
