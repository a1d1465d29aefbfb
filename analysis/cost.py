"""What a call costs. Prices in US dollars per million tokens, from the provider's price list of October 2026."""

from dataclasses import dataclass, replace

from analysis.base import Usage


@dataclass(frozen=True)
class Price:
    """Dollars per million tokens. cache_write is the one-hour price."""

    input: float
    output: float
    cache_write: float
    cache_read: float


PRICES = {
    "claude-haiku-5-5": Price(input=0.10, output=0.50, cache_write=0.20, cache_read=0.01),
    "claude-sonnet-5-5": Price(input=2.0, output=10.0, cache_write=4.0, cache_read=0.10),
    "claude-opus-5-5": Price(input=4.0, output=20.0, cache_write=8.0, cache_read=0.20),
    "claude-haiku-4-5": Price(input=1.0, output=5.0, cache_write=2.0, cache_read=0.10),
}


# What a batched request costs of the price of a single call.
BATCH_SHARE = 0.5


def in_batch(usage: Usage) -> Usage:
    """The same tokens at the price of a batch."""
    return replace(usage, cost_microusd=round(usage.cost_microusd * BATCH_SHARE))


def price_of(model: str) -> Price:
    """By the longest known beginning of the name ("claude-haiku-4-5-20251001"); else the dearest, so that no cap fails open."""
    known = max((name for name in PRICES if model.startswith(name)), key=len, default=None)
    return PRICES[known] if known else max(PRICES.values(), key=lambda price: price.output)


def usage_with_cost(
    model: str, *, input_tokens: int, output_tokens: int, cached_tokens: int, cache_write_tokens: int
) -> Usage:
    """Usage with its cost in millionths of a dollar; of a model whose price is not known here, by the dearest that is."""
    price = price_of(model)
    cost = (
        input_tokens * price.input
        + output_tokens * price.output
        + cached_tokens * price.cache_read
        + cache_write_tokens * price.cache_write
    )
    return Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cached_tokens=cached_tokens,
        cache_write_tokens=cache_write_tokens,
        cost_microusd=round(cost),
    )
