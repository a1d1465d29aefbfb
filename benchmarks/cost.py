"""What 1,000 analyses cost, estimated from the prompt as it is sent: `python -m benchmarks.cost`."""

from analysis.cost import usage_with_cost
from analysis.cost_estimate import ANSWER_TOKENS, THINKING_TOKENS, Size, cost_per_1000, size_of, typical_request
from benchmarks.figures import Row, at_most

DEFAULT, STRONGER = "claude-haiku-5-5", "claude-sonnet-5-5"
HIT_RATES = (0.95, 0.50, 0.0)
ESCALATED = (0.0, 0.03, 0.07)
LIMIT_USD = 0.25


def total_per_1000(size: Size, *, hit_rate: float, share: float) -> float:
    """Dollars for 1,000 messages, of which this share is read again by the stronger model."""
    first = cost_per_1000(DEFAULT, size, hit_rate=hit_rate)
    return first + share * cost_per_1000(
        STRONGER, size, hit_rate=hit_rate, output_tokens=ANSWER_TOKENS + THINKING_TOKENS
    )


def baseline_per_1000(size: Size) -> float:
    """Dollars for 1,000 messages read by the default model alone and without a cache."""
    plain = usage_with_cost(
        DEFAULT,
        input_tokens=1000 * (size.prefix + size.suffix),
        output_tokens=1000 * ANSWER_TOKENS,
        cached_tokens=0,
        cache_write_tokens=0,
    )
    return plain.cost_microusd / 1e6


def rows() -> list[Row]:
    """The cost's part of the table: estimated, and so without a spread."""
    size = size_of(typical_request())
    baseline = baseline_per_1000(size)
    tokens = f"{size.prefix * 1000:,} of prompts all messages share, {size.suffix * 1000:,} of messages and context, {ANSWER_TOKENS * 1000:,} of answers"
    found = [Row("tokens of 1,000 messages (estimated)", tokens)]
    for hit_rate in HIT_RATES[:2]:
        for share in ESCALATED:
            cost = total_per_1000(size, hit_rate=hit_rate, share=share)
            limit, met = at_most(cost, LIMIT_USD, "$")
            found.append(
                Row(
                    f"cost of 1,000 messages (estimated, ±40 %), {hit_rate:.0%} cache hits, {share:.0%} read again by the stronger model",
                    f"${cost:.3f}",
                    f"${baseline:.3f} without a cache",
                    f"{cost / baseline:.2f}x",
                    limit,
                    met,
                )
            )
    return found


def main() -> None:
    """Print the table."""
    size = size_of(typical_request())
    print(f"Cost of 1,000 analyses (estimated: prefix {size.prefix:,} tokens, message and context {size.suffix:,},")
    print(f"answer {ANSWER_TOKENS}; the baseline is the default model alone without a cache)\n")
    baseline = baseline_per_1000(size)
    print("cache hits   " + "".join(f"{share:>7.0%} read again" for share in ESCALATED))
    for hit_rate in HIT_RATES:
        cells: list[str] = []
        for share in ESCALATED:
            total = total_per_1000(size, hit_rate=hit_rate, share=share)
            cells.append(f"${total:.3f} ({total / baseline:4.2f}x)".rjust(18))
        print(f"{hit_rate:>10.0%}   " + "".join(cells))
    print(f"\nwithout a cache: ${baseline:.3f} (1.00x)")


if __name__ == "__main__":
    main()
