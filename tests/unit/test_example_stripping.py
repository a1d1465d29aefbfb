"""Words of examples are stripped again by today's rules: what these leave alone is known by its digest the next time."""

from datetime import UTC, datetime

import pytest

from store.example_candidates import JudgedMessage
from worker import example_proposals


def judged(text, *names):
    return JudgedMessage("m", text, names, "en", False, datetime.now(UTC), (), {})


@pytest.fixture
def asked(monkeypatch):
    """Texts that were stripped."""
    texts, minimize = [], example_proposals.minimize

    def watched(text, **named):
        texts.append(text)
        return minimize(text, **named)

    monkeypatch.setattr(example_proposals, "minimize", watched)
    monkeypatch.setattr(example_proposals, "_unchanged", set())
    return texts


def test_what_needs_no_stripping_is_looked_at_once(asked):
    for _ in range(3):
        assert example_proposals._strip_again(judged("Where is it?"), region="DE") == "Where is it?"
    assert asked == ["Where is it?"]
    assert all(len(one) == 32 for one in example_proposals._unchanged), "digests, and no words"


def test_what_is_cut_is_cut_each_time(asked):
    for _ in range(2):
        assert "532" not in example_proposals._strip_again(judged("Call +90 532 123 45 67"), region="TR")
    assert len(asked) == 2


def test_other_names_and_another_country_are_another_question(asked):
    example_proposals._strip_again(judged("Thanks, Ada"), region="DE")
    assert example_proposals._strip_again(judged("Thanks, Ada", "Ada"), region="DE") != "Thanks, Ada"
    example_proposals._strip_again(judged("Thanks, Ada"), region="TR")
    assert len(asked) == 3


def test_the_memory_is_bounded(asked, monkeypatch):
    monkeypatch.setattr(example_proposals, "MAX_REMEMBERED", 5)
    for number in range(12):
        example_proposals._strip_again(judged(f"Words {'x' * number}"), region="DE")
    assert len(example_proposals._unchanged) <= 5
