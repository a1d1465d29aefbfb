"""What the AI provider has to allow, and what it costs."""

from dataclasses import dataclass

from analysis.cost import PRICES
from analysis.cost_estimate import ANSWER_TOKENS, THINKING_TOKENS, cost_per_1000, size_of, typical_request
from cli.capacity_plan import MONTH_DAYS, Demand
from worker.provider_gate import BULK_SHARE, SHARE_OF_LIMIT


@dataclass(frozen=True)
class Tier:
    """What an organisation may ask of each model in a minute, and spend in a month."""

    name: str
    requests_per_min: int
    input_tokens_per_min: int
    output_tokens_per_min: int
    usd_per_month: int


# From the provider's page on rate limits, copy of 22 August 2026; cached tokens that are read do not count as input.
TIERS = (
    Tier("Start", 1_000, 2_000_000, 400_000, 500),
    Tier("Build", 5_000, 5_000_000, 1_000_000, 1_000),
    Tier("Scale", 10_000, 10_000_000, 2_000_000, 200_000),
)


@dataclass(frozen=True)
class Model:
    """One model's calls at the peak, by minute, and its cost by day."""

    name: str
    requests_per_min: float
    input_tokens_per_min: float
    output_tokens_per_min: float
    usd_per_day: float


@dataclass(frozen=True)
class ProviderNeed:
    """models: the default one first. tier: None when none is enough; lacking: what the largest lacks, such as "requests 3.5x"."""

    models: tuple[Model, ...]
    tier: str | None
    lacking: tuple[str, ...]

    @property
    def usd_per_day(self) -> float:
        """Of all models."""
        return sum(one.usd_per_day for one in self.models)

    @property
    def usd_per_month(self) -> float:
        """Of MONTH_DAYS."""
        return self.usd_per_day * MONTH_DAYS


def known_model(name: str) -> bool:
    """Whether its price is known, by the beginning of its name."""
    return any(name.startswith(known) for known in PRICES)


def plan_provider(demand: Demand) -> ProviderNeed:
    """Calls, tokens, tier and cost. Of each limit SHARE_OF_LIMIT is used, as workers do."""
    models = [_model(demand, demand.model, share=1.0, answer_tokens=ANSWER_TOKENS)]
    if demand.read_again:
        tokens = ANSWER_TOKENS + THINKING_TOKENS
        models.append(_model(demand, demand.stronger_model, share=demand.read_again, answer_tokens=tokens))
    need = ProviderNeed(tuple(models), None, ())
    fitting = next((tier for tier in TIERS if not _lacking(need, tier, demand)), None)
    lacking = (
        () if fitting else tuple(f"{name} {factor:.1f}x" for name, factor in _lacking(need, TIERS[-1], demand).items())
    )
    return ProviderNeed(need.models, fitting.name if fitting else None, lacking)


def _model(demand: Demand, name: str, *, share: float, answer_tokens: int) -> Model:
    size = size_of(typical_request(text_chars=demand.avg_chars))
    per_min = demand.peak_per_s * 60 * share
    uncached = size.suffix + size.prefix * (1 - demand.cache_hit_rate)
    a_thousand = cost_per_1000(name, size, hit_rate=demand.cache_hit_rate, output_tokens=answer_tokens)
    return Model(
        name, per_min, per_min * uncached, per_min * answer_tokens, demand.messages_per_day * share * a_thousand / 1000
    )


def usable_share(demand: Demand) -> float:
    """Of a limit of requests: workers leave a fifth to others, and floods half of theirs to ordinary messages."""
    flood = demand.flood_per_s / demand.peak_per_s
    return SHARE_OF_LIMIT * (1.0 if flood <= BULK_SHARE else BULK_SHARE / flood)


def limit_uses(need: ProviderNeed, tier: Tier, demand: Demand) -> dict[str, float]:
    """How much of each limit is used, by its name: 1 is all of what workers use of it."""
    share = usable_share(demand)
    return {
        "requests": max(one.requests_per_min for one in need.models) / (tier.requests_per_min * share),
        "input tokens": max(one.input_tokens_per_min for one in need.models) / (tier.input_tokens_per_min * share),
        "output tokens": max(one.output_tokens_per_min for one in need.models) / (tier.output_tokens_per_min * share),
        "spend a month": need.usd_per_month / tier.usd_per_month,
    }


def _lacking(need: ProviderNeed, tier: Tier, demand: Demand) -> dict[str, float]:
    return {name: used for name, used in limit_uses(need, tier, demand).items() if used > 1}
