"""What is read of a message of Claude's, whatever comes in its place."""

import pytest

from analysis.base import AnalysisError
from analysis.claude_messages import read_message, text_of

USAGE = {"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 100, "cache_creation_input_tokens": None}
WHOLE = {
    "id": "msg_1",
    "model": "claude-haiku-5-5",
    "stop_reason": "end_turn",
    "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": ""}, {"type": "text", "text": "{}"}],
    "usage": USAGE,
    "something_new": 1,
}


def test_the_first_words_and_every_token_are_read():
    message = read_message(WHOLE)
    assert message is not None
    assert text_of(message, request_id=None) == "{}"
    assert (message.usage.input_tokens, message.usage.output_tokens, message.usage.cached_tokens) == (10, 5, 100)
    assert message.usage.cache_write_tokens == 0 and message.usage.cost_microusd > 0


@pytest.mark.parametrize(
    "found",
    [None, 5, "a page", [], {}, {**WHOLE, "model": None}, {**WHOLE, "stop_reason": None}, {**WHOLE, "stop_reason": {}}],
)
def test_what_is_no_message_is_none(found):
    assert read_message(found) is None


@pytest.mark.parametrize("content", [None, "text", {}, [], [None, 3, {"type": "text"}, {"type": "text", "text": 5}]])
def test_without_words_the_answer_is_odd(content):
    message = read_message({**WHOLE, "content": content})
    assert message is not None
    with pytest.raises(AnalysisError, match="empty"):
        text_of(message, request_id="req_1")


@pytest.mark.parametrize(
    "usage", [None, [], "many", {"input_tokens": "ten", "output_tokens": True, "cache_read_input_tokens": 1.5}]
)
def test_odd_counts_are_none(usage):
    message = read_message({**WHOLE, "usage": usage})
    assert message is not None
    assert message.usage.input_tokens == message.usage.output_tokens == message.usage.cached_tokens == 0


@pytest.mark.parametrize(
    ("stop_reason", "code", "permanent"), [("refusal", "refused", True), ("pause_turn", "stopped_pause_turn", True)]
)
def test_another_ending_says_so_with_what_it_cost(stop_reason, code, permanent):
    message = read_message({**WHOLE, "stop_reason": stop_reason})
    assert message is not None
    with pytest.raises(AnalysisError) as raised:
        text_of(message, request_id="req_1")
    assert (raised.value.code, raised.value.permanent, raised.value.request_id) == (code, permanent, "req_1")
    assert raised.value.usage == message.usage
