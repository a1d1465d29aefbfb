"""What counts as a survey's score, in four languages, and what only looks like one."""

import tomllib
from pathlib import Path

import pytest

from routing.survey_answers import read_score, tapped

REPLIES = tomllib.loads((Path(__file__).parent / "survey_replies.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("survey", "text", "expected"),
    [(survey, text, expected) for survey, replies in REPLIES.items() for text, expected in replies.items()],
)
def test_a_reply_is_read_as_a_person_would_read_it(survey, text, expected):
    reading = read_score(text, survey=survey)
    found = "none" if reading is None else f"{reading.score} {'bare' if reading.is_bare else 'comment'}"
    assert found == expected


@pytest.mark.parametrize(
    ("text", "is_certain"),
    [("9", False), ("nine", False), ("9, but slow", False), ("9/10", True), ("9 points", True), ("I give 9", True)],
)
def test_a_number_that_calls_itself_a_score_can_answer_no_other_question(text, is_certain):
    reading = read_score(text, survey="nps")
    assert reading is not None and reading.is_certain is is_certain


@pytest.mark.parametrize(
    ("choice_id", "expected"),
    [
        ("nps:0", ("nps", 0)),
        ("nps:10", ("nps", 10)),
        ("csat:4", ("csat", 4)),
        ("nps:11", None),
        ("csat:0", None),
        ("csat:6", None),
        ("nps:", None),
        ("order:9", None),
        ("nps:9 ", None),
        (None, None),
    ],
)
def test_only_our_own_buttons_are_taps(choice_id, expected):
    assert tapped(choice_id) == expected
