"""What 1,000 analyses cost, estimated from the prompt as it is sent: `python -m benchmarks.cost`."""

from analysis.cost import usage_with_cost
from analysis.cost_estimate import ANSWER_TOKENS, THINKING_TOKENS, cost_per_1000, size_of, typical_request

DEFAULT, STRONGER = "claude-haiku-5-5", "claude-sonnet-5-5"
HIT_RATES = (0.95, 0.50, 0.0)
ESCALATED = (0.0, 0.03, 0.07)


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
