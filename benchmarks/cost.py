"""What 1,000 analyses cost, estimated from the prompt as it is sent: `python -m benchmarks.cost`.

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
DEFAULT, STRONGER = "claude-haiku-5-5", "claude-sonnet-5-5"
ANSWER_TOKENS, THINKING_TOKENS = 150, 250
MESSAGE = MinimizedText(
    "Kargom üç gündür dağıtımda görünüyor, kimse telefona bakmıyor. Paramı geri istiyorum! Sipariş no 10482."
)
HIT_RATES = (0.95, 0.50, 0.0)
ESCALATED = (0.0, 0.03, 0.07)


@dataclass(frozen=True)
class Size:
    """Tokens of one call: what all messages of a tenant share, and what is new in each."""

    prefix: int
    suffix: int


def typical_request() -> AnalysisRequest:
    """A shop with five turns of context and twelve published examples."""
    industry = load_industry("ecommerce")
    examples = tuple(
        Example(
            MinimizedText(f"{MESSAGE[:90]} {number}"), sentiment="negative", intent="refund_request", topics=("refund",)
        )
        for number in range(12)
    )
    return AnalysisRequest(
        text=MESSAGE,
        context=tuple(ContextTurn("customer", MESSAGE) for _ in range(5)),
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


def main() -> None:
    """Print the table."""
    size = size_of(typical_request())
    print(f"Cost of 1,000 analyses (estimated: prefix {size.prefix:,} tokens, message and context {size.suffix:,},")
    print(f"answer {ANSWER_TOKENS}; the baseline is the default model alone without a cache)\n")
    plain = usage_with_cost(
        DEFAULT,
        input_tokens=1000 * (size.prefix + size.suffix),
        output_tokens=1000 * ANSWER_TOKENS,
        cached_tokens=0,
        cache_write_tokens=0,
    )
    baseline = plain.cost_microusd / 1e6
    print("cache hits   " + "".join(f"{share:>7.0%} read again" for share in ESCALATED))
    for hit_rate in HIT_RATES:
        cells: list[str] = []
        for share in ESCALATED:
            first = cost_per_1000(DEFAULT, size, hit_rate=hit_rate)
            again = cost_per_1000(STRONGER, size, hit_rate=hit_rate, output_tokens=ANSWER_TOKENS + THINKING_TOKENS)
            total = first + share * again
            cells.append(f"${total:.3f} ({total / baseline:4.2f}x)".rjust(18))
        print(f"{hit_rate:>10.0%}   " + "".join(cells))
    print(f"\nwithout a cache: ${baseline:.3f} (1.00x)")


if __name__ == "__main__":
    main()
