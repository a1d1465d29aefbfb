"""New examples must judge held-back corrections and confirmed messages no worse than the old ones."""

from datetime import UTC, datetime

import pytest

from analysis.base import MinimizedText
from analysis.example_check import Expected, Score, check, conclude, find_in_question, is_right, score
from analysis.examples import Candidate, Verdict
from analysis.schema import AnalysisAnswer


def answer(sentiment="negative", intent="complaint", topics=("refund",)):
    return AnalysisAnswer(
        sentiment=sentiment, score=0.9, summary="", intent=intent, topics=topics, suggested_action="none"
    )


@pytest.mark.parametrize(
    ("values", "right"),
    [
        ({}, True),
        ({"sentiment": "negative"}, True),
        ({"sentiment": "positive"}, False),
        ({"intent": "complaint"}, True),
        ({"intent": "other"}, False),
        ({"topics": "refund"}, True),
        ({"topics": ""}, False),
        ({"topics": "shipping,refund"}, False),
    ],
)
def test_right_means_every_known_field(values, right):
    assert is_right(Expected("m", values), answer()) is right


def test_no_answer_is_not_right():
    assert not is_right(Expected("m", {}), None)


def test_a_score_counts_both_rounds_and_names_what_was_lost():
    expected = [Expected(name, {"sentiment": "negative"}) for name in "abc"]
    counted = score(expected, old={"a": answer(), "b": None}, new={"b": answer(), "c": answer("positive")})
    assert counted == Score(3, 1, 1, ("a",))


@pytest.mark.parametrize(
    ("held_back", "confirmed", "verdict", "sentence"),
    [
        (Score(6, 2, 5), Score(6, 6, 6), "passed", "Not worse: 5 of 6 held-back messages are judged right (before: 2), 6 of 6"),
        (Score(6, 2, 2), Score(6, 6, 6), "passed", "Not worse"),
        (Score(6, 3, 2), Score(6, 6, 6), "worse", "Worse: 2 instead of 3 of 6 held-back messages are judged right."),
        (Score(6, 3, 5), Score(6, 6, 4), "worse", "Worse: 4 instead of 6 of 6 confirmed or uncorrected messages are judged right."),
        (Score(2, 2, 1), Score(2, 2, 1), "worse", "held-back messages are judged right and 1 instead of 2 of 2 confirmed or uncorrected"),
        (Score(4, 0, 4), Score(4, 4, 4), "unchecked", "Cannot be checked: 4 corrections are held back, and 5 are needed."),
    ],
)  # fmt: skip
def test_fewer_right_on_either_side_is_worse(held_back, confirmed, verdict, sentence):
    result = conclude(held_back, confirmed)
    assert result.verdict == verdict and sentence in result.sentence


def correction(text="the blue box is what we saw", value="negative", was="neutral", field="sentiment"):
    return Candidate("c", MinimizedText(text), "en", {field: Verdict(value, was)}, datetime(2026, 11, 1, tzinfo=UTC))


def expected(text="the blue box is what they saw", *, confirmed=False, sentiment="neutral", intent="complaint"):
    return Expected("m", {"sentiment": sentiment, "intent": intent}, text=text, confirmed=confirmed)


@pytest.mark.parametrize(
    ("one", "answered", "corrections", "open_ones"),
    [
        (expected(), answer("negative"), [correction()], ("m",)),
        (expected(confirmed=True), answer("negative"), [correction()], ()),
        (expected(), answer("neutral"), [correction()], ()),
        (expected(), None, [correction()], ()),
        (expected(), answer("positive"), [correction()], ()),
        (expected("something else was said"), answer("negative"), [correction()], ()),
        (expected(intent="other"), answer("negative"), [correction()], ()),
        (expected(), answer("negative"), [], ()),
    ],
)
def test_a_message_that_nobody_looked_at_and_that_changes_like_a_corrected_one_is_in_question(
    one, answered, corrections, open_ones
):
    assert find_in_question([one], new={"m": answered}, corrections=corrections) == open_ones


def test_what_is_in_question_counts_for_nobody_and_must_be_accepted():
    held_back = [Expected(str(number), {"sentiment": "negative"}) for number in range(5)]
    answers = {one.message_id: answer() for one in held_back} | {"m": answer("negative")}
    result = check(held_back, [expected()], old={}, new=answers, corrections=[correction()])
    assert (result.verdict, result.in_question, result.confirmed) == ("unchecked", ("m",), Score(0, 0, 0))
    assert "1 messages that nobody has looked at would change as like ones were corrected" in result.sentence
    assert check(held_back, [], old={}, new=answers, corrections=[]).verdict == "passed"
