"""What the API answers about surveys and accuracy: shares with their intervals, None where there are too few to say."""

from typing import Self

from pydantic import BaseModel

from analysis.accuracy import Accuracy, Rate
from console.api.insight_answers import Days
from console.insight_reading import CorrectedLine, SurveyLine
from console.periods import Period


class RateAnswer(BaseModel):
    """A share of n with its 95 % interval; None below 30."""

    n: int
    share: float | None
    low: float | None
    high: float | None

    @classmethod
    def of(cls, rate: Rate) -> Self:
        """From the figures."""
        return cls(**vars(rate))


class NetScoreAnswer(BaseModel):
    """Promoters minus detractors, -100 to 100, with its 95 % interval; None below 30 answers."""

    n: int
    value: float | None
    low: float | None
    high: float | None


class SurveyAnswer(BaseModel):
    """A survey of one channel ("all": of all). nps: of NPS. csat: the share of 4 and 5, of CSAT. distribution: answers by score."""

    survey: str
    part: str
    invited: int
    failed: int
    delivered: int
    answered: int
    commented: int
    still_open: int
    response: RateAnswer
    nps: NetScoreAnswer | None
    csat: RateAnswer | None
    distribution: dict[str, int]
    median_hours: float | None

    @classmethod
    def of(cls, line: SurveyLine) -> Self:
        """From the figures."""
        one = line.figures
        return cls.model_validate(
            {
                **vars(one),
                "part": line.part,
                "response": RateAnswer.of(one.response),
                "nps": NetScoreAnswer(**vars(one.nps)) if one.nps else None,
                "csat": RateAnswer.of(one.csat) if one.csat else None,
                "distribution": {str(score): count for score, count in one.distribution.items()},
            }
        )


class SurveysAnswer(BaseModel):
    """NPS and CSAT of the invitations of these days."""

    days: Days
    surveys: list[SurveyAnswer]


class BandAnswer(BaseModel):
    """Messages of one band of confidence. mean_score: what the model promised; right: what came of it."""

    band: str
    mean_score: float | None
    right: RateAnswer


class Confusion(BaseModel):
    """How often the model said one and a person the other."""

    model: str
    person: str
    messages: int


class CorrectedAnswer(BaseModel):
    """Corrected messages of all analyzed ones. part: "language" or "band" of confidence. No accuracy: people correct what they see."""

    part: str
    name: str
    analyzed: int
    corrected: int
    share: RateAnswer

    @classmethod
    def of(cls, line: CorrectedLine) -> Self:
        """From the figures."""
        return cls.model_validate({**vars(line), "share": RateAnswer.of(line.share)})


class AccuracyAnswer(BaseModel):
    """How often the model is right in samples picked at random within these days, and what people corrected."""

    days: Days
    sentiment: RateAnswer
    intent: RateAnswer
    topics: RateAnswer
    by_language: dict[str, RateAnswer]
    calibration: list[BandAnswer]
    sentiment_confusion: list[Confusion]
    intent_confusion: list[Confusion]
    corrected: list[CorrectedAnswer]

    @classmethod
    def of(cls, found: Accuracy, corrected: list[CorrectedLine], *, days: Period) -> Self:
        """From the figures."""
        return cls(
            days=Days.of(days),
            sentiment=RateAnswer.of(found.sentiment),
            intent=RateAnswer.of(found.intent),
            topics=RateAnswer.of(found.topics),
            by_language={language: RateAnswer.of(one) for language, one in found.by_language.items()},
            calibration=[
                BandAnswer(band=one.band, mean_score=one.mean_score, right=RateAnswer.of(one.right))
                for one in found.calibration
            ],
            sentiment_confusion=_confusions(found.sentiment_confusion),
            intent_confusion=_confusions(found.intent_confusion),
            corrected=[CorrectedAnswer.of(one) for one in corrected],
        )


def _confusions(found: dict[tuple[str, str], int]) -> list[Confusion]:
    return [Confusion(model=model, person=person, messages=count) for (model, person), count in sorted(found.items())]
