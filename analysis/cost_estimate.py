"""What calls will cost, estimated from the prompt as it is sent.

Tokens are estimated from characters (the provider's tokenizer is not public): 2.5 characters a token in prompts, 2.1 in customers'
languages. The error may be 40 %; the ledger of a running installation has the real figures.
"""

import json
from dataclasses import dataclass

from analysis.base import AnalysisRequest, ContextTurn, Example, MinimizedText
from analysis.cost import usage_with_cost
from analysis.prompt import build_system, build_user_turn
from analysis.schema import wire_schema
from config.industries import load_industry

PROMPT_CHARS_PER_TOKEN, TEXT_CHARS_PER_TOKEN = 2.5, 2.1
ANSWER_TOKENS, THINKING_TOKENS = 150, 250
WORDS = "Kargom üç gündür dağıtımda görünüyor, kimse telefona bakmıyor. Paramı geri istiyorum! Sipariş no 10482."


@dataclass(frozen=True)
class Size:
    """Tokens of one call: what all messages of a tenant share, and what is new in each."""

    prefix: int
    suffix: int


def typical_request(*, text_chars: int | None = None) -> AnalysisRequest:
    """A shop with five turns of context and twelve published examples. text_chars: of the message and of each turn; None: as written."""
    industry = load_industry("ecommerce")
    words = WORDS if text_chars is None else (WORDS * (text_chars // len(WORDS) + 1))[:text_chars]
    message = MinimizedText(words)
    examples = tuple(
        Example(
            MinimizedText(f"{WORDS[:90]} {number}"), sentiment="negative", intent="refund_request", topics=("refund",)
        )
        for number in range(12)
    )
    return AnalysisRequest(
        text=message,
        context=tuple(ContextTurn("customer", message) for _ in range(5)),
        topics=industry.all_topics(),
        industry=industry.description,
        tone=industry.tone,
        examples=examples,
        examples_version=1,
    )


def size_of(request: AnalysisRequest) -> Size:
    """Estimated tokens of a request."""
    system = "".join(block["text"] for block in build_system(request)) + json.dumps(wire_schema())
    return Size(
        round(len(system) / PROMPT_CHARS_PER_TOKEN), round(len(build_user_turn(request)) / TEXT_CHARS_PER_TOKEN)
    )


def cost_per_1000(model: str, size: Size, *, hit_rate: float, output_tokens: int = ANSWER_TOKENS) -> float:
    """Dollars for 1,000 calls, of which `hit_rate` find the prefix in the provider's cache and the others write it."""
    hits = round(1000 * hit_rate)
    usage = usage_with_cost(
        model,
        input_tokens=1000 * size.suffix,
        output_tokens=1000 * output_tokens,
        cached_tokens=hits * size.prefix,
        cache_write_tokens=(1000 - hits) * size.prefix,
    )
    return usage.cost_microusd / 1e6
