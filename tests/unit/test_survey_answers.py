"""What counts as a survey's score, in four languages, and what only looks like one."""

import time
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.survey_answers import SCALES, read_score, tapped

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


@given(st.text(alphabet=st.sampled_from("0123456789 /.,:;-'’⭐☆★٩۹９⁹️⃣🔟$€%aoneşı\n؟تسعة"), max_size=60))
def test_whatever_is_written_a_score_lies_on_its_scale(text):
    for survey, (low, high) in SCALES.items():
        reading = read_score(text, survey=survey)
        assert reading is None or low <= reading.score <= high


@pytest.mark.parametrize(
    "text", ["⭐ " * 2000 + "x", "9 " * 2000, "9," * 2000, "1/" * 2000, "a " * 2000 + "9", "☆" * 4000]
)
def test_long_texts_are_read_at_once(text):
    started = time.perf_counter()
    read_score(text, survey="csat")
    assert time.perf_counter() - started < 1
