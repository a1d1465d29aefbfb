"""The contract with the model, as we check it."""

import json

import pytest

from analysis.schema import read_answer, wire_schema

SIX = {
    "sentiment": "negative",
    "score": 0.9,
    "summary": "The customer waits.",
    "intent": "order_status",
    "topics": ["shipping"],
    "suggested_action": "follow_up",
}


def read(**change):
    return read_answer(json.dumps({**SIX, **change}), topics=("shipping", "refund")).answer


def test_an_answer_with_only_the_six_public_fields_is_valid():
    answer = read()
    assert (answer.sentiment, answer.language, answer.signals.sarcasm) == ("negative", "und", False)


def test_capitals_in_labels_are_forgiven():
    assert read(sentiment="Negative", intent="ORDER_STATUS").intent == "order_status"


def test_topics_the_tenant_does_not_have_are_dropped():
    assert read(topics=["invented", "Refund", "refund", 3]).topics == ("refund",)


def test_topics_are_found_however_they_are_spelled_and_unknown_ones_are_told():
    text = json.dumps({**SIX, "topics": ["Lost Parcels", "SHIPPING", "lost-parcels", "x" * 60, "", 7, "<b>"]})
    read = read_answer(text, topics=("shipping", "lost_parcels"))
    assert (read.answer.topics, read.unknown_topics) == (("lost_parcels", "shipping"), ())
    assert read_answer(text, topics=("shipping",)).unknown_topics == ("lost_parcels",)


def test_a_long_summary_is_cut():
    assert len(read(summary="x" * 500).summary) == 200


def test_whole_numbers_are_scores_too():
    assert read(score=1).score == 1.0


@pytest.mark.parametrize("score", [1.7, -0.1, "0.9", True, None, [], 70])
def test_a_score_that_is_none_is_refused_without_being_quoted(score):
    with pytest.raises(ValueError, match="^invalid:score$"):
        read(score=score)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', "NaN", "[" * 5000])
def test_what_is_no_object_is_refused(text):
    with pytest.raises(ValueError, match=r"not_json|not_object"):
        read_answer(text, topics=())


@pytest.mark.parametrize("field", SIX)
def test_a_missing_public_field_is_refused_by_name(field):
    answer = {key: value for key, value in SIX.items() if key != field}
    with pytest.raises(ValueError, match=f"invalid:{field}"):
        read_answer(json.dumps(answer), topics=())


def test_nan_is_no_score():
    with pytest.raises(ValueError, match="invalid:score"):
        read_answer(json.dumps(SIX).replace("0.9", "NaN"), topics=())


def test_the_schema_uses_only_what_the_api_takes():
    text = json.dumps(wire_schema())
    for word in ("minimum", "maximum", "maxLength", "minLength", "maxItems", "pattern", "$ref"):
        assert word not in text
    assert wire_schema()["additionalProperties"] is False
    assert list(wire_schema()["properties"])[0] == "language"
