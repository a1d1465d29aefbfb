"""What the page of the examples says of messages that were judged in different ways."""

from analysis.examples import Conflict
from console.example_choice import SHOWN_OF_A_VALUE, ShownConflict, show_conflict


def test_a_few_messages_of_each_value_are_shown_and_the_others_counted():
    same = {f"same-{n}": "negative" for n in range(10)}
    shown = show_conflict(Conflict("sentiment", {**same, "odd": "positive"}))
    assert shown.messages == (*list(same.items())[:SHOWN_OF_A_VALUE], ("odd", "positive"))
    assert shown.more == 10 - SHOWN_OF_A_VALUE


def test_a_small_conflict_is_shown_whole():
    both = {"one": "shipping", "other": ""}
    assert show_conflict(Conflict("topics", both)) == ShownConflict("topics", tuple(both.items()), 0)
