"""What calls cost."""

from analysis.cost import PRICES, price_of, usage_with_cost


def test_a_dated_name_costs_what_its_family_costs():
    assert price_of("claude-haiku-4-5-20251001") == PRICES["claude-haiku-4-5"]


def test_a_model_of_unknown_price_counts_as_the_dearest_so_that_no_cap_fails_open():
    usage = usage_with_cost("made-up", input_tokens=1_000_000, output_tokens=0, cached_tokens=0, cache_write_tokens=0)
    assert usage.cost_microusd == PRICES["claude-opus-5-5"].input * 1e6
