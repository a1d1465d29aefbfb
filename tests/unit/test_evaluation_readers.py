"""What leaves for an analyzer: stripped text and stripped context, as in production."""

from types import SimpleNamespace

import pytest

from analysis.base import CUT_OFF, Analysis, AnalysisError, PreparedCall, Usage
from analysis.evaluation_file import Case, Turn
from analysis.evaluation_readers import analyzer_ask, estimate_microusd, lexicon_ask, request_for
from analysis.schema import AnalysisAnswer, Signals
from config.industries import load_industry

INDUSTRY = load_industry("ecommerce")
CASE = Case(
    line=1,
    id="m1",
    text="My parcel is late, call 0532 123 45 67",
    sentiment="negative",
    context=(Turn("customer", "I am jane@example.com"), Turn("agent", "Your order #10482")),
)


def call(model, *, characters):
    return PreparedCall("anthropic", model, "g1", "hash", "s" * (characters - 10), "u" * 10)


class FakeAnalyzer:
    name = "fake"

    def __init__(self):
        self.requests = []

    def prepare(self, request, *, with_room=False):
        self.requests.append(request)
        return SimpleNamespace(prompt_hash="hash")

    def analyze(self, call, *, topics):
        answer = AnalysisAnswer(
            sentiment="negative", score=0.8, summary="s", intent="complaint", topics=topics[:1],
            suggested_action="none", signals=Signals(injection_suspected=True),
        )  # fmt: skip
        return Analysis(answer, analyzer="fake", model="model-1", prompt_version="g9", usage=Usage(input_tokens=5))


def test_text_and_context_are_stripped():
    request = request_for(CASE, region="TR", industry=INDUSTRY)
    assert request.text == "My parcel is late, call [PHONE_1]"
    assert [(turn.speaker, turn.text) for turn in request.context] == [
        ("customer", "I am [EMAIL_1]"),
        ("agent", "Your order #10482"),
    ]
    assert request.topics == INDUSTRY.all_topics()
    assert (request.industry, request.tone) == (INDUSTRY.description, INDUSTRY.tone)


def test_any_analyzer_can_be_asked():
    analyzer = FakeAnalyzer()
    reading, usage = analyzer_ask(analyzer, region="TR", industry=INDUSTRY)(CASE)
    assert "[PHONE_1]" in analyzer.requests[0].text
    assert (reading.sentiment, reading.intent, reading.score, reading.injection_suspected) == (
        "negative", "complaint", 0.8, True,
    )  # fmt: skip
    assert (reading.model, reading.prompt_version, reading.prompt_hash) == ("model-1", "g9", "hash")
    assert reading.topics == ("shipping",) and usage == Usage(input_tokens=5)


def test_the_lexicon_needs_nobody():
    reading, usage = lexicon_ask(region="TR", industry=INDUSTRY)(CASE)
    assert (reading.sentiment, reading.model, usage) == ("negative", "local-lexicon", Usage())
    assert len(reading.prompt_hash) == 64


def test_the_estimate_is_tokens_times_price():
    # 4,000 characters are 2,000 tokens at $0.10 a million, and 150 tokens at $0.50: 200 + 75 millionths of a dollar.
    assert estimate_microusd([call("claude-haiku-5-5", characters=4000)] * 2) == pytest.approx(550)
    assert estimate_microusd([call("claude-next", characters=4000)]) is None


@pytest.mark.parametrize("cut_offs", [0, 1, 2])
def test_an_answer_that_is_cut_off_gets_one_more_call_with_room_as_in_production(cut_offs):
    class Talkative(FakeAnalyzer):
        def prepare(self, request, *, with_room=False):
            self.with_room = with_room
            return super().prepare(request)

        def analyze(self, call, *, topics):
            if len(self.requests) <= cut_offs:
                raise AnalysisError(CUT_OFF, permanent=self.with_room, usage=Usage(output_tokens=7))
            return super().analyze(call, topics=topics)

    analyzer = Talkative()
    ask = analyzer_ask(analyzer, region="TR", industry=INDUSTRY)
    if cut_offs == 2:
        with pytest.raises(AnalysisError):
            ask(CASE)
        return
    _, usage = ask(CASE)
    assert (analyzer.with_room, usage.input_tokens, usage.output_tokens) == (cut_offs == 1, 5, 7 * cut_offs)
