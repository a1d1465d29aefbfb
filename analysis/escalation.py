"""When an answer of the default model deserves a second reading by a stronger one. Pure."""

from analysis.schema import AnalysisAnswer

# Intents that nobody has in a good mood, and the one that nobody has in a bad one.
_UNHAPPY_INTENTS = ("refund_request", "complaint", "cancellation")


def reason_to_escalate(answer: AnalysisAnswer, *, below: float, floor_hits: tuple[str, ...]) -> str | None:
    """Why: "low_confidence", "sarcasm" or "contradiction"; None when the answer stands.

    below: scores under it are doubtful. floor_hits: groups of words ("legal_threat", "safety" …) found without the model.
    """
    if answer.score < below:
        return "low_confidence"
    if answer.signals.sarcasm:
        return "sarcasm"
    is_glad = answer.sentiment == "positive"
    if (is_glad and (answer.intent in _UNHAPPY_INTENTS or floor_hits)) or (
        answer.sentiment == "negative" and answer.intent == "compliment"
    ):
        return "contradiction"
    return None


def may_escalate(*, calls: int, escalations: int, max_share: float, burst: int = 3) -> bool:
    """Whether today's share of second readings has room for one more. burst: so many are free on a quiet day."""
    return escalations < max(burst, int(calls * max_share)) if max_share > 0 else False
