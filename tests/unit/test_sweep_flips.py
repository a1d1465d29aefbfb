"""The flip report, from pairs of labels alone."""

import json
from dataclasses import replace

import pytest

from store.sweep_report import JudgedTwice
from worker.sweep_flips import SHOWN_MESSAGES, compare

SAME = JudgedTwice(
    message_id="m",
    old_sentiment="neutral", new_sentiment="neutral", old_intent="other", new_intent="other",
    old_topics=["shipping"], new_topics=["shipping"], old_model="haiku", new_model="haiku",
    old_prompt_version="g1.s1.e3", new_prompt_version="g1.s1.e3", old_prompt_hash="h1", new_prompt_hash="h1",
    old_turn=b"t", new_turn=b"t", new_score=0.9,
)  # fmt: skip
FLIPPED = replace(SAME, new_sentiment="negative")


def prompt(topics="{}", tone="kind"):
    return json.dumps([{"type": "text", "text": "rules"}, {"type": "text", "text": f"Tone: {tone}\nTopics: {topics}"}])


TEXTS = {"h1": prompt(), "wine": prompt('{"wine": "red"}'), "tone": prompt(tone="cool")}


def report(*pairs, first=0):
    return compare(list(pairs), first=first, system_texts=TEXTS)


def test_what_stayed_is_no_change_whatever_else_differs():
    told = report(
        SAME, replace(SAME, new_model="sonnet"), replace(SAME, new_topics=["shipping"], new_score=0.1), first=2
    )
    assert (told.judged, told.first, told.changed, told.messages) == (3, 2, 0, [])
    assert set(told.causes.values()) == {0}


@pytest.mark.parametrize(
    ("difference", "causes"),
    [
        ({}, ["noise"]),
        ({"new_prompt_version": "g2.s1.e3", "new_prompt_hash": "tone"}, ["prompt"]),
        ({"new_prompt_version": "g1.s2.e3"}, ["prompt"]),
        ({"new_model": "sonnet", "new_prompt_hash": "other"}, ["model", "topics"]),
        ({"new_prompt_version": "g1.s1.e4"}, ["examples"]),
        ({"old_prompt_version": "g1.s1"}, ["examples"]),
        ({"new_prompt_hash": "wine"}, ["topics"]),
        ({"new_prompt_hash": "tone"}, ["prompt"]),
        ({"new_turn": b"u"}, ["words"]),
        ({"old_turn": None}, ["noise"]),
        ({"new_model": "sonnet", "new_turn": b"u"}, ["model", "words"]),
    ],
)
def test_a_change_has_the_causes_that_differ(difference, causes):
    told = report(replace(FLIPPED, **difference))
    assert told.messages[0]["causes"] == causes
    assert {name for name, count in told.causes.items() if count} == set(causes)


def test_pairs_and_topics_are_counted():
    told = report(
        FLIPPED,
        replace(FLIPPED, new_intent="complaint"),
        replace(SAME, new_topics=["refund", "shipping"]),
        replace(SAME, old_topics=["refund"], new_topics=["billing"]),
    )
    assert (told.changed, told.sentiments, told.intents) == (4, {"neutral > negative": 2}, {"other > complaint": 1})
    assert told.topics["refund"] == {"gained": 1, "lost": 1} and told.topics["billing"] == {"gained": 1, "lost": 0}
    assert "shipping" not in told.topics


def test_the_messages_that_matter_most_come_first_and_not_all_are_named():
    calm = [replace(SAME, message_id=f"calm-{number}", new_intent="complaint") for number in range(30)]
    happy = replace(FLIPPED, message_id="happy", new_sentiment="positive")
    told = report(*calm, happy, replace(FLIPPED, message_id="angry"))
    assert [one["message_id"] for one in told.messages[:3]] == ["angry", "happy", "calm-0"]
    assert len(told.messages) == SHOWN_MESSAGES
    assert json.loads(json.dumps(told.as_json()))["changed"] == 32
