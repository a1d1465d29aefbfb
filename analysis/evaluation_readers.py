"""What an evaluation asks: a stripped request for each message, put to any analyzer or to the keyword lexicon."""

import hashlib
from collections.abc import Sequence
from importlib.resources import files

from analysis import lexicon
from analysis.base import CUT_OFF, AnalysisError, AnalysisRequest, Analyzer, ContextTurn, PreparedCall, Usage
from analysis.cost import PRICES
from analysis.evaluation_file import Case
from analysis.evaluation_report import Reading
from analysis.evaluation_run import Ask
from analysis.minimize import minimize
from analysis.schema import AnalysisAnswer
from config.industries import Industry

# Measured on other texts, for an estimate: Turkish, Arabic and German take about 2 characters a token, English 2.5.
CHARS_PER_TOKEN = 2
ANSWER_TOKENS = 150


def request_for(case: Case, *, region: str, industry: Industry) -> AnalysisRequest:
    """What may leave the building for this message: text and context stripped, the industry's topics and tone."""
    turns = tuple(ContextTurn(turn.speaker, minimize(turn.text, region=region).text) for turn in case.context)
    return AnalysisRequest(
        text=minimize(case.text, region=region).text,
        context=turns,
        topics=industry.all_topics(),
        industry=industry.description,
        tone=industry.tone,
    )


def analyzer_ask(analyzer: Analyzer, *, region: str, industry: Industry) -> Ask:
    """Ask an analyzer as production does."""
    topics = tuple(industry.all_topics())

    def ask(case: Case) -> tuple[Reading, Usage]:
        request = request_for(case, region=region, industry=industry)
        call = analyzer.prepare(request)
        spent = Usage()
        try:
            analysis = analyzer.analyze(call, topics=topics)
        except AnalysisError as error:
            if error.code != CUT_OFF or error.permanent:
                raise
            spent = error.usage or spent
            call = analyzer.prepare(request, with_room=True)
            analysis = analyzer.analyze(call, topics=topics)
        reading = _reading(
            analysis.answer,
            model=analysis.model,
            prompt_version=analysis.prompt_version,
            prompt_hash=call.prompt_hash,
        )
        return reading, analysis.usage.plus(spent)

    return ask


def lexicon_ask(*, region: str, industry: Industry) -> Ask:
    """Ask the keyword lexicon: no key, no network. Its prompt hash is that of its word list."""
    topics = tuple(industry.all_topics())
    words_hash = hashlib.sha256((files("analysis") / "lexicon.toml").read_bytes()).hexdigest()

    def ask(case: Case) -> tuple[Reading, Usage]:
        text = request_for(case, region=region, industry=industry).text
        answer = lexicon.read(text, topics=topics)
        reading = _reading(
            answer,
            model=lexicon.LEXICON_MODEL,
            prompt_version=lexicon.LEXICON_VERSION,
            prompt_hash=words_hash,
        )
        return reading, Usage()

    return ask


def _reading(answer: AnalysisAnswer, *, model: str, prompt_version: str, prompt_hash: str) -> Reading:
    return Reading(
        sentiment=answer.sentiment,
        intent=answer.intent,
        score=answer.score,
        topics=answer.topics,
        injection_suspected=answer.signals.injection_suspected,
        model=model,
        prompt_version=prompt_version,
        prompt_hash=prompt_hash,
    )


def estimate_microusd(calls: Sequence[PreparedCall]) -> int | None:
    """About what these calls will cost, without a prompt cache and without repeats; None when a model's price is not known here."""
    total = 0.0
    for call in calls:
        price = PRICES.get(call.model)
        if price is None:
            return None
        tokens = (len(call.system_text) + len(call.user_turn)) / CHARS_PER_TOKEN
        total += tokens * price.input + ANSWER_TOKENS * price.output
    return round(total)
