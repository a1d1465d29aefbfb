"""A labelled file: what is read, and that every problem names line, field and fix but nothing of the text."""

import json

import pytest

from analysis.evaluation_file import Turn, read_labelled

TOPICS = ("shipping", "refund")
SECRET = "canary words"
GOOD = {"text": "hello", "sentiment": "neutral"}


def lines(*rows):
    return "\n".join(json.dumps(row) for row in rows).encode()


def problems(content):
    return [str(problem) for problem in read_labelled(content, topics=TOPICS).problems]


def test_everything_a_line_may_hold_is_read():
    row = {
        "id": 7, "text": SECRET, "sentiment": "negative", "intent": "complaint", "lang": "en", "kind": "plain",
        "topics": ["refund", "refund", "shipping"], "is_injection": False, "channel": "of their own",
        "context": [{"from": "agent", "text": "Hi"}, {"from": "customer", "text": "Hm"}],
    }  # fmt: skip
    (case,) = read_labelled(lines(row), topics=TOPICS).cases
    assert (case.line, case.id, case.text, case.sentiment, case.intent) == (1, "7", SECRET, "negative", "complaint")
    assert (case.lang, case.kind, case.topics, case.is_injection) == ("en", "plain", ("refund", "shipping"), False)
    assert case.context == (Turn("agent", "Hi"), Turn("customer", "Hm"))
    assert SECRET not in repr(case)


def test_little_is_enough():
    content = b"\xef\xbb\xbf" + json.dumps({"text": "x", "intent": "other", "id": None}).encode() + b"\r\n \r\n"
    (case,) = read_labelled(content, topics=()).cases
    assert (case.id, case.sentiment, case.topics, case.context, case.is_injection) == ("line-1", None, None, (), None)


def test_blank_lines_count_but_are_no_messages():
    (case,) = read_labelled(b"\n\n" + lines(GOOD), topics=()).cases
    assert (case.line, case.id) == (3, "line-3")


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_a_problem(content):
    assert problems(content) == ["the file holds no message; write one JSON object a line"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"sentiment": SECRET}, "`sentiment` must be positive, neutral or negative"),
        ({"sentiment": ["neutral"]}, "`sentiment` must be positive, neutral or negative"),
        (
            {"intent": "refund"},
            "`intent` must be order_status, refund_request, price_inquiry, technical_support, complaint, compliment, callback_request, cancellation, spam or other",
        ),
        ({"sentiment": None}, "neither `sentiment` nor `intent` is given; label at least one"),
        ({"text": None}, "`text` is missing; it holds what the customer wrote"),
        ({"text": " \n"}, "`text` must be a text that is not empty"),
        ({"text": 7}, "`text` must be a text that is not empty"),
        ({"text": "\ud83d"}, "`text` must be a text that is not empty"),
        ({"id": ""}, "`id` must be a number or a line of 1 to 128 characters"),
        ({"id": "a\nb"}, "`id` must be a number or a line of 1 to 128 characters"),
        ({"id": "x" * 129}, "`id` must be a number or a line of 1 to 128 characters"),
        ({"id": True}, "`id` must be a number or a line of 1 to 128 characters"),
        ({"id": 1.5}, "`id` must be a number or a line of 1 to 128 characters"),
        ({"lang": 3}, "`lang` must be a line of 1 to 40 characters"),
        ({"kind": "k" * 41}, "`kind` must be a line of 1 to 40 characters"),
        ({"is_injection": "yes"}, "`is_injection` must be true or false"),
        ({"topics": "refund"}, "`topics` must be a list of at most 5 names of: refund, shipping (see --industry)"),
        ({"topics": [SECRET]}, "`topics` must be a list of at most 5 names of: refund, shipping (see --industry)"),
        ({"topics": [["x"]]}, "`topics` must be a list of at most 5 names of: refund, shipping (see --industry)"),
        (
            {"topics": ["refund"] * 6},
            "`topics` must be a list of at most 5 names of: refund, shipping (see --industry)",
        ),
        ({"sentimet": "neutral"}, "a field's name is almost `sentiment`; spell it so, or name it otherwise"),
    ],
)
def test_a_bad_field_is_named_with_its_fix(change, problem):
    assert problems(lines(GOOD, {**GOOD, **change})) == [f"line 2: {problem}"]


@pytest.mark.parametrize(
    "context",
    [
        SECRET,
        [SECRET],
        [{"from": "bot", "text": SECRET}],
        [{"from": ["agent"], "text": SECRET}],
        [{"from": "agent", "text": ""}],
        [{"from": "agent"}],
        [{"from": "agent", "text": "x"}] * 21,
    ],
)
def test_bad_context_is_a_problem(context):
    (problem,) = problems(lines({**GOOD, "context": context}))
    assert problem.startswith("line 1: `context` must be a list of at most 20 turns") and SECRET not in problem


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (SECRET.encode(), "not JSON; write one whole JSON object on the line"),
        (b"[" * 60_000, "not JSON; write one whole JSON object on the line"),
        (b'{"text": ' + b"9" * 5000 + b"}", "not JSON; write one whole JSON object on the line"),
        (b'["canary words"]', 'not a JSON object; write {"text": …, "sentiment": …}'),
        (b'{"text": "caf\xe9"}', "not UTF-8; save the file as UTF-8"),
        (b'{"text": "a", "text": "b", "sentiment": "neutral"}', "`text` is given twice; keep one"),
        (b'"' + b"x" * 65_535 + b'"', "longer than 64 kB; cut the text, 4,096 characters of it are read"),
    ],
)
def test_a_bad_line_is_named_with_its_fix(line, problem):
    assert problems(lines(GOOD) + b"\n" + line) == [f"line 2: {problem}"]


def test_an_id_may_not_come_twice_whether_number_or_text():
    content = lines({**GOOD, "id": "7"}, GOOD, {**GOOD, "id": 7})
    assert problems(content) == ["line 3: `id` is the same as on line 1; each message needs its own"]


def test_all_problems_of_all_lines_are_listed():
    found = problems(lines({"text": "", "sentiment": "x", "intent": "y"}, GOOD, {}))
    assert [problem.partition(":")[0] for problem in found] == ["line 1"] * 3 + ["line 3"] * 2
