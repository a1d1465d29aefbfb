"""Which answers a stronger model reads again."""

import pytest

from analysis.escalation import may_escalate, reason_to_escalate
from analysis.schema import AnalysisAnswer, Signals


def answer(sentiment="neutral", score=0.9, intent="other", *, sarcasm=False):
    return AnalysisAnswer(
        sentiment=sentiment,
        score=score,
        summary="",
        intent=intent,
        topics=(),
        suggested_action="none",
        signals=Signals(sarcasm=sarcasm),
    )


@pytest.mark.parametrize(
    ("given", "hits", "reason"),
    [
        (answer(), (), None),
        (answer(score=0.55), (), None),
        (answer(score=0.54), (), "low_confidence"),
        (answer("negative", sarcasm=True), (), "sarcasm"),
        (answer("positive", intent="compliment"), (), None),
        (answer("positive", intent="complaint"), (), "contradiction"),
        (answer("positive", intent="refund_request"), (), "contradiction"),
        (answer("positive", intent="compliment"), ("legal_threat",), "contradiction"),
        (answer("negative", intent="compliment"), (), "contradiction"),
        (answer("negative", intent="refund_request"), ("urgent",), None),
    ],
)
def test_doubt_irony_and_contradiction_are_read_again(given, hits, reason):
    assert reason_to_escalate(given, below=0.55, floor_hits=hits) == reason


@pytest.mark.parametrize(
    ("calls", "escalations", "share", "may"),
    [
        (1, 0, 0.05, True),
        (1, 2, 0.05, True),
        (1, 3, 0.05, False),
        (100, 4, 0.05, True),
        (100, 5, 0.05, False),
        (9, 0, 0, False),
    ],
)
def test_second_readings_have_a_share_of_the_day_and_a_few_are_free(calls, escalations, share, may):
    assert may_escalate(calls=calls, escalations=escalations, max_share=share) is may
