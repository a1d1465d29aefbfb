"""What calls of the model came to, for the figures of a worker: how many, how many tokens, how many dollars."""

from analysis.base import ODD_ANSWER, AnalysisError, BatchAnswer, Usage
from worker.metrics import MODEL_CALLS, MODEL_COST, MODEL_TOKENS

MICROUSD = 1_000_000


def count_call(*, model: str, outcome: str, usage: Usage | None) -> None:
    """Count one call. The codes of odd answers name fields, and are one outcome."""
    MODEL_CALLS.labels(model, "odd_answer" if outcome.startswith(ODD_ANSWER) else outcome).inc()
    if usage is None:
        return
    for kind, tokens in (
        ("input", usage.input_tokens),
        ("output", usage.output_tokens),
        ("cached", usage.cached_tokens),
        ("cache_write", usage.cache_write_tokens),
    ):
        MODEL_TOKENS.labels(model, kind).inc(tokens)
    MODEL_COST.labels(model).inc(usage.cost_microusd / MICROUSD)


def count_batch_answer(answer: BatchAnswer, *, model: str) -> None:
    """Count an answer of a batch, once it is stored: a batch may be read several times."""
    if answer.analysis is not None:
        count_call(model=model, outcome="answered", usage=answer.analysis.usage)
    else:
        error = answer.error or AnalysisError("no_answer", permanent=False)
        count_call(model=model, outcome=error.code, usage=error.usage)
