"""How long a decision takes when the tenant has fifty rules of its own: `python -m benchmarks.decide`."""

import itertools
import statistics
import time
from typing import get_args

from config.rules import Rule, RuleThen, RuleWhen
from config.tenant import TenantConfig
from config.words import Intent, Sentiment
from routing.facts import RoutingFacts
from routing.playbooks import policy_for
from routing.rules import decide

RULES = 50
ROUNDS = 40
TARGET_US = 100.0
# Measured on 2026-11-25 on two cores that eight others shared (load 9, so p99 is mostly waiting); beside it, not a limit.
BASELINE_US = {"p50": 42.0, "p99": 180.0}


def own_rules(number: int) -> tuple[Rule, ...]:
    """Rules like a tenant's that none of the messages below fulfils, so that every one of them is looked at."""
    then = RuleThen(queue="support", priority="P3", skill="billing")
    whens = (
        RuleWhen(topics=("wholesale",), tier=("gold", "enterprise"), between="22:00-07:00"),
        RuleWhen(sentiment=("negative", "neutral"), topics=("gift_cards",), hours="closed"),
        RuleWhen(intent=("order_status", "complaint", "other"), channel=("generic",), weekdays=("sat", "sun")),
        RuleWhen(signals=("injection_suspected",), min_score=0.8),
        RuleWhen(language=("ar", "de"), floor=("safety",), max_score=0.95),
    )
    return tuple(
        Rule(name=f"own_{place}", because="A rule.", when=when, then=then)
        for place, when in zip(range(number), itertools.cycle(whens), strict=False)
    )


def messages() -> list[RoutingFacts]:
    """One of every sentiment and intent."""
    return [
        RoutingFacts(
            outcome="analyzed", surface="dm", channel="whatsapp", sentiment=sentiment, intent=intent, score=0.9, topics=("shipping",),
            language="tr", weekday="mon", minute=700, office_open=True,
        )
        for sentiment, intent in itertools.product(get_args(Sentiment), get_args(Intent))
    ]  # fmt: skip


def measure() -> list[float]:
    """Microseconds of processor time of each decision, in ascending order."""
    policy = policy_for(TenantConfig(slug="acme", name="Acme", industry="ecommerce", rules=own_rules(RULES)))
    facts = messages()
    taken: list[float] = []
    for one in facts * (ROUNDS + 1):
        start = time.thread_time_ns()
        decide(one, policy)
        taken.append((time.thread_time_ns() - start) / 1000)
    return sorted(taken[len(facts) :])


def main() -> None:
    """Print p50 and p99 beside what was measured before."""
    taken = measure()
    for name, value in (("p50", statistics.median(taken)), ("p99", taken[int(len(taken) * 0.99)])):
        print(
            f"decide() with {RULES} rules of the tenant: {name} {value:6.1f} us  baseline {BASELINE_US[name]:6.1f} us"
        )
    print(f"target: below {TARGET_US:.0f} us")


if __name__ == "__main__":
    main()
