"""Facts of spans in the code are ones that a span may tell; what it may not is refused; off, a span costs next to nothing."""

import ast

import pytest

from config.error_facts import class_of, code_of, is_word, own_frames
from config.tracing import FACTS, current_trace, span, trace_ids
from store.db import StoreError
from tests.leaks.canaries import person
from tests.product_code import PRODUCT, ROOT
from worker.errors import StepError

OPTIONS = {"only_within"}


def facts_told(tree):
    """Names of what is said of spans: `span("x", name=...)` and `here.note(name=...)`."""
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        is_span = isinstance(call.func, ast.Name) and call.func.id == "span"
        is_note = (
            isinstance(call.func, ast.Attribute)
            and call.func.attr == "note"
            and ast.unparse(call.func.value) in {"here", "g.span", "told"}
        )
        if is_span or is_note:
            yield from (keyword.arg for keyword in call.keywords if keyword.arg)


def test_every_fact_of_a_span_is_one_that_it_may_tell():
    told = set()
    for folder in PRODUCT:
        for file in (ROOT / folder).rglob("*.py"):
            told |= set(facts_told(ast.parse(file.read_text(encoding="utf-8"))))
    assert told - OPTIONS == set(FACTS)
    assert set(facts_told(ast.parse("with span('x', text=1) as here: here.note(body=2)"))) == {"text", "body"}


@pytest.mark.parametrize("canary", person(3).canaries, ids=lambda one: one.kind)
def test_only_the_last_wall_would_let_one_lower_case_word_through(canary):
    """Handles and single words look like codes: no code gives them to a span, which the leak test shows."""
    assert is_word(canary.value) == (canary.kind in {"handle", "username", "word", "edited word", "late word"})


def test_of_an_exception_only_our_own_codes_are_told():
    assert code_of(StoreError("sqlstate_23505", permanent=True)) == "sqlstate_23505"
    assert code_of(StepError("call me at 0532", permanent=True)) is None
    assert code_of(ValueError("x")) is None
    foreign = ValueError("x")
    foreign.code = "zephyrquartz"
    assert code_of(foreign) is None
    assert class_of(foreign) == "ValueError"
    assert own_frames(None) == []


def test_off_there_is_no_trace():
    with span("webhook", messages=1) as here:
        here.note(status=200)
        assert current_trace() is None and trace_ids() == {}
