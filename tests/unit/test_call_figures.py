"""What calls of the model came to, as metrics."""

import pytest
from prometheus_client import REGISTRY

from analysis.base import AnalysisError, BatchAnswer, Usage
from worker.call_figures import count_batch_answer, count_call

MODEL = "claude-of-this-test"
USAGE = Usage(input_tokens=900, output_tokens=90, cached_tokens=800, cache_write_tokens=7, cost_microusd=1250)


def value(name, **labels):
    return REGISTRY.get_sample_value(name, {"model": MODEL, **labels}) or 0.0


@pytest.fixture
def grown():
    """How much a figure has grown in this test."""
    before = {}

    def read(name, **labels):
        key = (name, *sorted(labels.items()))
        return value(name, **labels) - before.setdefault(key, value(name, **labels))

    return read


def test_a_call_is_counted_with_its_tokens_and_dollars(grown):
    figures = [
        ("earshot_model_calls_total", {"outcome": "answered"}, 1),
        *(
            ("earshot_model_tokens_total", {"kind": kind}, tokens)
            for kind, tokens in {"input": 900, "output": 90, "cached": 800, "cache_write": 7}.items()
        ),
        ("earshot_model_cost_usd_total", {}, 0.00125),
    ]
    for name, labels, _ in figures:
        grown(name, **labels)
    count_call(model=MODEL, outcome="answered", usage=USAGE)
    for name, labels, expected in figures:
        assert grown(name, **labels) == pytest.approx(expected), (name, labels)


def test_codes_of_odd_answers_name_fields_and_are_one_outcome(grown):
    assert grown("earshot_model_calls_total", outcome="odd_answer") == 0
    count_call(model=MODEL, outcome="answer_invalid:topics,score", usage=None)
    assert grown("earshot_model_calls_total", outcome="odd_answer") == 1


def test_a_request_of_a_batch_that_failed_is_a_call_that_failed(grown):
    assert grown("earshot_model_calls_total", outcome="batch_expired") == 0
    count_batch_answer(BatchAnswer("1", error=AnalysisError("batch_expired", permanent=False)), model=MODEL)
    assert grown("earshot_model_calls_total", outcome="batch_expired") == 1
