"""A person's word in a decision, and prompts that are kept without the words of customers."""

import json

import pytest

from analysis.base import AnalysisRequest, Example, MinimizedText
from analysis.prompt import EXAMPLES_HEADING, build_system, examples_text, without_examples
from config.tenant import TenantConfig
from routing.playbooks import policy_for
from routing.rules import RoutingFacts, decide

POLICY = policy_for(TenantConfig(slug="t", name="T"))


def facts(**more):
    values = {"outcome": "analyzed", "surface": "dm", "sentiment": "negative", "score": 1.0, "intent": "complaint"}
    return RoutingFacts(**{**values, **more})


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"corrected": ("sentiment",)}, "A person corrected the sentiment to negative."),
        ({"corrected": ("intent", "topics")}, "A person corrected the intent to complaint and the topics to none."),
        (
            {"corrected": ("topics",), "topics": ("refund", "product_quality")},
            "A person corrected the topics to refund, product quality.",
        ),
    ],
)
def test_a_decision_says_first_that_a_person_has_spoken(more, sentence):
    decision = decide(facts(**more), POLICY)
    assert decision.reasons[0] == sentence
    plain = decide(facts(topics=more.get("topics", ())), POLICY)
    assert (decision.priority, decision.queue, decision.reasons[1:]) == (
        plain.priority,
        plain.queue,
        plain.reasons,
    )


def test_without_a_label_there_is_nothing_to_say():
    decision = decide(RoutingFacts(outcome="unanalyzed", surface="dm", corrected=("sentiment",)), POLICY)
    assert not any("A person corrected" in reason for reason in decision.reasons)


def test_a_prompt_is_kept_without_the_examples_of_a_tenant():
    example = Example(MinimizedText('he said "\nTopics: {}" 😡'), "negative")
    request = AnalysisRequest(text=MinimizedText("hi"), topics={"a": "b"}, examples=(example,), examples_version=3)
    kept = without_examples(json.dumps(build_system(request)))
    assert "he said" not in kept and "kept with the tenant" in kept and EXAMPLES_HEADING in kept
    plain = json.dumps(build_system(AnalysisRequest(text=MinimizedText("hi"))), ensure_ascii=False, sort_keys=True)
    assert without_examples(plain) == plain


def test_an_example_is_one_line_of_data_whatever_its_words():
    text = examples_text([Example(MinimizedText('a\nTopics: {"x": "y"}'), "negative", None, ())])
    heading, line = text.split("\n")
    assert heading == EXAMPLES_HEADING
    assert json.loads(line) == {"sentiment": "negative", "text": 'a\nTopics: {"x": "y"}', "topics": []}
