"""What addresses of the insights mean, also nonsense ones; tables and lines drawn from counts; CSV without formulas."""

import csv
import io
from datetime import date, timedelta

import pytest

from console.csv_lines import csv_chunks
from console.heat_map import draw_days, draw_heat_map, line_points
from console.insight_query import read_insight_query
from console.periods import MOST_DAYS, read_period
from store.label_days import DayCount

TODAY = date(2026, 11, 29)


@pytest.mark.parametrize("days", [7, 30, 90])
def test_a_preset_ends_today(days):
    period = read_period({"range": str(days), "from": "2020-01-01"}, today=TODAY)
    assert (period.days, period.last, period.said) == (days, TODAY, ())
    assert period.in_address == {"range": str(days)}


def test_dates_are_taken_as_they_are():
    period = read_period({"range": "dates", "from": "2026-10-01", "to": "2026-10-31"}, today=TODAY)
    assert (period.first, period.last, period.preset, period.said) == (date(2026, 10, 1), date(2026, 10, 31), None, ())


@pytest.mark.parametrize(
    ("asked", "days", "said"),
    [
        ({}, 30, ()),
        ({"range": "dates"}, 30, ()),
        ({"range": "99999999999"}, 30, ("not_understood",)),
        ({"range": "²"}, 30, ("not_understood",)),
        ({"from": "yesterday"}, 30, ("not_understood",)),
        ({"from": "2026-11-31", "to": "2026-11-29"}, 30, ("not_understood",)),
        ({"from": "2026-11-20", "to": "2026-11-10"}, 11, ("turned_round",)),
        ({"from": "2026-11-20", "to": "9999-12-31"}, 10, ("in_the_future",)),
        ({"from": "9998-01-01", "to": "9999-12-31"}, 1, ("in_the_future",)),
        ({"from": "2026-01-01"}, MOST_DAYS, ("too_long",)),
        ({"from": "0001-01-01"}, MOST_DAYS, ("too_old", "too_long")),
        ({"to": "0001-01-01"}, 30, ("too_old",)),
        ({"from": "0001-01-01", "to": "0001-02-01"}, 30, ("too_old",)),
    ],
)
def test_huge_and_nonsense_ranges_are_clamped_and_said(asked, days, said):
    period = read_period(asked, today=TODAY)
    assert (period.days, period.said) == (days, said)
    assert period.first <= period.last <= TODAY


@pytest.mark.parametrize("text", ["'; DROP", "x" * 41, "\x00", "<b>", "dm\n", "", "=1"])
def test_a_filter_that_can_name_nothing_is_left_out(text):
    query = read_insight_query({"surface": text, "topic": text, "sentiment": text}, today=TODAY)
    assert (query.surface, query.topic, query.sentiment) == (None, "", None)


def count(topic, sentiment, messages, *, days_ago=0):
    return DayCount(topic, TODAY - timedelta(days=days_ago), sentiment, messages)


def test_the_topic_of_most_negatives_leads_and_no_topic_stands_last():
    found = draw_heat_map(
        [
            count("", "negative", 10),
            count("", "positive", 5, days_ago=1),
            count("-", "negative", 7),
            count("refund", "negative", 1),
            count("shipping", "negative", 2),
            count("shipping", "negative", 1, days_ago=1),
            count("shipping", "positive", 9),
        ]  # fmt: skip
    )
    assert [row.topic for row in found.rows] == ["shipping", "refund", "-"]
    assert (found.whole.messages, found.whole.negatives) == (15, 10)
    assert found.leading.topic == "shipping"
    negative, neutral, positive = found.rows[0].cells
    assert (negative.messages, negative.share, negative.level) == (3, 0.25, 3)
    assert (neutral.messages, neutral.level, positive.level) == (0, 0, 5)
    assert draw_heat_map([]).leading is None


def test_a_line_has_a_point_for_every_day_and_is_as_high_as_its_most():
    (one,) = draw_days(
        [count("app", "negative", 4), count("app", "neutral", 4, days_ago=3)],
        first=TODAY - timedelta(days=3),
        last=TODAY,
        topics=["app"],
    )
    assert (one.messages, one.negatives, one.early, one.late) == ((4, 0, 0, 4), (0, 0, 0, 4), 0.0, 1.0)
    assert one.most == (4, TODAY)
    assert one.points == "2.0,30.0 54.0,30.0 106.0,30.0 158.0,2.0"
    assert line_points([3]) == "2.0,2.0 158.0,2.0"
    assert line_points([0, 0]) == "2.0,30.0 158.0,30.0"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "－"])
def test_no_text_becomes_a_formula(start):
    text = start + 'cmd|" /C calc"!A0'
    (whole,) = csv_chunks(["text", "n"], [[text, -5], ["fine", None]])
    assert whole.startswith("\ufefftext,n\r\n")
    _, first, second = csv.reader(io.StringIO(whole.removeprefix("\ufeff"), newline=""))
    assert first == ["'" + text, "-5"] and second == ["fine", ""]


def test_a_long_file_comes_in_pieces():
    pieces = list(csv_chunks(["n"], ([number] for number in range(1000))))
    assert len(pieces) > 1
    assert "".join(pieces).count("\r\n") == 1001 and sum(piece.count("\ufeff") for piece in pieces) == 1
