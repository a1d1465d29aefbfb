"""What a page has worked out is worked out once, as long as it is new and asked for."""

from console import remembered
from console.remembered import Remembered


def counting():
    made = []
    return made, lambda: made.append(len(made)) or len(made)


def test_the_same_question_is_answered_once():
    made, make = counting()
    known = Remembered(kept=2)
    assert [known.get("a", make), known.get("a", make), known.get("b", make)] == [1, 1, 2]


def test_what_is_too_old_is_worked_out_again(monkeypatch):
    made, make = counting()
    known = Remembered(kept=2, max_age_s=20)
    now = iter([100.0, 119.9, 120.0, 120.0])
    monkeypatch.setattr(remembered.time, "monotonic", lambda: next(now))
    assert [known.get("a", make), known.get("a", make), known.get("a", make)] == [1, 1, 2]


def test_only_the_newest_are_kept_and_what_is_asked_for_stays_new():
    made, make = counting()
    known = Remembered(kept=2)
    for question in ("a", "b", "a", "c", "a", "b"):
        known.get(question, make)
    assert len(made) == 4  # a, b, c and b again
